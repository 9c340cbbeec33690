"""Rewards: how they are distributed, whether they stick to one value or to the ends, and where their mean is."""

import math
from dataclasses import dataclass
from typing import cast

import polars as pl

from gcsl_data.fit import Fit

BARS = 20
_SMALL, _LARGE = 1e-290, 2.0**1000
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Bar:
    """Records with a reward from `low` to below `high` (the last bar holds `high` too), or exactly `low` where they agree."""

    low: float
    high: float
    records: int


@dataclass(frozen=True, slots=True)
class Rewards:
    """The train split's rewards, in the unit of the `reward` column, on the scale that `normalized` names, if any.

    `records`, `distinct`, `mean`, `median`, `minimum` and `maximum` are the fit's. The rest describes `described` records:
    all of them for a log, those that stand in the rows for a dataset. `deviation` is over them all (divided by n). Quantiles
    are rewards that occurred. `most_frequent_share` is how many hold the most frequent reward, the others how many hold the
    lowest and the highest: saturation.
    """

    records: int
    described: int
    distinct: int
    mean: float
    median: float
    minimum: float
    maximum: float
    deviation: float
    direction: str
    normalized: str | None
    most_frequent: float
    most_frequent_share: float
    at_minimum_share: float
    at_maximum_share: float
    quantiles: dict[str, float]
    histogram: tuple[Bar, ...]


def rewards_section(facts: pl.DataFrame, fit: Fit, split: str, normalized: str | None) -> Rewards:
    """The rewards of one split, or of all records where that has none."""
    of_split = facts.filter(pl.col("split") == split)
    reward = (of_split if of_split.height else facts)["reward"].sort()
    counted = reward.rle().struct.unnest().select("value", records=pl.col("len").cast(pl.Int64))
    frequent = counted.sort("records", "value", descending=[True, False]).row(0, named=True)
    records = len(reward)
    return Rewards(
        records=fit.records,
        described=records,
        distinct=fit.distinct,
        mean=fit.mean,
        median=fit.median,
        minimum=fit.minimum,
        maximum=fit.maximum,
        deviation=_deviation(reward),
        direction=fit.direction,
        normalized=normalized,
        most_frequent=frequent["value"],
        most_frequent_share=frequent["records"] / records,
        at_minimum_share=counted["records"][0] / records,
        at_maximum_share=counted["records"][-1] / records,
        quantiles={name: reward[math.floor(share * (records - 1))] for name, share in QUANTILES.items()},
        histogram=histogram(counted),
    )


def _deviation(rewards: pl.Series) -> float:
    largest = _largest(rewards)
    return float(cast("float", on_unit_scale(rewards).std(ddof=0))) * largest


def on_unit_scale(rewards: pl.Series) -> pl.Series:
    """Rewards divided by a number as large as the largest of them, so that no square overflows or vanishes."""
    largest = _largest(rewards)
    if largest < _SMALL:  # the reciprocal, which Polars multiplies by, would be infinite
        return (rewards * _LARGE) / (largest * _LARGE)
    return rewards / largest


def _largest(rewards: pl.Series) -> float:
    return float(cast("float", rewards.abs().max())) or 1.0


def histogram(counted: pl.DataFrame) -> tuple[Bar, ...]:
    """Bars over `value` (ascending, distinct) and `records`: one for each value where there are few, else of equal width."""
    low, high = counted["value"][0], counted["value"][-1]
    if counted.height <= BARS:
        return tuple(Bar(value, value, records) for value, records in counted.iter_rows())
    step = high / BARS - low / BARS  # each divided by itself, so that a wide range does not overflow
    edges = [low + step * n for n in range(BARS)]
    place = (pl.lit(pl.Series(edges)).search_sorted(pl.col("value"), side="right") - 1).alias("bar")
    found = dict(counted.group_by(place).agg(pl.col("records").sum()).iter_rows())
    ends = [*edges[1:], high]
    return tuple(Bar(a, b, int(found.get(n, 0))) for n, (a, b) in enumerate(zip(edges, ends, strict=True)))
