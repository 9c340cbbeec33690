"""Which goals are kept: those on the scale, and above the average performance of the train split.

Source: the paper, section 3.3 ("retain only thresholds above the average performance of the training set"); what happens
when none is left is our choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Fit, Threshold
from gcsl_data.recipe import GoalFilterName
from gcsl_data.stages.snap import fewest_decimals, is_strict

BEYOND_SCALE = "beyond the scale"
NOT_ABOVE_MEAN = "not above the mean"
EQUAL_TO_MEAN = 1e-12  # of the largest absolute reward: float noise in a mean is not "above"


@dataclass(frozen=True, slots=True)
class GoalChoice:
    """The kept goals, lowest first, why each other one was dropped, and what a person should be warned of."""

    kept: tuple[int, ...]
    dropped: dict[int, str]
    warnings: tuple[str, ...]


def choose_goals(fit: Fit, goal_filter: GoalFilterName, scale: tuple[float, float] | None) -> GoalChoice:
    """Decides on every threshold of the fit. Dropping a goal changes neither k nor any level.

    Raises DataError (65) when no goal is left, RecipeError (78) when two kept goals print the same number.
    """
    dropped = {t.index: BEYOND_SCALE for t in fit.thresholds if scale and _is_beyond(t, fit, scale)}
    on_scale = [t for t in fit.thresholds if t.index not in dropped]
    kept = [t for t in on_scale if GOAL_FILTERS[goal_filter](t, fit)]
    warnings = []
    if not kept and on_scale and on_scale[-1].index > 1:
        kept = on_scale[-1:]
        warnings.append(
            f"no threshold is above the mean {fit.mean:.6g}; the top one ({kept[0].printed}) is kept all the same"
        )
    if not kept:
        why = "beyond the scale or reached by every record" if dropped else "reached by every record"
        raise DataError("GD1303", f"no goal is left: every threshold is {why}; check --scale, --direction and the log")
    if len(kept) == 1 and len(fit.thresholds) > 1:
        warnings.append(
            f"one goal is left ({kept[0].printed}): training on it equals filtered SFT; try --no-goal-filter"
        )
    low, high = sorted((fit.sign * fit.minimum, fit.sign * fit.maximum))
    if scale and not scale[0] <= low <= high <= scale[1]:
        warnings.append(f"rewards from {low:g} to {high:g} leave the scale {scale[0]:g} to {scale[1]:g}; check --scale")
    dropped |= {t.index: NOT_ABOVE_MEAN for t in on_scale if t not in kept}
    _require_distinct(kept, fit)
    return GoalChoice(tuple(t.index for t in kept), dict(sorted(dropped.items())), tuple(warnings))


def _above_mean(threshold: Threshold, fit: Fit) -> bool:
    largest = max(abs(fit.minimum), abs(fit.maximum))
    return threshold.edge - fit.mean > EQUAL_TO_MEAN * largest


# Filter name -> whether it keeps a threshold; the word in the flag, the recipe and the docs.
GOAL_FILTERS: dict[GoalFilterName, Callable[[Threshold, Fit], bool]] = {
    "mean": _above_mean,
    "none": lambda _threshold, _fit: True,
}


def _is_beyond(threshold: Threshold, fit: Fit, scale: tuple[float, float]) -> bool:
    """Off the scale, or at the end of it that a strict sentence can never pass ("greater than 1")."""
    number = float(threshold.printed)
    unreachable = scale[1] if fit.comparator == ">" else scale[0]
    return not scale[0] <= number <= scale[1] or (is_strict(fit.comparator) and number == unreachable)


def _require_distinct(kept: Sequence[Threshold], fit: Fit) -> None:
    numbers = [t.printed for t in kept]
    if len(set(numbers)) < len(numbers):
        needed = fewest_decimals([t.edge for t in kept], fit.comparator)
        twice = next(number for number in numbers if numbers.count(number) > 1)
        hint = f"--decimals {needed} parts them" if needed is not None else "use --decimals exact"
        raise RecipeError("GD7811", f"two goals print the same number {twice}; {hint}")
