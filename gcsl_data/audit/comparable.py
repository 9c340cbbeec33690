"""What two logs or datasets can be compared by: a dataset holds only the records that gave a row."""

import math

import polars as pl

from gcsl_data.audit.sections.drift import Drift, Shift, counts_between, drift_section, psi_of_counts
from gcsl_data.audit.subject import Subject
from gcsl_data.audit.summary import scale_of
from gcsl_data.errors import DataError
from gcsl_data.fit import Fit
from gcsl_data.recipe import FormulationName
from gcsl_data.stages.formulations import FORMULATIONS

_SELECTIONS = ("pairs", "multi-negative", "best-of-group")  # they hold records for what others of their prompt are


def drift_of(subject: Subject, reference: Subject, against: str) -> Drift:
    """How far `subject` is from `reference`, which is called `against`.

    Raises DataError (65) for rewards of another direction or scale, for rows that are a selection of records, and when one
    of them has no record that the other could have.
    """
    for one, name in ((subject, "this"), (reference, against)):
        if not one.is_whole and one.formulation in _SELECTIONS:
            raise DataError(
                "GD1351",
                f"{name} holds rows of formulation {one.formulation}, a selection of records; compare the logs",
            )
    if _scale(subject.found.fit) != _scale(reference.found.fit):
        raise DataError(
            "GD1352",
            f"rewards here are {_scale(subject.found.fit)} and in {against} {_scale(reference.found.fit)}; "
            "give the log the same --direction and --normalize, or the dataset's --fit",
        )
    floor = max((floor for one in (subject, reference) if (floor := _floor(one)) is not None), default=None)
    facts, others = (
        one.facts if floor is None else one.facts.filter(pl.col("reward") >= floor) for one in (subject, reference)
    )
    if facts.is_empty() or others.is_empty():
        raise DataError(
            "GD1350",
            f"no record can be compared with {against}: only rewards from {floor} stand in both; compare the logs instead",
        )
    return drift_section(facts, others, against=against, floor=floor, levels=_levels(subject, reference))


def _scale(fit: Fit) -> str:
    """What makes two rewards the same quantity, in words."""
    better = f"better when {fit.direction}"
    return f"{better} on the {scale_of(fit)} scale" if scale_of(fit) else better


def _floor(one: Subject) -> float | None:
    """The lowest reward that stands in a dataset's rows because lower ones give none; None where all rewards do."""
    fit = one.found.fit
    if one.is_whole or fit.aspects or one.formulation not in FORMULATIONS:
        return None
    if fit.cut and not FORMULATIONS[_name(one)].builder:
        return fit.cut.value
    bounds = _bounds(fit)
    return bounds[min(fit.kept) - 1] if bounds and fit.kept else None


def _levels(subject: Subject, reference: Subject) -> Shift | None:
    fit = reference.found.fit
    bounds = _bounds(fit)
    if not bounds or fit.aspects:
        return None
    counts = [_counts(one, bounds) for one in (subject, reference)]
    if counts[0] is None or counts[1] is None:
        return None
    return Shift(psi_of_counts(counts[0], counts[1]), None)


def _counts(one: Subject, bounds: list[float]) -> list[int] | None:
    """Records between the bounds; a dataset has them counted in its fit, by its own bounds."""
    if one.is_whole:
        return counts_between(one.facts["reward"], bounds)
    fit = one.found.fit
    if _bounds(fit) != bounds:
        return None
    counts = [threshold.records for threshold in fit.thresholds]
    return [fit.records - sum(counts), *counts]


def _bounds(fit: Fit) -> list[float]:
    """From where up a reward reaches each threshold."""
    return [math.nextafter(t.bound, math.inf) if fit.is_strict else t.bound for t in fit.thresholds]


def _name(one: Subject) -> FormulationName:
    return one.formulation  # pyright: ignore[reportReturnType]
