"""The contract, checked: manifest against its schema, hashes, counts, columns, and that every sentence is true.

Each finding has a rule id, a place and what to do. Hashes come before parsing: a damaged shard is named, never opened.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jsonschema
import polars as pl
import pyarrow as pa

from gcsl_data.audit import built_rows
from gcsl_data.audit.split_rows import split_problems
from gcsl_data.dataset.decode import canonical, encode
from gcsl_data.dataset.goal import affix, token
from gcsl_data.dataset.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    Manifest,
    Shard,
    contradictions,
    from_json,
    read_document,
    verified_shard,
)
from gcsl_data.dataset.shards import DATA_FOLDER, arrow_schema, manifest_columns, shard_schema
from gcsl_data.errors import DataError
from gcsl_data.fit import Fit, Threshold
from gcsl_data.lookup import lookup
from gcsl_data.recipe import FormulationName
from gcsl_data.resources import folder
from gcsl_data.stages import snap
from gcsl_data.stages.aspects import joint_level, ladder
from gcsl_data.stages.fitting import level_of
from gcsl_data.stages.formulations import FORMULATIONS, Formulation
from gcsl_data.stages.render import example_id
from gcsl_data.stages.wording import MARK, filled, printed_value


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that breaks the contract: which rule, where, and in words."""

    rule: str
    where: str
    message: str


# Rule id -> what holds when nothing is found; `check` lists them.
CONTRACT = {
    "manifest.schema": "the manifest is valid against manifest.schema.json",
    "manifest.id": "dataset_id is the hash of the manifest's content",
    "manifest.counts": "rows, splits, goals and shards add up",
    "shards.hash": "every shard has the size and SHA-256 of the manifest, and no shard is extra",
    "shards.columns": "every shard has the columns of the manifest",
    "rows.count": "every shard has as many rows as the manifest says",
    "rows.id": "ids are unique and follow from source, row, part and goal",
    "rows.goal": "each row carries a kept goal, word for word, at its placement in the prompt",
    "rows.true": "every goal sentence is true of its row, and its level is right",
    "rows.splits": "no prompt stands in two splits",
}


def check_dataset(path: Path) -> list[Finding]:
    """All findings for the dataset at `path`, in the order of `CONTRACT`; an empty list means that it holds.

    Raises InputError (66) or DataError (65) when the manifest cannot be parsed or is of another format version.
    """
    document = read_document(path)
    if findings := list(_schema(document)):
        return findings
    manifest = from_json(document, str(path / MANIFEST_NAME))
    if problems := list(contradictions(manifest)):
        return [Finding("manifest.counts", MANIFEST_NAME, problem) for problem in problems]
    if manifest.formulation not in FORMULATIONS:
        known = ", ".join(FORMULATIONS)
        return [Finding("manifest.schema", MANIFEST_NAME, f"no formulation {manifest.formulation!r}; known: {known}")]
    if problems := list(_misfits(manifest)):
        return [Finding("manifest.schema", MANIFEST_NAME, problem) for problem in problems]
    findings = [*_identity(manifest), *_goal_texts(manifest), *_counts(manifest), *_extra_shards(path, manifest)]
    frames = []
    for shard in manifest.shards:
        found = list(_shard(path, manifest, shard))
        findings += found
        if not found:
            said = {"shard": pl.lit(shard.name), "split": pl.lit(shard.split)}
            frames.append(pl.scan_ipc(path / shard.name).with_columns(**said))
    if frames:
        findings += _rows(pl.concat(frames), manifest, complete=len(frames) == len(manifest.shards))
    return findings


