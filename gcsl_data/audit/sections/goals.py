"""Goals: how many are kept, what they cost in copies, and which records are not used."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gcsl_data.dataset.manifest import Accounting, Goal, Split


@dataclass(frozen=True, slots=True)
class Copies:
    """How many `records` give so many rows each."""

    copies: int
    records: int


@dataclass(frozen=True, slots=True)
class Goals:
    """`kept` and `dropped` count goals. `records` are the usable ones of all splits, `examples` the rows that they give,
    `expansion` examples per record. `unused` counts records without a row, left out on request or without a goal that they
    reach. `copies` says how many records give so many rows, `most_copies` the most of one record, by which a bad one is
    multiplied; they are empty and null where a row is made of several records. `top_share` is the part of the train split
    that reaches the highest kept goal; null where there is no goal.
    """

    kept: int
    dropped: int
    records: int
    examples: int
    expansion: float
    unused: int
    unused_share: float
    most_copies: int | None
    top_share: float | None
    copies: tuple[Copies, ...]


def goals_section(
    facts: pl.DataFrame, *, goals: Sequence[Goal], splits: Sequence[Split], accounting: Accounting, is_whole: bool
) -> Goals:
    """`facts` may have null `copies`; `is_whole` says whether records that give no row are among them."""
    kept = [goal for goal in goals if goal.dropped is None]
    records, examples = sum(split.records for split in splits), sum(split.examples for split in splits)
    unused = records - accounting.used
    counts = facts.group_by("copies").agg(records=pl.len()).drop_nulls().sort("copies")
    rows = [Copies(int(copies), int(n)) for copies, n in counts.iter_rows()]
    if rows and not is_whole and unused:
        rows = [Copies(0, unused), *rows]
    return Goals(
        kept=len(kept),
        dropped=len(goals) - len(kept),
        records=records,
        examples=examples,
        expansion=examples / records,
        unused=unused,
        unused_share=unused / records,
        most_copies=rows[-1].copies if rows else None,
        top_share=kept[-1].records / max(splits[0].records, 1) if kept else None,
        copies=tuple(rows),
    )
