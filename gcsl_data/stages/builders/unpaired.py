"""Each response labelled good or not, for KTO: prompt, completion, label."""

import math

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.stages.builders.built import Built, nothing_dropped


def cut_at_share(rewards: pl.DataFrame, share: float) -> float:
    """The reward from which the best `share` of the records begins, ties included: s[N - ceil(share N)], s ascending.

    `rewards` has distinct `reward` ascending and `records` (train split). Raises DataError (65) when every record would
    be good, as with many equal lowest rewards. Source: METHODS 1.2, as for the cut of SFT.
    """
    running = rewards["records"].cum_sum()
    total = int(running[-1])
    # 0.07 * 100 is 7.000000000000001 in floats, and must not take an eighth record.
    wanted = math.ceil(round(share * total, 6))
    at = int(running.search_sorted(total - wanted, side="right"))
    if at == 0:
        tied = int(rewards["records"][0]) / total
        raise DataError(
            "GD1320",
            f"a cut for the best {share:.0%} lies at the lowest reward {rewards['reward'][0]:g}, which {tied:.0%} of the "
            "records have, so none would be labelled bad; give a smaller share or the cut itself",
        )
    return float(rewards["reward"][at])


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
