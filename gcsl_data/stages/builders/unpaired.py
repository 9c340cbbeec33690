"""Each response labelled good or not, for KTO: prompt, completion, label."""

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Cut
from gcsl_data.stages.builders.built import Built, nothing_dropped


def require_both(cut: Cut, records: int) -> None:
    """Raises DataError (65) when a cut parts nothing: all `records` of the train split would be good, or none."""
    if 0 < cut.records < records:
        return
    word = "good" if cut.records else "bad"
    raise DataError(
        "GD1320",
        f"--cut {cut.asked} would label all {records} records of the train split {word}, and KTO needs both; "
        "give another share, or the reward itself",
    )


def to_unpaired(records: pl.LazyFrame, *, cut: float, keep: tuple[str, ...] = ()) -> Built:
    """One row a record, in log order; none is dropped.

    *Gives* prompt, completion (text), label (Boolean: reward >= cut), reward, weight (1), group, source, row, part, copy
    (0) and `keep`. `cut` is in the unit of the `reward` column.
    """
    rows = records.select(
        "prompt", pl.col("response").alias("completion"), (pl.col("reward") >= cut).alias("label"), "reward",
        pl.lit(1.0).alias("weight"), "group", "source", "row", "part", pl.lit(0, pl.Int32).alias("copy"), *keep,
    )  # fmt: skip
    return Built(rows, nothing_dropped())
