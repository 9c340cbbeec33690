"""Rewards on a common scale: numbers learned from the train split, then one elementwise function that never falls.

Clipping comes first, the method second, rounding to 12 significant digits last. Null, NaN and infinity pass through, for the
checks to reject. Statistics of groups: `normalise_groups.py`. Source: our choice; the usual formulas, with order statistics
that occurred instead of interpolated ones.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Direction
from gcsl_data.normalisation import Normalisation, Number, RewardMethodName, Step
from gcsl_data.stages.bins import mean
from gcsl_data.stages.ranks import learn_steps, rank, reward_at_rank
from gcsl_data.stages.rewards import mirrored, rounded

DUST = 1e-12  # what is nearer to the mean than this share of the standard deviation is the mean
_READABLE_DIGITS = 9  # of an inverse: what twelve digits of the value still say of the reward, even through a logarithm
_LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a method learns from the train split: a scale, or the steps of the rank grid, or nothing."""

    offset: float | None = None
    divisor: float | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class RewardMethod:
    """One way to normalise: what it learns from counted rewards, its value, and the reward that a value came from.

    `neutral` is the value of every reward when all rewards of the train split are equal.
    """

    about: str
    learn: Callable[[pl.DataFrame], Learned]
    value: Callable[[pl.Expr, Normalisation], pl.Expr]
    inverse: Callable[[float, Normalisation], float]
    neutral: float | None = None


def fit_normalisation(
    rewards: pl.DataFrame, *, method: RewardMethodName, clip: Sequence[float] = ()
) -> Normalisation | None:
    """What the method needs to know of the train split; None when nothing is to be done.

    `rewards` has distinct `reward` ascending and `records`, how many hold it. `clip` is two shares, such as 0.01 and 0.99; at
    most that share of the records lies beyond each bound. Exact, and the same for any order of the rows.
    Raises DataError (65) when there is no reward, or when the method cannot tell rewards apart that differ.
    """
    if method == "none" and not clip:
        return None
    if rewards.height == 0:
        raise DataError("GD1330", "no usable reward in the train split; nothing can be normalised")
    bounds = [order_statistic(rewards, clip[0]), order_statistic(rewards, clip[1], upper=True)] if clip else None
    if bounds:
        within = rewards.with_columns(pl.col("reward").clip(*bounds))
        rewards = within.group_by("reward").agg(pl.col("records").sum()).sort("reward")
    learned = REWARD_METHODS[method].learn(rewards)
    return Normalisation(
        method=method,
        records=int(rewards["records"].sum()),
        low=Number.of(bounds[0]) if bounds else None,
        high=Number.of(bounds[1]) if bounds else None,
        offset=None if learned.offset is None else Number.of(learned.offset),
        divisor=None if learned.divisor is None else Number.of(learned.divisor),
        steps=learned.steps,
    )


def normalised(value: pl.Expr, normalisation: Normalisation | None) -> pl.Expr:
    """The reward on its new scale (Float64, finite where it was finite), never falling as the reward rises.

    A reward so far from the train split that its value would be infinite gets the largest float.
    """
    if normalisation is None:
        return value
    method, inside = REWARD_METHODS[normalisation.method], value
    if normalisation.low and normalisation.high:
        inside = value.clip(normalisation.low.value, normalisation.high.value)
    new = pl.lit(method.neutral) if normalisation.is_neutral else method.value(inside, normalisation)
    return pl.when(value.is_finite()).then(rounded(new.clip(-_LARGEST, _LARGEST))).otherwise(value)


def on_own_scale(value: pl.Expr, normalisation: Normalisation | None, direction: Direction) -> pl.Expr:
    """A reward (higher is better) on the scale of what the log says, which is where normalisations are learned.

    So with `--direction lower` and minmax a printed number lies between 0 and 1 too.
    """
    return mirrored(normalised(mirrored(value, direction), normalisation), direction)


def inverse(value: float, normalisation: Normalisation | None) -> float | None:
    """The reward that a value came from, to nine significant digits, for people to read; None where there is none.

    A rank that no train record has lies between two rewards of the grid; all beyond a clip bound comes back as the bound.
    """
    if normalisation is None:
        return value
    if normalisation.is_neutral:
        return None
    original = REWARD_METHODS[normalisation.method].inverse(value, normalisation)
    return float(f"{original:.{_READABLE_DIGITS - 1}e}") + 0.0 if math.isfinite(original) else None


def order_statistic(rewards: pl.DataFrame, share: float, *, upper: bool = False) -> float:
    """The reward at `share` of the way through the ascending records: s[floor(share (N-1))], or the ceiling when `upper`.

    So the lower and the upper one at p and 1 - p mirror each other, and neither cuts off more than its share.
    """
    last = int(rewards["records"].sum()) - 1
    at = Fraction(repr(share)) * last
    position = math.ceil(at) if upper else math.floor(at)
    return rewards["reward"][int(rewards["records"].cum_sum().search_sorted(position, side="right"))]


