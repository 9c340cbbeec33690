"""Which split a record is in: by its prompt, so that no prompt stands in two splits. Adds `split` (String).

By hash, it depends on the prompt alone: adding rows to a log never moves another row. By time, train holds the prompts that
were seen first, and what comes later is for validation and test: the cuts are measured once, and then frozen.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import polars as pl

from gcsl_data.columns import TIME
from gcsl_data.errors import DataError
from gcsl_data.time_cuts import TimeCuts

SPLIT_NAMES = ("train", "validation", "test")
_HEX_DIGITS = 13  # 52 bits: exact in a float64
_FIRST_TIME = "first time"  # with a space: no column of ours is called so


def assign_splits(records: pl.LazyFrame, shares: Sequence[float]) -> pl.LazyFrame:
    """The records with `split`; without shares every one is in train.

    The first 52 bits of `prompt_hash`, as a fraction of one, are compared with the running sums of the shares.
    """
    if not shares:
        return records.with_columns(split=pl.lit("train"))
    fraction = pl.col("prompt_hash").str.slice(0, _HEX_DIGITS).str.to_integer(base=16) / 16.0**_HEX_DIGITS
    names = SPLIT_NAMES[: len(shares)]
    split = pl.lit(names[-1])
    for name, upper in reversed(list(zip(names, accumulate(shares), strict=True))[:-1]):
        split = pl.when(fraction < upper).then(pl.lit(name)).otherwise(split)
    return records.with_columns(split=split)


def first_times(records: pl.LazyFrame) -> pl.LazyFrame:
    """The measure of a split by time, in any order: `prompt_hash`, its earliest `time`, and how many `records` it has.

    Records with a `reject` take no part.
    """
    usable = records.filter(pl.col("reject").is_null())
    return usable.group_by("prompt_hash").agg(time=pl.col(TIME).min(), records=pl.len().cast(pl.Int64))


def cuts_of(firsts: pl.DataFrame, shares: Sequence[float]) -> TimeCuts:
    """Each split but the last takes prompts, earliest first, until it and those before it hold their share of the records.

    Prompts of the same first time stay together, so a split may hold more than its share, but train never less.
    Raises DataError (65) when that leaves a split without a record.
    """
    by_time = firsts.group_by("time").agg(pl.col("records").sum()).sort("time")
    times, up_to = by_time["time"], by_time["records"].cum_sum()
    names = SPLIT_NAMES[: len(shares)]
    total = int(up_to[-1]) if len(up_to) else 0
    sums = list(accumulate(Fraction(repr(share)) for share in shares))[:-1]
    ends = [int(up_to.search_sorted(math.ceil(total * share), side="left")) + 1 for share in sums]
    if len(set(ends)) < len(ends) or not ends or ends[-1] >= len(times):
        raise DataError(
            "GD1332",
            f"{total} records at {len(times)} different times cannot be parted into {', '.join(names)}; "
            "give other shares, or --split-by prompt",
        )
    starts = [times[end] for end in ends]
    kind = "datetime" if times.dtype.is_temporal() else "number"
    texts = [start.isoformat(timespec="microseconds") if kind == "datetime" else repr(start) for start in starts]
    return TimeCuts(kind=kind, splits=names, starts=tuple(texts))


def assign_time_splits(records: pl.LazyFrame, firsts: pl.DataFrame, cuts: TimeCuts) -> pl.LazyFrame:
    """The records with `split`, in their order: a prompt goes where its first time lies, all later records of it too.

    `firsts` is the measured `first_times` of the same records. A prompt without a time, all rejected, is in train.
    Raises DataError (65) when the log's times are not of the kind of the cuts.
    """
    found = "datetime" if records.collect_schema()[TIME].is_temporal() else "number"
    if found != cuts.kind:
        raise DataError("GD1333", f"the splits are cut by {cuts.kind}, and the log's times are of the kind {found}")
    split = pl.lit(cuts.splits[0])
    for name, start in zip(cuts.splits[1:], cuts.values, strict=True):
        split = pl.when(pl.col(_FIRST_TIME) >= start).then(pl.lit(name)).otherwise(split)
    times = firsts.lazy().select("prompt_hash", pl.col("time").alias(_FIRST_TIME))
    joined = records.join(times, on="prompt_hash", how="left", maintain_order="left")
    return joined.with_columns(split=split).drop(_FIRST_TIME)