def _schema(document: Any) -> Iterator[Finding]:
    """Nothing for a manifest of another version: reading it says what to do."""
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        return
    schema = json.loads((folder("schemas") / "manifest.schema.json").read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield Finding("manifest.schema", f"{MANIFEST_NAME}:{error.json_path}", error.message)


def _misfits(manifest: Manifest) -> Iterator[str]:
    """What a formulation cannot be: of another kind, or with a fit that lacks its numbers."""
    formulation, fit = _formulation(manifest), manifest.fit
    if formulation.kind != manifest.kind:
        yield f"{manifest.formulation} gives datasets of kind {formulation.kind}, not {manifest.kind}"
    if formulation.form != fit.form or (formulation.cut is None) != (fit.cut is None):
        yield f"the fit is not one for {manifest.formulation}"
    if formulation.has_deviation and fit.deviation is None:
        yield f"the fit has no deviation, of which {manifest.formulation} are made"


def _formulation(manifest: Manifest) -> Formulation:
    return FORMULATIONS[cast("FormulationName", manifest.formulation)]


def _identity(manifest: Manifest) -> Iterator[Finding]:
    if manifest.identified().dataset_id != manifest.dataset_id:
        yield Finding("manifest.id", MANIFEST_NAME, "does not match its dataset_id: it was edited after it was written")
    if hashlib.sha256(canonical(encode(manifest.columns))).hexdigest() != manifest.columns_sha256:
        yield Finding("manifest.id", MANIFEST_NAME, "columns_sha256 is not the hash of the columns")


def _goal_texts(manifest: Manifest) -> Iterator[Finding]:
    fit = manifest.fit
    for goal, threshold in zip(manifest.goals, fit.thresholds, strict=False):
        where = f"{MANIFEST_NAME}:goals[{goal.index}]"
        if goal.text is None:
            continue
        if hashlib.sha256(goal.text.encode()).hexdigest() != goal.sha256:
            yield Finding("manifest.id", where, "sha256 is not the hash of the goal's text")
        if missing := [number for number in _stated(fit, threshold) if number not in goal.text]:
            yield Finding("rows.true", where, f"the goal does not print its threshold {missing[0]}")
        if threshold.bound != _bound(fit, threshold):
            yield Finding(
                "rows.true", where, f"rows are labelled with {threshold.bound}, the goal says {goal.threshold}"
            )


def _stated(fit: Fit, threshold: Threshold) -> list[str]:
    """What the text of a goal must have in it."""
    if fit.form == "token":
        return [token(threshold.index)]
    if fit.aspects:
        return [asked.printed for asked in ladder(fit.aspects)[threshold.index - 1]]
    return [threshold.printed]


def _bound(fit: Fit, threshold: Threshold) -> float:
    """The bound that what is printed stands for; labels and joint goals count from 1."""
    if fit.rule in ("labels", "aspects") or (fit.form == "token" and fit.rule != "given"):
        return threshold.edge
    return snap.bound(threshold.printed, fit.comparator)


def _counts(manifest: Manifest) -> Iterator[Finding]:
    for split in manifest.splits:
        rows = sum(shard.rows for shard in manifest.split_shards(split.name))
        if rows != split.examples:
            message = f"split {split.name} says {split.examples} examples, its shards {rows}"
            yield Finding("manifest.counts", MANIFEST_NAME, message)
    account = manifest.accounting
    if account.rows != account.used + sum(account.rejected.values()) + sum(account.filtered.values()):
        yield Finding("manifest.counts", MANIFEST_NAME, "rows are not used + rejected + filtered")
    written = [goal for goal in manifest.goals if goal.text is not None]
    if written and sum(goal.examples for goal in written) != sum(split.examples for split in manifest.splits):
        yield Finding("manifest.counts", MANIFEST_NAME, "the goals' examples do not add up to the splits'")


def _extra_shards(path: Path, manifest: Manifest) -> Iterator[Finding]:
    known = {shard.name for shard in manifest.shards}
    for file in sorted((path / DATA_FOLDER).glob("*")):
        name = f"{DATA_FOLDER}/{file.name}"
        if name not in known:
            yield Finding(
                "shards.hash", name, "is not in the manifest, yet readers of the folder would read it; remove it"
            )


def _shard(path: Path, manifest: Manifest, shard: Shard) -> Iterator[Finding]:
    try:
        file = verified_shard(path, shard)
    except DataError as error:
        yield Finding("shards.hash", shard.name, error.message)
        return
    try:
        schema = shard_schema(file)
    except pa.ArrowInvalid as error:
        yield Finding("shards.columns", shard.name, f"is not an Arrow IPC file: {error}")
        return
    ours = arrow_schema(manifest.format, kind=manifest.kind)
    if list(schema)[: len(ours)] != list(ours) or manifest_columns(schema) != manifest.columns:
        yield Finding("shards.columns", shard.name, f"has other columns than the manifest: {', '.join(schema.names)}")
    rows = int(pl.scan_ipc(file).select(pl.len()).collect().item())
    if rows != shard.rows:
        yield Finding("rows.count", shard.name, f"has {rows} rows, the manifest says {shard.rows}")


def _rows(examples: pl.LazyFrame, manifest: Manifest, *, complete: bool) -> list[Finding]:
    """One pass over all rows: for each rule, how many break it and the first that does."""
    formulation = _formulation(manifest)
    if formulation.builder:
        holds = {
            "rows.id": built_rows.is_identified(manifest),
            "rows.goal": built_rows.states_goal(manifest, _stands(manifest)),
            "rows.true": built_rows.is_true(manifest),
        }
    else:
        holds = {
            "rows.id": _is_identified(manifest, formulation),
            "rows.goal": _carries_goal(manifest, formulation),
            "rows.true": _is_true(manifest, formulation),
        }
    first = pl.concat_str("shard", pl.lit(": id "), "id")
    queries = [
        examples.filter(~holding.fill_null(False)).select(rule=pl.lit(name), rows=pl.len(), where=first.first())
        for name, holding in holds.items()
    ]
    counts = pl.concat(pl.collect_all(queries, engine="streaming")).filter(pl.col("rows") > 0)
    findings = [Finding(rule, where, f"{rows} rows break this") for rule, rows, where in counts.iter_rows()]
    repeated = examples.group_by("id").len().filter(pl.col("len") > 1).select("id").collect(engine="streaming")
    if repeated.height:
        findings.append(Finding("rows.id", f"id {repeated['id'].min()}", f"{repeated.height} ids stand more than once"))
    findings += [Finding("rows.splits", *problem) for problem in split_problems(examples, manifest)]
    if complete and formulation.builder:
        problems = built_rows.range_problems(examples, manifest, formulation.builder)
        findings += [Finding("manifest.counts", MANIFEST_NAME, problem) for problem in problems]
        findings += [Finding("rows.true", *problem) for problem in built_rows.group_problems(examples, manifest)]
    elif complete:
        findings += _goal_counts(examples, manifest)
    return sorted(findings, key=lambda finding: list(CONTRACT).index(finding.rule))


def _goal_counts(examples: pl.LazyFrame, manifest: Manifest) -> Iterator[Finding]:
    counted = dict(examples.group_by("goal_index").len().collect(engine="streaming").iter_rows())
    for goal in (goal for goal in manifest.kept_goals if goal.text is not None):
        if counted.get(goal.index, 0) != goal.examples:
            message = f"goal {goal.index} has {counted.get(goal.index, 0)} rows, the manifest says {goal.examples}"
            yield Finding("manifest.counts", MANIFEST_NAME, message)


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
        turn = prompt.list.first().struct.field("content")
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
