"""Rewards on the scale of their own group: each response is compared with the others to the same prompt or task.

Two steps, because a group may stand anywhere in the log: `group_statistics` is a small aggregate for an engine to measure,
and `normalise_by_group` joins its answer back. The statistics come from the group itself, in whichever split it stands, so
no group knows of another. A group of one or of equal rewards (for robust: equal quartiles) tells nothing: it gets the
neutral value and is marked. Sums go over sorted rewards, so they do not depend on the order of rows or on threads.
"""

import sys
from collections.abc import Callable, Mapping

import polars as pl

from gcsl_data.normalisation import GroupMethodName
from gcsl_data.stages.normalise import REWARD_METHODS, settled
from gcsl_data.stages.rewards import rounded

_LARGEST = sys.float_info.max
_FACTS = ("offset", "divisor", "rank", "neutral")


def group_statistics(records: pl.LazyFrame, column: str, *, method: GroupMethodName) -> pl.LazyFrame:
    """The measure, in any order: what each group knows of the rewards in `column`.

    One row per `group` with `offset` and `divisor` (both halved, because the difference of two floats may be larger than any
    float), for rank one per `group` and `reward` with `rank`; and `neutral` (Boolean), whether the group tells nothing.
    Records with a `reject` take no part.
    """
    usable = records.filter(pl.col("reject").is_null()).select("group", reward=column)
    if method == "rank":
        return _ranks(usable)
    halves = usable.group_by("group").agg(halves=pl.col("reward").sort() / 2)
    scaled = _SCALES[method](halves, pl.col("halves"))
    return scaled.select("group", "offset", "divisor", neutral=pl.col("divisor") == 0)


def normalise_by_group(
    records: pl.LazyFrame, statistics: Mapping[str, pl.LazyFrame], *, method: GroupMethodName
) -> pl.LazyFrame:
    """The records with every column of `statistics` on its group's scale, rounded to 12 significant digits; order kept.

    Adds `neutral` (Boolean): whether the group tells nothing of at least one of the columns. Records with a `reject` get no
    reward, and are not neutral. The statistics are to be measured first: an aggregate over the same records in the same plan
    would make Polars keep all their texts in memory.
    """
    is_used = pl.col("reject").is_null()
    neutral = pl.lit(False)
    for column, groups in statistics.items():
        fact = {name: f"{column} {name}" for name in _FACTS}  # with a space: no column of ours is called so
        facts = groups.rename({**fact, "reward": column}, strict=False)
        keys = ["group", column] if method == "rank" else ["group"]
        records = records.join(facts, on=keys, how="left", maintain_order="left")
        value = pl.col(fact["rank"]) if method == "rank" else _scaled(pl.col(column), fact)
        if method == "zscore":
            value = settled(value)
        told = pl.when(fact["neutral"]).then(REWARD_METHODS[method].neutral).otherwise(value)
        records = records.with_columns(pl.when(is_used).then(rounded(told)).alias(column))
        neutral |= is_used & pl.col(fact["neutral"])
    temporary = pl.selectors.ends_with(*(f" {name}" for name in _FACTS)) & pl.selectors.starts_with(*statistics)
    return records.with_columns(neutral=neutral).drop(temporary)


def _scaled(value: pl.Expr, fact: Mapping[str, str]) -> pl.Expr:
    return ((value / 2 - pl.col(fact["offset"])) / pl.col(fact["divisor"])).clip(-_LARGEST, _LARGEST)


def _ranks(usable: pl.LazyFrame) -> pl.LazyFrame:
    counted = usable.group_by("group", "reward").agg(records=pl.len().cast(pl.Int64))
    total = pl.col("records").sum().over("group")
    up_to = pl.col("records").cum_sum().over("group", order_by="reward")
    is_alone = pl.col("records") == total
    return counted.select("group", "reward", rank=(up_to - pl.col("records") / 2) / total, neutral=is_alone)


def _between_ends(groups: pl.LazyFrame, halves: pl.Expr) -> pl.LazyFrame:
    lowest, highest = halves.list.first(), halves.list.last()
    return groups.with_columns(offset=lowest, divisor=highest - lowest)


def _standardised(groups: pl.LazyFrame, halves: pl.Expr) -> pl.LazyFrame:
    """Mean and deviation are taken of the rewards between 0 and 1, where no square is too large or too small."""
    lowest, span, unit = pl.col("offset"), pl.col("divisor"), pl.col("unit")
    scaled = (
        _between_ends(groups, halves).with_columns(unit=(halves - lowest) / span).with_columns(mean=unit.list.mean())
    )
    squares = scaled.with_columns(unit=(unit - pl.col("mean")) * (unit - pl.col("mean")))
    deviation = pl.when(span > 0).then(span * unit.list.mean().sqrt()).otherwise(0.0)
    return squares.select("group", offset=lowest + span * pl.col("mean"), divisor=deviation)


def _between_quartiles(groups: pl.LazyFrame, halves: pl.Expr) -> pl.LazyFrame:
    """The order statistics of `normalise.order_statistic`: the lower median, the outer quartiles."""
    last = halves.list.len().cast(pl.Int64) - 1
    first, third = halves.list.get(last // 4), halves.list.get(last - last // 4)
    return groups.with_columns(offset=halves.list.get(last // 2), divisor=third - first)


_SCALES: dict[GroupMethodName, Callable[[pl.LazyFrame, pl.Expr], pl.LazyFrame]] = {
    "minmax": _between_ends,
    "zscore": _standardised,
    "robust": _between_quartiles,
}
