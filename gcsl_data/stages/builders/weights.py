"""Weights of rows in the loss, from rewards: all records, each as much as it is worth.

`exp` is reward-weighted regression; `standard` and `group-standard` are SWiFt, whose weights below the mean are negative
(a plain loss with them is unbounded: clip them, or use GFT's loss); `quality` stands for SFT(Q), which samples in
proportion to quality. Sources: METHODS 4.1 and 4.2; the normaliser of SFT(Q) is our choice. Weights are rounded to 12
significant digits, as rewards are, because `exp` differs in the last digit between machines.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.stages.builders.advantage import with_advantage
from gcsl_data.stages.builders.built import REASON, Built, count_reasons
from gcsl_data.stages.builders.settings import WeightMethod


@dataclass(frozen=True, slots=True)
class WeightFit:
    """What the rewards of the train split look like. `deviation` is that of a sample (n - 1), 0 for one record."""

    mean: float
    deviation: float
    minimum: float
    maximum: float


def fit_weights(rewards: pl.DataFrame) -> WeightFit:
    """Exact numbers from distinct `reward` ascending with `records`: the same for any order of the rows.

    Raises DataError (65) when all rewards are equal, so that there is nothing to weigh by.
    """
    values, counts = rewards["reward"].to_list(), rewards["records"].to_list()
    total = sum(counts)
    if len(values) < 2:
        raise DataError(
            "GD1321",
            f"all {total} records of the train split have the reward {values[0]:g}, so none weighs more; log a finer reward"
            if values
            else "no usable reward in the train split; there is nothing to weigh by",
        )
    try:
        mean = _sum(values, counts) / total
        squares = _sum([(value - mean) ** 2 for value in values], counts)
    except OverflowError:
        raise DataError(
            "GD1323",
            f"rewards from {values[0]:g} to {values[-1]:g} are too far apart to weigh by; --clip or scale them",
        ) from None
    return WeightFit(mean, math.sqrt(squares / (total - 1)), values[0], values[-1])


def to_weighted(
    records: pl.LazyFrame,
    *,
    method: WeightMethod,
    fit: WeightFit,
    beta: float = 1.0,
    max_weight: float = 20.0,
    within: tuple[str, ...] = ("group",),
    keep: tuple[str, ...] = (),
) -> Built:
    """One row a record in log order, with its `weight`; what weighs 0 is dropped.

    `beta` and `max_weight` belong to `exp`, `within` to `group-standard`.
    *Gives* prompt, completion (text), reward, weight, group, source, row, part, copy (0) and `keep`.
    """
    if method == "group-standard":
        weighed = with_advantage(records, within=within, name="weight")
    else:
        weight = weight_of(method, fit=fit, beta=beta, max_weight=max_weight)
        weighed = records.with_columns(pl.lit(None, pl.String).alias(REASON), weight=weight)
    is_zero = pl.when(pl.col("weight") == 0).then(pl.lit("zero_weight"))
    weighed = weighed.with_columns(pl.coalesce(REASON, is_zero).alias(REASON))
    rows = weighed.filter(pl.col(REASON).is_null()).select(
        "prompt", pl.col("response").alias("completion"), "reward", "weight", "group",
        "source", "row", "part", pl.lit(0, pl.Int32).alias("copy"), *keep,
    )  # fmt: skip
    return Built(rows, count_reasons(weighed))


def weight_of(method: WeightMethod, *, fit: WeightFit, beta: float, max_weight: float) -> pl.Expr:
    """The weight of a row (Float64) from its `reward`, for every method that does not look at its group."""
    return _WEIGHTS[method](fit, beta, max_weight).round_sig_figs(12)


def _exp(fit: WeightFit, beta: float, max_weight: float) -> pl.Expr:
    """exp((r - mean) / beta), at most `max_weight`."""
    return ((pl.col("reward") - fit.mean) / beta).exp().clip(upper_bound=max_weight)


def _standard(fit: WeightFit, beta: float, max_weight: float) -> pl.Expr:
    """(r - mean) / (deviation + 1e-6), as GFT does within a group."""
    return (pl.col("reward") - fit.mean) / (fit.deviation + 1e-6)


def _quality(fit: WeightFit, beta: float, max_weight: float) -> pl.Expr:
    """max(r - minimum, 0), divided by its mean over the train split, so that the mean weight is 1."""
    return (pl.col("reward") - fit.minimum).clip(lower_bound=0.0) / (fit.mean - fit.minimum)


_WEIGHTS: dict[WeightMethod, Callable[[WeightFit, float, float], pl.Expr]] = {
    "exp": _exp,
    "standard": _standard,
    "quality": _quality,
}


def _sum(values: list[float], counts: list[int]) -> float:
    """Correctly rounded sum of each value times its count: `fsum` rounds once, and powers of two multiply exactly."""
    pairs = zip(values, counts, strict=True)
    return math.fsum(math.ldexp(value, bit) for value, n in pairs for bit in range(n.bit_length()) if n >> bit & 1)