def deviation(rewards: pl.DataFrame) -> float:
    """The population standard deviation, by whole numbers: as near as a float can be, for any order of the rows.

    With every reward a whole number r of the same fraction 1/D, it is sqrt(N sum(n r^2) - sum(n r)^2) / (N D).
    """
    ratios = [value.as_integer_ratio() for value in rewards["reward"]]
    counts = rewards["records"].to_list()
    fraction = max(below for _, below in ratios)  # they are powers of two
    wholes = [above * (fraction // below) for above, below in ratios]
    total = sum(counts)
    once = sum(n * r for n, r in zip(counts, wholes, strict=True))
    squared = sum(n * r * r for n, r in zip(counts, wholes, strict=True))
    bits = 128  # more than twice a float's digits
    return math.isqrt((total * squared - once * once) << (2 * bits)) / ((total * fraction) << bits)


def _nothing(_: pl.DataFrame) -> Learned:
    return Learned()


def _minmax(rewards: pl.DataFrame) -> Learned:
    lowest, highest = rewards["reward"][0], rewards["reward"][-1]
    return _scale(rewards, lowest, highest - lowest)


def _zscore(rewards: pl.DataFrame) -> Learned:
    return _scale(rewards, mean(rewards), deviation(rewards))


def _robust(rewards: pl.DataFrame) -> Learned:
    quartiles = order_statistic(rewards, 0.25), order_statistic(rewards, 0.75, upper=True)
    return _scale(rewards, order_statistic(rewards, 0.5), quartiles[1] - quartiles[0])


def _steps(rewards: pl.DataFrame) -> Learned:
    return Learned(steps=learn_steps(rewards))


def _scale(rewards: pl.DataFrame, offset: float, divisor: float) -> Learned:
    lowest, highest = rewards["reward"][0], rewards["reward"][-1]
    if lowest == highest:
        return Learned(offset=lowest, divisor=0.0)
    if divisor < sys.float_info.min:  # Polars multiplies by the reciprocal, which would be infinite
        found = f"most train rewards are {offset:g} or as good as that, so there is no scale to divide by"
        raise DataError("GD1331", f"{found}; use --normalize rank")
    if math.isinf(highest - lowest):
        found = f"the train rewards go from {lowest:g} to {highest:g}, further than a float can subtract"
        raise DataError("GD1331", f"{found}; use --normalize rank or log, or --clip")
    return Learned(offset=offset, divisor=divisor)


def _scaled(value: pl.Expr, normalisation: Normalisation) -> pl.Expr:
    assert normalisation.offset is not None
    assert normalisation.divisor is not None
    return (value - normalisation.offset.value) / normalisation.divisor.value


def _standardised(value: pl.Expr, normalisation: Normalisation) -> pl.Expr:
    return settled(_scaled(value, normalisation))


def settled(score: pl.Expr) -> pl.Expr:
    """A z-score whose distance from the mean is float dust is zero."""
    return pl.when(score.abs() < DUST).then(0.0).otherwise(score)


def _unscaled(value: float, normalisation: Normalisation) -> float:
    assert normalisation.offset is not None
    assert normalisation.divisor is not None
    offset, divisor = normalisation.offset.value, normalisation.divisor.value
    original = offset + value * divisor
    return 0.0 if abs(original) <= 1e-11 * max(abs(offset), abs(value * divisor)) else original


def _log(value: pl.Expr, _: Normalisation) -> pl.Expr:
    return value.sign() * value.abs().log1p()


def _exp(value: float, _: Normalisation) -> float:
    largest = math.log1p(_LARGEST)
    return math.copysign(math.expm1(min(abs(value), largest)), value)


def _same(value: pl.Expr, _: Normalisation) -> pl.Expr:
    return value


REWARD_METHODS: dict[RewardMethodName, RewardMethod] = {
    "none": RewardMethod("as logged", _nothing, _same, lambda value, _: value),
    "minmax": RewardMethod("(r - min) / (max - min)", _minmax, _scaled, _unscaled, 0.5),
    "zscore": RewardMethod("(r - mean) / population standard deviation", _zscore, _standardised, _unscaled, 0.0),
    "robust": RewardMethod("(r - median) / (third - first quartile)", _robust, _scaled, _unscaled, 0.0),
    "rank": RewardMethod("share of records below, plus half of the equal ones", _steps, rank, reward_at_rank, 0.5),
    "log": RewardMethod("sign(r) ln(1 + |r|)", _nothing, _log, _exp),
}
