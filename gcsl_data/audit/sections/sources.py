"""Sources: which log supplies how much of each level."""

from dataclasses import dataclass
from typing import cast

import polars as pl

SHOWN_SOURCES = 20


@dataclass(frozen=True, slots=True)
class Source:
    """One log file: its records, their mean reward, and how many are of each level, from 0 (none without levels)."""

    name: str
    records: int
    share: float
    mean: float
    levels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """`rows` are the largest sources, largest first; `others` counts the records of the rest. `top_share` is the part of the
    highest kept goal's records that the largest contributor supplies; null where there is no such goal."""

    sources: int
    largest_share: float
    top_share: float | None
    rows: tuple[Source, ...]
    others: int


def sources_section(facts: pl.DataFrame, *, levels: int | None, top: int | None) -> Sources:
    """Over the records of all splits; `levels` is K where records have a level, `top` the highest kept goal."""
    rungs = range(levels + 1) if levels is not None else range(0)
    found = (
        facts.group_by("source", maintain_order=True)
        .agg(
            *((pl.col("level") == k).sum().alias(f"level {k}") for k in rungs),
            records=pl.len(),
            mean=(pl.col("reward") / pl.len()).sum(),
            reached=(pl.col("level") >= (top or 0)).sum(),
        )
        .sort("records", "source", descending=[True, False])
    )
    reached = int(found["reached"].sum()) if top else 0
    shown = found.head(SHOWN_SOURCES)
    return Sources(
        sources=found.height,
        largest_share=found["records"][0] / facts.height,
        top_share=int(cast("int", found["reached"].max())) / reached if reached else None,
        rows=tuple(
            Source(
                name=row["source"],
                records=row["records"],
                share=row["records"] / facts.height,
                mean=row["mean"],
                levels=tuple(row[f"level {k}"] for k in rungs),
            )
            for row in shown.iter_rows(named=True)
        ),
        others=facts.height - int(shown["records"].sum()),
    )
