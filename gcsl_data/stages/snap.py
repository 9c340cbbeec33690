"""The printed number: what is printed is what is labelled.

A goal sentence prints X_k, made from the exact edge t_k: with `>=` the largest number of `decimals` digits that is <= t_k,
with `>` the largest that is < t_k (so the bin's own minimum satisfies "greater than"); `<=` and `<` mirrored. Records are
labelled with X_k and that comparator, so every sentence is true of its row. Decimal arithmetic throughout.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Literal

import polars as pl

from gcsl_data.errors import RecipeError
from gcsl_data.fit import Comparator
from gcsl_data.stages.bins import reached

MAX_AUTO_DECIMALS = 6
MAX_SHARE_SHIFT = 0.005
_WIDE = Context(prec=800)  # enough for every float64 written out in full


def is_strict(comparator: Comparator) -> bool:
    """Whether the sentence excludes the printed number itself."""
    return comparator in (">", "<")


def printed(edge: float, comparator: Comparator, decimals: int | None) -> str:
    """The number that a goal at this edge prints, in the log's own unit.

    `edge` is in the unit of `reward` (negated where lower is better, which is what `<=` and `<` say). With decimals None
    the edge is written out in full, never with an exponent; that exists for `>=` and `<=` only.
    """
    exact = Decimal(repr(edge))
    if decimals is None:
        if is_strict(comparator):
            raise RecipeError("GD7810", f"no exact number fits a sentence with {comparator}; give --decimals a number")
        snapped = exact
    else:
        step = Decimal(1).scaleb(-decimals)
        snapped = exact.quantize(step, rounding=ROUND_FLOOR, context=_WIDE)
        if is_strict(comparator) and snapped == exact:
            snapped = _WIDE.subtract(snapped, step)
    if comparator in ("<=", "<"):
        snapped = snapped.copy_negate()
    if snapped.is_zero():
        snapped = snapped.copy_abs()
    return format(_without_needless_zeros(snapped) if decimals is None else snapped, "f")


def bound(number: str, comparator: Comparator) -> float:
    """The printed number in the unit of `reward`: a record satisfies the goal when its reward is >= (or >) this.

    A long number may have no float of its own ("greater than 1234566.999999999999999"). Where the nearest float is on
    the good side of it and the comparator is strict, the bound is the float before that, so that the edge stays in.
    """
    value = float(number)
    nearest = Decimal(repr(value))
    if comparator == ">" and nearest > Decimal(number):
        value = math.nextafter(value, -math.inf)
    if comparator == "<" and nearest < Decimal(number):
        value = math.nextafter(value, math.inf)
    return -value if comparator in ("<=", "<") and value else value


def choose_decimals(
    rewards: pl.DataFrame,
    edges: Sequence[float],
    comparator: Comparator,
    asked: int | Literal["auto", "exact"],
) -> int | None:
    """Digits after the point in every printed number; None means exact.

    auto: from the fewest digits that write every reward exactly if that is at most 2, else from 2, up to 6, until the
    printed numbers are distinct and every bin keeps its share within half a point or one row; else exact. Raises
    RecipeError (78) where only exact numbers would do and the comparator is strict.
    """
    if asked != "auto":
        return None if asked == "exact" else asked
    start = next((d for d in (0, 1, 2) if bool((rewards["reward"].round(d) == rewards["reward"]).all())), 2)
    for decimals in range(start, MAX_AUTO_DECIMALS + 1):
        if _keeps_bins(rewards, edges, comparator, decimals):
            return decimals
    if is_strict(comparator):
        raise RecipeError(
            "GD7812",
            f"no number of up to {MAX_AUTO_DECIMALS} digits keeps these bins apart in a sentence with {comparator}; "
            "use fewer --bins, or a template that says at least",
        )
    return None


def fewest_decimals(edges: Sequence[float], comparator: Comparator) -> int | None:
    """The fewest digits (0 to 15) that give these edges different printed numbers."""
    digits: Iterator[int] = iter(range(16))
    return next((d for d in digits if len({printed(edge, comparator, d) for edge in edges}) == len(edges)), None)


def _keeps_bins(rewards: pl.DataFrame, edges: Sequence[float], comparator: Comparator, decimals: int) -> bool:
    numbers = [printed(edge, comparator, decimals) for edge in edges]
    if len(set(numbers)) < len(numbers):
        return False
    exact = _bin_sizes(reached(rewards, list(edges), strict=False))
    bounds = [bound(number, comparator) for number in numbers]
    snapped = _bin_sizes(reached(rewards, bounds, strict=is_strict(comparator)))
    slack = max(1.0, MAX_SHARE_SHIFT * int(rewards["records"].sum()))
    return all(abs(a - b) <= slack for a, b in zip(exact, snapped, strict=True))


def _bin_sizes(reach: list[int]) -> list[int]:
    return [here - above for here, above in zip(reach, [*reach[1:], 0], strict=True)]


def _without_needless_zeros(number: Decimal) -> Decimal:
    return number.to_integral_value() if number == number.to_integral_value() else number.normalize(_WIDE)
