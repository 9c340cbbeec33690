"""Groups of responses with their advantage, for GFT: prompt, completion, group, reward, advantage."""

import polars as pl

from gcsl_data.stages.builders.advantage import with_advantage
from gcsl_data.stages.builders.built import ORDER, REASON, Built, count_reasons, numbered


def to_groups(records: pl.LazyFrame, *, within: tuple[str, ...] = ("group",), keep: tuple[str, ...] = ()) -> Built:
    """Every record of each group whose rewards differ; other groups teach nothing, and are counted.

    *Gives* prompt, completion (text), reward, advantage, weight (1), group, source, row, part, copy (0) and `keep`.
    *Order*: a group stands together, where its first record stood in the log; log order within it. So all records are
    held in memory once.
    """
    graded = with_advantage(numbered(records), within=within)
    rows = (
        graded.filter(pl.col(REASON).is_null())
        .sort(pl.col(ORDER).min().over(*within), ORDER)
        .select(
            "prompt", pl.col("response").alias("completion"), "reward", "advantage", pl.lit(1.0).alias("weight"), "group",
            "source", "row", "part", pl.lit(0, pl.Int32).alias("copy"), *keep,
        )
    )  # fmt: skip
    return Built(rows, count_reasons(graded))
