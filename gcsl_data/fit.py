"""The fit: every number that had to be measured before a record could be labelled, frozen. Standard library only.

It is taken from the train split alone, stands in the manifest and in `_gcsl/fit.json`, and labels tomorrow's log exactly
as it labelled today's (`--fit FILE`). Floats carry their hexadecimal form beside the decimal one, so nothing is lost in JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gcsl_data.normalisation import GroupMethodName, Normalisation, Number
from gcsl_data.time_cuts import TimeCuts

Comparator = Literal[">=", ">", "<=", "<"]
Direction = Literal["higher", "lower"]
Ties = Literal["merge", "spread", "error", "rank"]
GoalForm = Literal["threshold", "interval", "value", "token", "attributes"]
Rule = Literal["bins", "values", "given", "labels", "aspects"]
_PRINTED = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The lower edge of one bin, its goal, and what the train split looks like between it and the next.

    `edge` is exact and in the unit of the `reward` column (higher is better); `printed` is what the goal says for it, in the
    log's own unit: a number, or a label. A record reaches the goal when its reward is at or above `bound` (above it, under a
    strict comparator), in the unit of `reward`. `dropped` says why the goal is not in use. `records` have exactly this level,
    `reached` at least this level; `mean_reward` is that of `records` (null when there are none). `quota`, under ties "rank"
    only, is how many of the records that hold exactly `edge` reach it.
    """

    index: int
    edge: float
    edge_hex: str
    printed: str
    bound: float
    dropped: str | None
    records: int
    reached: int
    mean_reward: float | None
    quota: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where good records begin: `asked` as a person wrote it, the lowest good reward, and how many `records` of train are."""

    asked: str
    value: float
    value_hex: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One of several rewards: its name, what a sentence calls it, and its own fit."""

    name: str
    metric: str
    fit: "Fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was learned from the train split.

    `form` is how goals are written (null: they are not). `rule` says where the thresholds come from: equal-frequency bins,
    the few distinct values themselves, given numbers, ordered labels, or several aspects together; null when there are none.
    `bins_asked` is K, `len(thresholds)` the effective K. `decimals` is the number of digits after the point in every printed
    number; null means each is written out exactly. `distinct` counts different rewards; the median is a reward that occurred.
    `end` is the highest reward that the best interval holds, the end of the scale; null where it has none.
    `normalisation` is learned in the log's own unit; all else is in the unit of the `reward` column after it, or after each
    group's own (`group_method`), which told nothing of `neutral` records, since they are alone in their group or all equal.
    `time_cuts` part the splits if they go by time. With aspects, `reward` is the number of goals that a record reaches, and a
    goal says something of each aspect; where goals are attributes, `reward` is the first aspect. `deviation` is that of a
    sample (n - 1), where weights are made of it.
    """

    split: str
    records: int
    distinct: int
    mean: float
    mean_hex: str
    median: float
    minimum: float
    maximum: float
    direction: Direction
    form: GoalForm | None
    comparator: Comparator
    decimals: int | None
    rule: Rule | None
    ties: Ties
    bins_asked: int | None
    thresholds: tuple[Threshold, ...]
    cut: Cut | None = None
    end: float | None = None
    aspects: tuple[Aspect, ...] = ()
    normalisation: Normalisation | None = None
    group_method: GroupMethodName | None = None
    neutral: int = 0
    time_cuts: TimeCuts | None = None
    deviation: Number | None = None

    @property
    def sign(self) -> int:
        """+1 when a higher logged value is better, -1 when a lower one is (then `reward` holds the negated value)."""
        return 1 if self.direction == "higher" else -1

    @property
    def is_strict(self) -> bool:
        """Whether a record at the bound itself does not reach the goal."""
        return self.comparator in (">", "<")

    @property
    def is_by_rank(self) -> bool:
        """Whether records of one reward may have different levels, as under ties "rank"."""
        return any(threshold.quota is not None for threshold in self.thresholds)

    @property
    def by_group(self) -> GroupMethodName | None:
        """How rewards were brought to the scale of their group: its own way, or that of all its aspects."""
        return self.aspects[0].fit.group_method if self.aspects else self.group_method

    @property
    def bounds(self) -> list[float]:
        """The bound of every threshold, lowest first."""
        return [threshold.bound for threshold in self.thresholds]

    @property
    def kept(self) -> tuple[int, ...]:
        """The goals in use, lowest first."""
        return tuple(threshold.index for threshold in self.thresholds if threshold.dropped is None)

    def contradictions(self) -> Iterator[str]:
        """What cannot be true of a fit, in words: it may come from a stranger's file."""
        numbers = [(self.mean, self.mean_hex), *((t.edge, t.edge_hex) for t in self.thresholds)]
        if self.cut:
            numbers.append((self.cut.value, self.cut.value_hex))
        if self.deviation:
            numbers.append((self.deviation.value, self.deviation.hex))
            if not self.deviation.value > 0:
                yield "the rewards of the fit deviate by nothing, so weights cannot be made of them"
        for number, digits in numbers:
            if number.hex() != digits:
                yield f"the fit says {number!r} and {digits[:40]!r}, which are not the same number"
        if [threshold.index for threshold in self.thresholds] != list(range(1, len(self.thresholds) + 1)):
            yield "fit.thresholds are not numbered 1 to K"
        if self.records < 1:
            yield "it counts no records"
        for threshold in self.thresholds if self.rule not in ("labels", "aspects") else ():
            if not _PRINTED.fullmatch(threshold.printed):
                yield f"fit.thresholds print {threshold.printed[:40]!r}, which is not a plain number"
        if self.rule is not None and not self.thresholds:
            yield f"it has no thresholds, though they come of {self.rule}"
        if self.thresholds and not self.kept:
            yield "every goal of the fit is dropped"
        if len({threshold.quota is None for threshold in self.thresholds}) > 1:
            yield "some thresholds of the fit have a quota and some have none"
        if (
            self.end is not None
            and self.bounds
            and self.kept[-1:] == (len(self.bounds),)
            and self.bounds[-1] > self.end
        ):
            yield "the best interval of the fit ends before it begins"
        if sorted(self.bounds) != self.bounds:
            yield "fit.thresholds are not in ascending order"
        if len({aspect.fit.group_method for aspect in self.aspects}) > 1:
            yield "the aspects of the fit are brought to the scale of their group in different ways"
        for part in (self.normalisation, self.time_cuts, *(aspect.fit for aspect in self.aspects)):
            if part is not None:
                yield from part.contradictions()
