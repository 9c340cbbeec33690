"""Facts: what is known of each record without its texts. Whatever is fitted or counted comes from them.

So the texts are read twice and no more: here, and when the rows are written. The text of a record is known by 128 bits of
hash: were two different texts to agree in all of them, which for a billion records has a chance of about 1e-21, one of the
two would count as a repetition of the other.
"""

from collections.abc import Sequence

import polars as pl

from gcsl_data.columns import PLACE
from gcsl_data.control_tokens import CONTROL_TOKEN
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.checks import in_any_text, is_rejected, said_of_rejected

PAIR = ("pair a", "pair b")  # with a space, as all of these: no column of ours is called so
LEAKY, CONTROL, CHARACTERS, BYTES = "leaks its grade", "has control tokens", "characters of text", "bytes of text"
LEFT_OUT = "left out for its text"
EXCERPT = "excerpt of text"
_ALWAYS = ("log", "source", "row", "part", PLACE, "reject")
_IF_THERE = ("split", LEFT_OUT)


def facts_of(
    records: pl.LazyFrame, rewards: Sequence[str], leaks: Sequence[str], needed: Sequence[str] = ()
) -> pl.LazyFrame:
    """A row for each flagged record, in their order: where it stands, why it is rejected, its `rewards`, and of its texts two
    hashes (`PAIR`), whether they leak a grade (`leaks` are patterns) or hold control tokens, and how long they are.

    Of a rejected record there is an excerpt. `needed` names more columns to take along.
    """
    schema = records.collect_schema()
    is_text = schema["prompt"] == pl.String
    has_control = in_any_text(lambda text: text.str.contains(CONTROL_TOKEN), is_text=is_text)
    patterns = (in_any_text(lambda text, p=p: text.str.contains(p), is_text=is_text) for p in leaks)
    return records.select(
        *_ALWAYS,
        *(name for name in _IF_THERE if name in schema),
        *dict.fromkeys((*rewards, *needed)),
        *(pl.struct("prompt", "response").hash(seed).alias(name) for seed, name in enumerate(PAIR, start=1)),
        pl.any_horizontal(patterns).alias(LEAKY),
        has_control.alias(CONTROL),
        characters(is_text).cast(pl.Int64).alias(CHARACTERS),
        _bytes(is_text).alias(BYTES),
        pl.when(is_rejected()).then(said_of_rejected(is_text=is_text)).alias(EXCERPT),
    )


def with_left_out(records: pl.LazyFrame, stage: ChecksStage) -> pl.LazyFrame:
    """The records with `LEFT_OUT`, where somebody asked for that: why their text says that they are left out, or null."""
    is_text = records.collect_schema()["prompt"] == pl.String
    asked: dict[str, pl.Expr] = {}
    if stage.control_tokens == "reject":
        asked["control_tokens"] = in_any_text(lambda text: text.str.contains(CONTROL_TOKEN), is_text=is_text)
    if stage.max_chars is not None:
        asked["too_long"] = characters(is_text) > stage.max_chars
    if not asked:
        return records
    return records.with_columns(
        pl.coalesce(pl.when(holds).then(pl.lit(why)) for why, holds in asked.items()).alias(LEFT_OUT)
    )


def rejected_rows(facts: pl.LazyFrame) -> pl.LazyFrame:
    """Where each rejected record stands and why: source, row, reason, and how its prompt begins, else its response."""
    return facts.filter(is_rejected()).select("source", "row", reason="reject", excerpt=EXCERPT)


def characters(is_text: bool) -> pl.Expr:
    """How many characters prompt and response have together."""
    prompt, content = pl.col("prompt"), pl.element().struct.field("content")
    asked = prompt.str.len_chars() if is_text else prompt.list.eval(content.str.len_chars()).list.sum()
    return asked + pl.col("response").str.len_chars()


def _bytes(is_text: bool) -> pl.Expr:
    prompt, content = pl.col("prompt"), pl.element().struct.field("content")
    asked = prompt.str.len_bytes() if is_text else prompt.list.eval(content.str.len_bytes()).list.sum()
    return asked.cast(pl.Int64) + pl.col("response").str.len_bytes()
