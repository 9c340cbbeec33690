"""What stats look at: facts of each record, without its text, and the text of those that somebody asks for.

A log's records are all that can be used. A dataset has those that stand in its rows, each once, without its goal; what gave
no row is known by the manifest alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gcsl_data.dataset.manifest import Manifest
from gcsl_data.dataset.shards import arrow_schema, manifest_columns
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError
from gcsl_data.hashing import conversation_text, prompt_hash
from gcsl_data.measure import Measured
from gcsl_data.plan import Plan
from gcsl_data.stages.render import Layout, bare_prompt

PLACE = ("source", "row", "part")


@dataclass(frozen=True, slots=True)
class Subject:
    """`facts` has a row for each record, in the order of source, row and part: `split`, `reward`, `level` and `copies` (null
    where a record has none), `prompt_chars`, `response_chars`, and hashes of the `group`, the `prompt` (normalised), and the
    `pair` of prompt and response. `texts` gives prompt and response, as text, of the records at some places. `is_whole` says
    whether records that give no row are there.
    """

    found: Manifest | Measured
    formulation: str
    metric: str
    facts: pl.DataFrame
    texts: Callable[[pl.DataFrame], pl.DataFrame]
    is_whole: bool


def subject_of_log(plan: Plan, measured: Measured, engine: Engine) -> Subject:
    """A settled plan's records, labelled by its fit: one look at the log."""
    records = plan.labelled(measured.fit)
    is_text = records.collect_schema()["prompt"] == pl.String
    copies = pl.lit(None, pl.Int64) if plan.formulation.builder else pl.col("copy").list.len().cast(pl.Int64)
    level = pl.col("level") if measured.fit.thresholds else pl.lit(None, pl.Int32)
    labelled = records.with_columns(level=level, copies=copies)

    def texts(places: pl.DataFrame) -> pl.DataFrame:
        wanted = labelled.join(places.select(PLACE).lazy(), on=PLACE, how="semi")
        return engine.measure(wanted.select(*PLACE, prompt=_as_text(pl.col("prompt"), is_text), response="response"))

    name = next((template.metric for template in plan.templates.values()), plan.recipe.goals.metric or "score")
    return Subject(
        found=measured,
        formulation=plan.recipe.goals.formulation,
        metric=name,
        facts=_in_order(engine.measure(_facts(labelled, pl.col("prompt_hash"), is_text=is_text))),
        texts=texts,
        is_whole=True,
    )


def subject_of_dataset(path: Path, manifest: Manifest) -> Subject:
    """The records in a dataset's rows. Raises DataError (65) for a shard that is not as the manifest says."""
    ours = manifest_columns(arrow_schema(manifest.format, kind=manifest.kind))
    expected = [(field.name, field.type) for field in ours]
    paths = verified_shards(path, manifest, manifest.shards)
    if [(field.name, field.type) for field in manifest.columns[: len(expected)]] != expected:
        raise DataError(
            "GD6547", f"{path}: its columns are not those of format {manifest.format}; build the dataset again"
        )
    scans = [pl.scan_ipc(file).with_columns(split=pl.lit(shard.split)) for shard, file in paths.items()]
    is_text = manifest.format == "text"
    rows = _records_of_rows(pl.concat(scans), manifest)
    splits_apart = sum(split.examples > 0 for split in manifest.splits) > 1
    hashed = prompt_hash(pl.col("prompt"), is_text=is_text) if splits_apart else pl.lit("")
    is_copied = manifest.kind == "examples" and bool(manifest.goals)
    counted = (
        _facts(rows, hashed, is_text=is_text).with_columns(copies=pl.lit(None, pl.Int64)).collect(engine="streaming")
    )
    facts = counted.unique(PLACE, keep="any") if not is_copied else _counted(counted)

    def texts(places: pl.DataFrame) -> pl.DataFrame:
        wanted = rows.join(places.select(PLACE).lazy(), on=PLACE, how="semi")
        found = wanted.select(*PLACE, prompt=_as_text(pl.col("prompt"), is_text), response="response")
        return found.unique(PLACE, keep="any").collect(engine="streaming")

    return Subject(
        found=manifest,
        formulation=manifest.formulation,
        metric=next((template.metric for template in manifest.templates.values()), "score"),
        facts=_in_order(facts),
        texts=texts,
        is_whole=False,
    )


def _counted(rows: pl.DataFrame) -> pl.DataFrame:
    """The facts of each record once, with how many rows it has."""
    first = [pl.col(name).first() for name in rows.columns if name not in (*PLACE, "copies")]
    return rows.group_by(PLACE).agg(*first, copies=pl.len().cast(pl.Int64))


def _facts(records: pl.LazyFrame, normalised: pl.Expr, *, is_text: bool) -> pl.LazyFrame:
    prompt = pl.col("prompt")
    content = pl.element().struct.field("content")
    chars = prompt.str.len_chars() if is_text else prompt.list.eval(content.str.len_chars()).list.sum()
    return records.select(
        *PLACE,
        "split",
        "reward",
        "level",
        "copies",
        prompt_chars=chars.cast(pl.Int64),
        response_chars=pl.col("response").str.len_chars().cast(pl.Int64),
        group=pl.col("group").hash(),
        prompt=normalised.hash(),
        pair=pl.struct("prompt", "response").hash(),
    )


def _in_order(facts: pl.DataFrame) -> pl.DataFrame:
    """Sums of floats depend on their order, so there is one."""
    return facts.sort(PLACE).rechunk()


def _records_of_rows(rows: pl.LazyFrame, manifest: Manifest) -> pl.LazyFrame:
    """The records in rows of any kind, without their goals, as often as rows hold them."""
    is_text = manifest.format == "text"
    prompt = bare_prompt(Layout(manifest.placement, manifest.format)) if manifest.fit.form else pl.col("prompt")
    bare = rows.with_columns(prompt=prompt)
    nothing = {"level": pl.lit(None, pl.Int32), "copies": pl.lit(None, pl.Int64)}
    if manifest.kind in ("pairs", "multi-negative"):
        chosen = bare.select(*_ROW, *PLACE, response=_answer(pl.col("chosen"), is_text), reward="chosen_reward")
        lists = [] if manifest.kind == "pairs" else ["rejected", "reward", *PLACE]
        names = {f"rejected_{name}": name for name in ("reward", *PLACE)}
        worse = bare.select(*_ROW, "rejected", *names).rename(names)
        rejected = (worse.explode(lists, empty_as_null=False) if lists else worse).select(
            *_ROW, *PLACE, response=_answer(pl.col("rejected"), is_text), reward="reward"
        )
        return pl.concat([chosen, rejected]).with_columns(**nothing)
    has_levels = manifest.kind == "examples" and bool(manifest.fit.thresholds)
    return bare.select(
        *_ROW,
        *PLACE,
        response=_answer(pl.col("completion"), is_text),
        reward="reward",
        level="level" if has_levels else nothing["level"],
        copies=nothing["copies"],
    )


_ROW = ("split", "prompt", "group")


def _answer(completion: pl.Expr, is_text: bool) -> pl.Expr:
    return completion if is_text else completion.list.first().struct.field("content")


def _as_text(prompt: pl.Expr, is_text: bool) -> pl.Expr:
    return prompt if is_text else conversation_text(prompt)
