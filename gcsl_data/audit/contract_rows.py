"""The rules of the contract that speak of rows, as expressions over all shards; one pass finds who breaks them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import polars as pl

from gcsl_data.audit import built_rows
from gcsl_data.audit.finding import CONTRACT, Finding, found
from gcsl_data.audit.split_rows import split_problems
from gcsl_data.columns import ROW_INDEX
from gcsl_data.dataset.goal import affix
from gcsl_data.dataset.manifest import MANIFEST_NAME, Manifest, Shard
from gcsl_data.lookup import lookup
from gcsl_data.recipe import FormulationName
from gcsl_data.stages.aspects import joint_level
from gcsl_data.stages.fitting import level_of
from gcsl_data.stages.formulations import FORMULATIONS, Formulation
from gcsl_data.stages.render import example_id
from gcsl_data.stages.wording import MARK, filled, printed_value


def rows_of(path: Path, shards: Mapping[str, Shard]) -> pl.LazyFrame | None:
    """The rows of shards with their `shard`, `split` and `ROW_INDEX` (1-based in the shard); None for no shards."""
    frames = [
        pl.scan_ipc(path / name, row_index_name=ROW_INDEX, row_index_offset=1).with_columns(
            shard=pl.lit(name), split=pl.lit(shard.split)
        )
        for name, shard in shards.items()
    ]
    return pl.concat(frames) if frames else None


def formulation_of(manifest: Manifest) -> Formulation:
    """How the dataset's rows were made. Raises KeyError for a formulation that nobody knows."""
    return FORMULATIONS[cast("FormulationName", manifest.formulation)]


def row_rules(manifest: Manifest) -> dict[str, pl.Expr]:
    """Rule id -> whether a row keeps it; null counts as broken."""
    formulation = formulation_of(manifest)
    if formulation.builder:
        return {
            "rows.id": built_rows.is_identified(manifest),
            "rows.goal": built_rows.states_goal(manifest, _stands(manifest)),
            "rows.true": built_rows.is_true(manifest),
        }
    return {
        "rows.id": _is_identified(manifest, formulation),
        "rows.goal": _carries_goal(manifest, formulation),
        "rows.true": _is_true(manifest, formulation),
    }


def check_rows(rows: pl.LazyFrame, manifest: Manifest, *, complete: bool) -> list[Finding]:
    """For each rule, how many rows break it and the first that does; `complete` says that no shard is left out."""
    builder = formulation_of(manifest).builder
    findings = [*_broken(rows, manifest), *_repeated(rows)]
    findings += [found("rows.splits", shard, words, row=row) for shard, row, words in split_problems(rows, manifest)]
    if complete and builder:
        problems = built_rows.range_problems(rows, manifest, builder)
        findings += [found("manifest.counts", MANIFEST_NAME, problem) for problem in problems]
        problems = built_rows.group_problems(rows, manifest)
        findings += [found("rows.true", shard, words, row=row) for shard, row, words in problems]
    elif complete:
        findings += _goal_counts(rows, manifest)
    return sorted(findings, key=lambda finding: CONTRACT.index(finding.rule))


def broken_rows(rows: pl.LazyFrame, manifest: Manifest) -> pl.LazyFrame:
    """The rows that break a rule by themselves or share their id, with `_gcsl_rule` (the rules, joined by commas)."""
    rules = {name: ~holds.fill_null(False) for name, holds in row_rules(manifest).items()}
    repeated = rows.group_by("id").len().filter(pl.col("len") > 1).select("id").collect(engine="streaming")["id"]
    rules["rows.id"] |= pl.col("id").is_in(repeated.implode())
    names = [pl.when(breaks).then(pl.lit(name)) for name, breaks in rules.items()]
    broken = rows.filter(pl.any_horizontal(rules.values()))
    return broken.with_columns(_gcsl_rule=pl.concat_str(names, separator=",", ignore_nulls=True))


def _broken(rows: pl.LazyFrame, manifest: Manifest) -> Iterator[Finding]:
    queries = [
        rows.filter(~holds.fill_null(False)).select(
            pl.lit(name).alias("rule"), pl.len(), pl.col("shard", ROW_INDEX, "id").first()
        )
        for name, holds in row_rules(manifest).items()
    ]
    counts = pl.concat(pl.collect_all(queries, engine="streaming")).filter(pl.col("len") > 0)
    for rule, count, shard, row, key in counts.iter_rows():
        yield found(rule, shard, f"{_rows(count)} this; the first has id {key}", row=row)


