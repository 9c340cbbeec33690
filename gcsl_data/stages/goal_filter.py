"""Which goals are kept: those on the scale, and above the average performance of the train split.

Source: the paper, section 3.3 ("retain only thresholds above the average performance of the training set"); the other
filters, and what happens when no goal is left, are our choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Fit, Threshold
from gcsl_data.stages.snap import fewest_decimals

BEYOND_SCALE = "beyond the scale"
UNREACHED = "no record reaches it"
EQUAL_TO_CUT = 1e-12  # of the largest absolute reward: float noise in a mean is not "above"
Scale = tuple[float, float]


class GoalFilter(NamedTuple):
    """Which thresholds a filter keeps, and why it drops the others."""

    keeps: Callable[[Threshold], bool]
    because: str


def choose_goals(fit: Fit, asked: str | None, scale: Scale | None) -> tuple[Fit, tuple[str, ...]]:
    """The fit with the goals dropped that are not in use, and what a person should be warned of; asked None filters nothing.

    Raises DataError (65) when no goal is left, RecipeError (78) when two kept goals print the same number.
    """
    outside = scale_warnings(fit, scale)
    fit = drop_unreached(drop_beyond_scale(fit, scale))
    fit, warnings = filter_goals(fit, asked or "none", scale)
    if fit.form in ("threshold", "interval"):
        require_distinct(fit)
    fit = replace(fit, end=_end_of_scale(fit, scale))
    return fit, warnings + outside


def drop_beyond_scale(fit: Fit, scale: Scale | None) -> Fit:
    """The fit with goals dropped that the scale rules out. That changes neither k nor any level."""
    return _dropped(fit, {t.index: BEYOND_SCALE for t in fit.thresholds if scale and _is_beyond(t, fit, scale)})


def drop_unreached(fit: Fit) -> Fit:
    """The fit with goals dropped that no record of train reaches: given thresholds and labels may lie above all rewards."""
    return _dropped(fit, {t.index: UNREACHED for t in fit.thresholds if t.reached == 0})


def filter_goals(fit: Fit, asked: str, scale: Scale | None) -> tuple[Fit, tuple[str, ...]]:
    """The fit with the goals dropped that the filter does not keep, and what a person should be warned of.

    Raises DataError (65) when no goal is left, RecipeError (78) for a filter that this fit cannot have.
    """
    chosen = goal_filter(asked, fit, scale)
    on_scale = [t for t in fit.thresholds if t.dropped is None]
    kept = [t for t in on_scale if chosen.keeps(t)]
    warnings = []
    if not kept and on_scale and on_scale[-1].index > 1:
        kept = on_scale[-1:]
        warnings.append(
            f"every threshold is {chosen.because} (the mean is {fit.sign * fit.mean:.6g}); "
            f"the top one ({kept[0].printed}) is kept all the same"
        )
    if not kept:
        why = ", or ".join(
            dict.fromkeys([*(t.dropped for t in fit.thresholds if t.dropped), "reached by every record"])
        )
        raise DataError("GD1303", f"no goal is left: every threshold is {why}; check --scale, --direction and the log")
    if len(kept) == 1 and len(fit.thresholds) > 1:
        warnings.append(
            f"one goal is left ({kept[0].printed}): training on it equals filtered SFT; try --no-goal-filter"
        )
    return _dropped(fit, {t.index: chosen.because for t in on_scale if t not in kept}), tuple(warnings)


def scale_warnings(fit: Fit, scale: Scale | None) -> tuple[str, ...]:
    """A word when rewards were seen outside the scale.

    Raises DataError (65) when half of them are better than its best: it is another scale, and only the worst would be kept.
    """
    low, high = sorted((fit.sign * fit.minimum, fit.sign * fit.maximum))
    if scale and fit.median > max(fit.sign * end for end in scale):
        raise DataError(
            "GD1307",
            f"half of the rewards are better than the scale {scale[0]:g} to {scale[1]:g} allows (they go from {low:g} to "
            f"{high:g}, their median is {fit.sign * fit.median:g}); give the log's own --scale, or leave it out",
        )
    if scale and not scale[0] <= low <= high <= scale[1]:
        return (f"rewards from {low:g} to {high:g} leave the scale {scale[0]:g} to {scale[1]:g}; check --scale",)
    return ()


def _end_of_scale(fit: Fit, scale: Scale | None) -> float | None:
    """The good end of the scale in the unit of `reward`, where goals are intervals and the best one ends there."""
    if fit.form != "interval" or fit.rule == "labels" or scale is None:
        return None
    return max(fit.sign * scale[0], fit.sign * scale[1]) or 0.0


def require_distinct(fit: Fit) -> None:
    """Raises RecipeError (78) when two kept goals print the same number."""
    kept = [t for t in fit.thresholds if t.dropped is None]
    numbers = [t.printed for t in kept]
    if len(set(numbers)) < len(numbers):
        needed = fewest_decimals([t.edge for t in kept], fit.comparator)
        twice = next(number for number in numbers if numbers.count(number) > 1)
        hint = f"--decimals {needed} parts them" if needed is not None else "use --decimals exact"
        raise RecipeError("GD7811", f"two goals print the same number {twice}; {hint}")


def goal_filter(asked: str, fit: Fit, scale: Scale | None) -> GoalFilter:
    """The filter of that name (a key of `GOAL_FILTERS`), `top:M`, or a list of goals. Raises RecipeError (78)."""
    word, _, number = asked.partition(":")
    if word == "top":
        return GoalFilter(lambda t: t.index > len(fit.thresholds) - int(number), f"not among the top {number}")
    if word[0].isdigit():
        listed = {int(k) for k in asked.split(",")}
        if beyond := sorted(listed - {t.index for t in fit.thresholds}):
            known = len(fit.thresholds)
            raise RecipeError(
                "GD7813", f"--goal-filter {asked}: there is no goal {beyond[0]}; goals go from 1 to {known}"
            )
        return GoalFilter(lambda t: t.index in listed, "not listed")
    return GOAL_FILTERS[asked](fit, scale)


def _above(cut: float, name: str, fit: Fit) -> GoalFilter:
    slack = EQUAL_TO_CUT * max(abs(fit.minimum), abs(fit.maximum))
    return GoalFilter(lambda t: t.edge - cut > slack, f"not above the {name}")


def _above_midpoint(fit: Fit, scale: Scale | None) -> GoalFilter:
    if scale is None:
        raise RecipeError(
            "GD7814", "--goal-filter midpoint needs the scale that it is the middle of; give --scale LOW,HIGH"
        )
    return _above(fit.sign * (scale[0] + scale[1]) / 2, "midpoint", fit)


# Filter name -> the filter for a fit and a scale; the word in the flag, the recipe and the docs.
GOAL_FILTERS: dict[str, Callable[[Fit, Scale | None], GoalFilter]] = {
    "mean": lambda fit, _: _above(fit.mean, "mean", fit),
    "median": lambda fit, _: _above(fit.median, "median", fit),
    "midpoint": _above_midpoint,
    "none": lambda _fit, _scale: GoalFilter(lambda _: True, ""),
}


def _is_beyond(threshold: Threshold, fit: Fit, scale: Scale) -> bool:
    """Off the scale, or at the end of it that a strict sentence can never pass ("greater than 1")."""
    number = fit.sign * threshold.bound if fit.rule == "labels" else float(threshold.printed)
    unreachable = scale[1] if fit.comparator == ">" else scale[0]
    return not scale[0] <= number <= scale[1] or (fit.is_strict and number == unreachable)


def _dropped(fit: Fit, why: dict[int, str]) -> Fit:
    thresholds: Sequence[Threshold] = [replace(t, dropped=t.dropped or why.get(t.index)) for t in fit.thresholds]
    return replace(fit, thresholds=tuple(thresholds))
