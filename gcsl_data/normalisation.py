"""A normalisation of rewards as frozen numbers: part of the fit, so standard library only.

It was learned from the train split alone and is the same elementwise function for every split and for tomorrow's log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

RewardMethodName = Literal["none", "minmax", "zscore", "robust", "rank", "log"]
GroupMethodName = Literal["minmax", "zscore", "robust", "rank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A float that JSON cannot change: as people read it, and exactly."""

    value: float
    hex: str

    @classmethod
    def of(cls, value: float) -> "Number":
        """The number in both forms."""
        return cls(value=value, hex=value.hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One reward of the rank grid: how many train records are `below` it, and how many are at it or below (`up_to`)."""

    reward: float
    below: int
    up_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """What was learned from `records` train rewards, in their unit (after the direction, before the normalisation).

    `low` and `high` are the rewards that all beyond them are set to first (null: no clipping). `offset` and `divisor` belong
    to minmax, zscore and robust: the value is (reward - offset) / divisor; a divisor of zero means that all rewards were
    equal, and every value is neutral. `steps` belong to rank, ascending.
    """

    method: RewardMethodName
    records: int
    low: Number | None
    high: Number | None
    offset: Number | None
    divisor: Number | None
    steps: tuple[Step, ...]

    @property
    def is_neutral(self) -> bool:
        """Whether all rewards were equal, so that the method gives one neutral value for everything."""
        if self.method == "rank":
            return len(self.steps) == 1
        return self.divisor is not None and self.divisor.value == 0

    def contradictions(self) -> Iterator[str]:
        """What cannot be true of a normalisation, in words: it may come from a stranger's file."""
        for number in (self.low, self.high, self.offset, self.divisor):
            if number is not None and number.value.hex() != number.hex:
                yield f"the normalisation says {number.value!r} and {number.hex[:40]!r}, which are not the same number"
        if self.records < 1:
            yield "the normalisation counts no records"
        if (self.low is None) != (self.high is None):
            yield "the normalisation clips at one side only"
        elif self.low and self.high and self.low.value > self.high.value:
            yield "the normalisation clips at a low reward that is above the high one"
        scales = self.method in ("minmax", "zscore", "robust")
        if scales != (self.offset is not None) or scales != (self.divisor is not None):
            yield f"the normalisation {self.method!r} has the wrong numbers"
        if self.divisor is not None and not self.divisor.value >= 0:
            yield "the normalisation divides by a number below zero"
        if (self.method == "rank") != bool(self.steps):
            yield f"the normalisation {self.method!r} has the wrong steps"
        counts = [0, *(count for step in self.steps for count in (step.below, step.up_to))]
        rewards = [step.reward for step in self.steps]
        if counts != sorted(counts) or counts[-1] > self.records or rewards != sorted(set(rewards)):
            yield "the steps of the normalisation are not in ascending order"
