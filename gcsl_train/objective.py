"""The loss of a run: found by its name, with its settings checked before anything is loaded."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from gcsl_data.errors import UsageError, shown
from gcsl_train import config
from gcsl_train.errors import nearest
from gcsl_train.loss import Loss, Outcome, Scored
from gcsl_train.losses import LOSSES

_LARGEST = 3.4e38  # what a float32 holds


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss together with all its settings."""

    name: str
    loss: Loss
    settings: dict[str, float | str]

    def total(self, pack: Scored) -> Outcome:
        """The loss of one pack."""
        return self.loss.total(pack, **self.settings)

    def warning(self, numbers: Mapping[str, np.ndarray]) -> str | None:
        """What to say when these numbers of rows have a smoothing that the loss does not read, or the other way round."""
        if self.loss.smoothing is None or "smoothing" not in numbers:
            return None
        largest = float(numbers["smoothing"].max())
        if self.loss.smoothing and largest == 0:
            return f"warning: no pair has a smoothing for loss {self.name!r} to read, so it is plain DPO here"
        if not self.loss.smoothing and largest > 0:
            other = next(name for name, loss in LOSSES.items() if loss.smoothing)
            found = f"the smoothing of these pairs (up to {largest:g})"
            return f"warning: loss {self.name!r} does not read {found}; {other!r} does"
        return None

    def as_json(self) -> dict[str, Any]:
        """What a run records of it; every setting that decides its value is in it."""
        loss = self.loss
        return {"name": self.name, "normaliser": loss.normaliser, "reference": loss.reference, **self.settings}


def choose(asked: config.Loss, kind: str, *, store_reference: bool = False) -> Objective:
    """The objective for a dataset of that kind.

    Raises UsageError (2) for an unknown loss, one that takes another kind of dataset, settings that it does not have, and a
    reference to be stored that it does not need or that is too large.
    """
    loss = LOSSES.get(asked.name)
    if loss is None:
        raise UsageError("GT0201", f"unknown loss {asked.name!r}; {nearest(asked.name, list(LOSSES))}")
    if loss.kind != kind:
        fitting = ", ".join(name for name, other in LOSSES.items() if other.kind == kind)
        raise UsageError(
            "GT0202",
            f"loss {asked.name!r} takes datasets of kind {loss.kind!r}, this one is {kind!r}; "
            f"choose a --loss for it ({fitting}), or expand the log with another --formulation",
        )
    if store_reference and loss.reference != "same-prompt":
        why = "has no reference" if loss.reference == "none" else "needs its reference's whole predictions"
        raise UsageError("GT0229", f"loss {asked.name!r} {why}, so none can be stored; leave run.store_reference out")
    known = loss.settings
    for name in asked.settings:
        if name not in known:
            hint = nearest(name, list(known)) if known else "it has no settings"
            raise UsageError("GT0226", f"loss {asked.name!r} has no setting {name!r}; {hint}")
    settings = {name: _checked(name, asked.settings.get(name, p.default), p) for name, p in known.items()}
    if loss.ordered:
        low, high = (float(settings[name]) for name in loss.ordered)
        if low > high:
            first, second = loss.ordered
            raise UsageError("GT0227", f"loss.{first} must not be above loss.{second}, found {low:g} and {high:g}")
    return Objective(asked.name, loss, settings)


def _checked(name: str, value: Any, parameter: inspect.Parameter) -> float | str:
    """A setting of the type that its loss wants: one of some words, or a finite number that is not negative."""
    if words := get_args(parameter.annotation):
        if value not in words:
            raise UsageError("GT0227", f"loss.{name} must be one of {', '.join(words)}, found {shown(value)}")
        return value
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        wanted = f"a finite number that is not negative (at most {_LARGEST:g})"
        raise UsageError("GT0227", f"loss.{name} must be {wanted}, found {shown(value)}")
    if name == "beta" and value == 0:
        raise UsageError("GT0227", "loss.beta must be above 0, or nothing is learned")
    return float(value)
