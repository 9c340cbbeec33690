"""Labelled records to examples: a row for each copy, the goal's text in the prompt, an id.

Each distinct goal was written once; here it stands as an expression and is joined to the prompt. No Python runs per row.
Order is kept: records in log order, copies ascending within one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from gcsl_data.columns import EXAMPLE, FRAGMENT
from gcsl_data.dataset.goal import Placement, affix
from gcsl_data.dataset.manifest import Format
from gcsl_data.hashing import sha256_hex
from gcsl_data.ingest.conversations import last_index_of_role
from gcsl_data.lookup import lookup
from gcsl_data.stages.wording import MARK, filled


@dataclass(frozen=True, slots=True)
class Layout:
    """Where goals stand in prompts, and whether turns are written."""

    placement: Placement
    format: Format


def to_examples(
    labelled: pl.LazyFrame,
    *,
    goal: pl.Expr | None,
    thresholds: Mapping[int, float],
    indexed: bool,
    layout: Layout,
    carried: tuple[str, ...] = (),
) -> pl.LazyFrame:
    """Labelled records in, examples out (the columns of `columns.EXAMPLE`, carried ones, `split` and `FRAGMENT`).

    `goal` gives each row's text from `copy` or `reward`, None writes none; `thresholds` is by copy. `indexed` says that a
    copy is a goal's index. A record without copies gives no row. Prompts may be text or chat messages; plain-text output
    needs text prompts.
    """
    is_text = labelled.collect_schema()["prompt"] == pl.String
    copy = pl.col("copy")
    expanded = labelled.filter(copy.list.len() > 0).explode("copy", empty_as_null=False)
    written = expanded.with_columns(goal=pl.lit(None, pl.String) if goal is None else goal)
    placed = written.with_columns(
        prompt=prompt_of(layout, is_text=is_text, has_goal=goal is not None),
        completion=_completion(layout.format),
        goal_index=copy if indexed else pl.lit(None, pl.Int32),
        threshold=lookup(copy, thresholds, pl.Float64),
        weight=pl.lit(1.0),
        id=example_id(copy),
    )
    return placed.select(*(column.name for column in EXAMPLE), *carried, "split", FRAGMENT)


def example_id(copy: pl.Expr) -> pl.Expr:
    """First 16 hex digits of SHA-256 over source, row, part and copy, joined by U+001F (which no path holds)."""
    parts = ["source", "row", "part", copy]
    return sha256_hex(pl.concat_str(parts, separator="\x1f")).str.slice(0, 16)


def prompt_of(layout: Layout, *, is_text: bool, has_goal: bool) -> pl.Expr:
    """A record's `prompt` as rows have it, with the text of `goal` in it if there is one."""
    return _placed(layout, is_text=is_text) if has_goal else _goal_free(layout, is_text=is_text)


def bare_prompt(layout: Layout) -> pl.Expr:
    """The `prompt` of rows that carry a `goal` without its text: what `prompt_of` put it into, as chat messages or text."""
    goal, prompt = pl.col("goal"), pl.col("prompt")
    around = affix(MARK, layout.placement)

    def bare(text: pl.Expr) -> pl.Expr:
        return text.str.strip_prefix(filled(around.before, goal)).str.strip_suffix(filled(around.after, goal))

    if layout.format == "text":
        return bare(prompt)
    if layout.placement == "system":
        first, others = prompt.list.first().struct.field("content"), prompt.list.slice(1)
        return pl.when(first == goal).then(others).otherwise(pl.concat_list(_turn("system", bare(first)), others))
    at = last_index_of_role(prompt, "user")
    turn = prompt.list.get(at, null_on_oob=True).struct.field("content")
    return pl.concat_list(prompt.list.head(at), _turn("user", bare(turn)), prompt.list.slice(at + 1))


def _goal_free(layout: Layout, *, is_text: bool) -> pl.Expr:
    prompt = pl.col("prompt")
    return pl.concat_list(_turn("user", prompt)) if is_text and layout.format == "messages" else prompt


def _placed(layout: Layout, *, is_text: bool) -> pl.Expr:
    goal, prompt = pl.col("goal"), pl.col("prompt")
    around = affix(MARK, layout.placement)
    before, after = filled(around.before, goal), filled(around.after, goal)
    if is_text and layout.placement != "system":
        text = before + prompt + after
        return text if layout.format == "text" else pl.concat_list(_turn("user", text))
    if is_text:
        return pl.concat_list(_turn("system", goal), _turn("user", prompt))
    if layout.placement == "system":
        return _in_system_message(prompt, before, goal)
    return _around_turn(prompt, last_index_of_role(prompt, "user"), before, after)


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
