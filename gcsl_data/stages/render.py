"""Records to examples: level, goals reached, the goal's sentence in the prompt, an id.

Each distinct goal was rendered once; here its text is looked up by goal_index and joined to the prompt. No Python runs
per row. Order is kept: records in log order, goals ascending within one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from gcsl_data.columns import EXAMPLE
from gcsl_data.dataset.goal import Placement, affix
from gcsl_data.dataset.manifest import Format
from gcsl_data.fit import Fit
from gcsl_data.hashing import sha256_hex
from gcsl_data.ingest.reshape import last_index_of_role
from gcsl_data.lookup import lookup
from gcsl_data.stages import snap
from gcsl_data.stages.fitting import level_of
from gcsl_data.stages.formulations import Formulation


@dataclass(frozen=True, slots=True)
class Wording:
    """How goals stand in prompts: the sentence of each kept goal, where it goes, and whether turns are written."""

    sentences: Mapping[int, str]
    placement: Placement
    format: Format


def to_examples(
    records: pl.LazyFrame, *, fit: Fit, formulation: Formulation, wording: Wording, keep: tuple[str, ...] = ()
) -> pl.LazyFrame:
    """Good records in, examples out (the columns of `columns.EXAMPLE`, kept ones, and `split`).

    A record without a kept goal gives no row. Prompts may be text or chat messages; plain-text output needs text prompts.
    """
    kept = sorted(wording.sentences)
    bounds = [snap.bound(t.printed, fit.comparator) for t in fit.thresholds]
    numbers = {t.index: float(t.printed) for t in fit.thresholds if t.index in wording.sentences}
    is_text = records.collect_schema()["prompt"] == pl.String
    goal_index = pl.col("goal_index")
    expanded = (
        records.with_columns(level=level_of(bounds, strict=snap.is_strict(fit.comparator)))
        .with_columns(goal_index=formulation.demonstrated(kept))
        .filter(pl.col("goal_index").list.len() > 0)
        .explode("goal_index", empty_as_null=False)
    )
    placed = expanded.with_columns(
        goal=lookup(goal_index, wording.sentences, pl.String),
        threshold=lookup(goal_index, numbers, pl.Float64),
        prompt=_placed(wording, is_text=is_text),
        completion=_completion(wording.format),
        weight=pl.lit(1.0),
        id=example_id(goal_index),
    )
    return placed.select(*(column.name for column in EXAMPLE), *keep, "split")


def example_id(copy: pl.Expr) -> pl.Expr:
    """First 16 hex digits of SHA-256 over source, row, part and copy, joined by U+001F (which no path holds)."""
    parts = ["source", "row", "part", copy]
    return sha256_hex(pl.concat_str(parts, separator="\x1f")).str.slice(0, 16)


def _placed(wording: Wording, *, is_text: bool) -> pl.Expr:
    before, after = _affixes(wording)
    prompt = pl.col("prompt")
    if is_text and wording.placement != "system":
        text = before + prompt + after
        return text if wording.format == "text" else pl.concat_list(_turn("user", text))
    if is_text:
        return pl.concat_list(_turn("system", _sentence(wording)), _turn("user", prompt))
    if wording.placement == "system":
        return _in_system_message(prompt, before, _sentence(wording))
    return _around_turn(prompt, last_index_of_role(prompt, "user"), before, after)


def _affixes(wording: Wording) -> tuple[pl.Expr, pl.Expr]:
    around = {k: affix(sentence, wording.placement) for k, sentence in wording.sentences.items()}
    goal_index = pl.col("goal_index")
    before = lookup(goal_index, {k: a.before for k, a in around.items()}, pl.String)
    after = lookup(goal_index, {k: a.after for k, a in around.items()}, pl.String)
    return before, after


def _sentence(wording: Wording) -> pl.Expr:
    return lookup(pl.col("goal_index"), wording.sentences, pl.String)


def _in_system_message(prompt: pl.Expr, before: pl.Expr, sentence: pl.Expr) -> pl.Expr:
    first = prompt.list.first().struct
    existing = pl.concat_list(_turn("system", before + first.field("content")), prompt.list.slice(1))
    new = pl.concat_list(_turn("system", sentence), prompt)
    return pl.when(first.field("role") == "system").then(existing).otherwise(new)


def _around_turn(prompt: pl.Expr, at: pl.Expr, before: pl.Expr, after: pl.Expr) -> pl.Expr:
    turn = prompt.list.get(at, null_on_oob=True).struct
    changed = _turn("user", before + turn.field("content") + after)
    return pl.concat_list(prompt.list.head(at), changed, prompt.list.slice(at + 1))


def _completion(output_format: Format) -> pl.Expr:
    response = pl.col("response")
    return response if output_format == "text" else pl.concat_list(_turn("assistant", response))


def _turn(role: str, content: pl.Expr) -> pl.Expr:
    return pl.struct(role=pl.lit(role), content=content)
