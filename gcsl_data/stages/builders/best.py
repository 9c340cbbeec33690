"""The best responses of each group, for RAFT: supervised training on what was best."""

import polars as pl

from gcsl_data.stages.builders.built import REASON, Built, count_reasons


def to_best(
    records: pl.LazyFrame, *, best: int = 1, within: tuple[str, ...] = ("group",), keep: tuple[str, ...] = ()
) -> Built:
    """The `best` records with the highest reward of each group; among equal rewards the first in log order.

    *Gives* prompt, completion (text), reward, weight (1), group, source, row, part, copy (0) and `keep`, in log order.
    Source: RAFT, the offline part of one round (METHODS 4.3).
    """
    # Negated, because ties of a descending rank would go to the last.
    rank = (-pl.col("reward")).rank("ordinal").over(*within)
    ranked = records.with_columns(pl.when(rank > best).then(pl.lit("not_best")).alias(REASON))
    rows = ranked.filter(pl.col(REASON).is_null()).select(
        "prompt", pl.col("response").alias("completion"), "reward", pl.lit(1.0).alias("weight"), "group",
        "source", "row", "part", pl.lit(0, pl.Int32).alias("copy"), *keep,
    )  # fmt: skip
    return Built(rows, count_reasons(ranked))
