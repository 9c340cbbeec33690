"""Where a split by time cuts: part of the fit, so standard library only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

TimeKind = Literal["datetime", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCuts:
    """The first time of every split but train, ascending: a prompt is in the last split that has begun at its first time.

    Times are text that gives back the exact value: `2026-03-01T08:00:00.000000+00:00` (always UTC), or a number as the log
    has it. `splits` are the names of all splits, train first.
    """

    kind: TimeKind
    splits: tuple[str, ...]
    starts: tuple[str, ...]

    @property
    def values(self) -> list[datetime] | list[float]:
        """The starts as values to compare with."""
        if self.kind == "number":
            return [float(start) for start in self.starts]
        return [datetime.fromisoformat(start).astimezone(UTC) for start in self.starts]

    def contradictions(self) -> Iterator[str]:
        """What cannot be true of time cuts, in words: they may come from a stranger's file."""
        try:
            values = self.values
        except (ValueError, OverflowError):
            yield f"the time cuts {', '.join(self.starts)[:80]!r} are not all of the kind {self.kind}"
            return
        if any(
            isinstance(value, datetime) and datetime.fromisoformat(start).tzinfo is None
            for start, value in zip(self.starts, values, strict=True)
        ):
            yield "a time cut names no zone"
        if len(self.splits) != len(values) + 1 or not values:
            yield f"{len(values)} time cuts cannot part {len(self.splits)} splits"
        numbers = [value.timestamp() if isinstance(value, datetime) else value for value in values]
        if any(not early < late for early, late in pairwise(numbers)):  # NaN is not ascending either
            yield "the time cuts are not in ascending order"