def _rows(count: int) -> str:
    return "1 row breaks" if count == 1 else f"{count:,} rows break"


def _repeated(rows: pl.LazyFrame) -> Iterator[Finding]:
    twice = rows.group_by("id").len().filter(pl.col("len") > 1).select("id").collect(engine="streaming")
    if twice.height:
        first = twice["id"].min()
        where = rows.filter(pl.col("id") == first).select("shard", ROW_INDEX).head(2).collect(engine="streaming")
        shard, row = where.row(1)
        count = "1 id stands" if twice.height == 1 else f"{twice.height:,} ids stand"
        yield found("rows.id", shard, f"{count} more than once, the first is {first}", row=row)


def _goal_counts(examples: pl.LazyFrame, manifest: Manifest) -> Iterator[Finding]:
    counted = dict(examples.group_by("goal_index").len().collect(engine="streaming").iter_rows())
    for goal in (goal for goal in manifest.kept_goals if goal.text is not None):
        if counted.get(goal.index, 0) != goal.examples:
            message = f"goal {goal.index} has {counted.get(goal.index, 0)} rows, the manifest says {goal.examples}"
            yield found("manifest.counts", MANIFEST_NAME, message)


def _is_identified(manifest: Manifest, formulation: Formulation) -> pl.Expr:
    """Whether the id follows from source, row, part and the copy: the goal's index, else a running number from 1.

    A running number must be one that the record has by its reward and level.
    """
    if formulation.indexed:
        return pl.col("id") == example_id(pl.col("goal_index"))
    copies = formulation.copies(manifest.fit)
    most = max(1, len(manifest.fit.kept))
    return pl.any_horizontal(
        (pl.col("id") == example_id(pl.lit(str(n)))) & copies.list.contains(n) for n in range(1, most + 1)
    )


def _carries_goal(manifest: Manifest, formulation: Formulation) -> pl.Expr:
    goal, index, fit = pl.col("goal"), pl.col("goal_index"), manifest.fit
    if formulation.form is None:
        return goal.is_null() & index.is_null() & pl.col("threshold").is_null()
    if formulation.form == "value":
        digits = 2 if fit.decimals is None else fit.decimals
        number = printed_value(pl.col("reward") * fit.sign, digits)
        return goal.str.contains(number, literal=True) & index.is_null() & _stands(manifest)
    goals = manifest.kept_goals
    text = lookup(index, {g.index: g.text for g in goals}, pl.String)
    if fit.aspects:
        number_is_right = pl.col("threshold").is_null()
    else:
        numbers = {t.index: fit.sign * t.bound for t in fit.thresholds}
        number_is_right = pl.col("threshold") == lookup(index, numbers, pl.Float64)
    return (goal == text) & number_is_right & _stands(manifest)


def _stands(manifest: Manifest) -> pl.Expr:
    """Whether the row's goal stands in its prompt where the placement says."""
    goal, prompt = pl.col("goal"), pl.col("prompt")
    around = affix(MARK, manifest.placement)
    if manifest.format == "text":
        turn = prompt
    elif manifest.placement == "system":
        first = prompt.list.first().struct
        turn = pl.when(first.field("role") == "system").then(first.field("content"))
    else:
        user = prompt.list.filter(pl.element().struct.field("role") == "user")
        turn = user.list.last().struct.field("content")
    stands = turn.str.starts_with(filled(around.before, goal)) & turn.str.ends_with(filled(around.after, goal))
    return stands | (turn == goal) if manifest.placement == "system" else stands


def _is_true(manifest: Manifest, formulation: Formulation) -> pl.Expr:
    """Whether the reward reaches what the row claims, and its level follows from it."""
    fit, reward, level = manifest.fit, pl.col("reward"), pl.col("level")
    holds = reward.is_finite()
    if fit.aspects:
        holds &= reward == joint_level(fit)
    if fit.is_by_rank:  # the level depends on the order of the log; here at least on the reward
        edges = [pl.sum_horizontal(pl.lit(0), *[ok(t.edge) for t in fit.thresholds]) for ok in (reward.gt, reward.ge)]
        holds &= (edges[0] <= level) & (level <= edges[1])
    else:
        holds &= level == level_of(fit)
    if formulation.cut and fit.cut:
        holds &= reward >= fit.cut.value
    if formulation.indexed:
        index = pl.col("goal_index")
        holds &= formulation.copies(fit).list.contains(index)
    return holds
