"""Contradictions: the same prompt and response with different rewards, so that no model can satisfy both."""

import sys
from dataclasses import dataclass
from typing import cast

import polars as pl


@dataclass(frozen=True, slots=True)
class Contradictions:
    """`pairs` of prompt and response that stand with more than one reward, the `records` that do (and their `share`), and
    the `largest_gap` between two rewards of one pair, in the unit of `reward`."""

    pairs: int
    records: int
    share: float
    largest_gap: float


def contradictions_section(facts: pl.DataFrame) -> Contradictions:
    """Over the records of all splits; a pair is known by 64 bits of hash."""
    pairs = (
        facts.group_by("pair")
        .agg(records=pl.len(), low=pl.col("reward").min(), high=pl.col("reward").max())
        .filter(pl.col("low") < pl.col("high"))
    )
    records = int(pairs["records"].sum())
    gaps = pairs.select(pl.col("high") - pl.col("low")).to_series()
    return Contradictions(
        pairs=pairs.height,
        records=records,
        share=records / facts.height,
        largest_gap=min(sys.float_info.max, float(cast("float", gaps.max() or 0.0))),
    )
