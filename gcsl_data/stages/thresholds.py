"""Where thresholds come from: equal-frequency bins, the few values themselves, a person's numbers, or ordered labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Direction, Rule
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import bins


@dataclass(frozen=True, slots=True)
class Edges:
    """Thresholds before they are printed: edges ascending in the unit of `reward`, and the words that a person gave for them.

    `asked` is K where bins were cut; `quotas` stand beside edges of ties "rank".
    """

    rule: Rule
    edges: list[float]
    words: list[str] | None = None
    asked: int | None = None
    quotas: list[int] | None = None


def thresholds_of(rewards: pl.DataFrame, stage: BinsStage, *, labels: Sequence[str], direction: Direction) -> Edges:
    """The edges for counted rewards. Raises DataError (65) when they give fewer thresholds than goals need."""
    if rewards.height == 0:
        raise DataError("GD1302", "no usable reward in the train split; nothing can be fitted")
    if stage.thresholds:
        return _given(stage.thresholds, direction)
    if labels:
        return _labels(labels, direction)
    count = bins.auto_count(rewards, stage.ties) if stage.count == "auto" else stage.count
    if stage.ties == "rank":
        quotas = bins.quotas(rewards, count)
        return Edges("bins", bins.edges(rewards, count, "rank"), asked=count, quotas=quotas)
    rule: Rule = "values" if rewards.height <= count else "bins"
    return Edges(rule, bins.edges(rewards, count, stage.ties), asked=count)


def threshold_warnings(found: Edges, stage: BinsStage, rewards: pl.DataFrame) -> tuple[str, ...]:
    """What a person should know about how the thresholds were found."""
    if stage.count == "auto" and found.asked is not None:
        kept = f"keeps {bins.MIN_TOP_RECORDS} records"
        if (
            len(found.edges) < found.asked
            or bins.reached(rewards, found.edges[-1:], strict=False)[0] < bins.MIN_TOP_RECORDS
        ):
            return (
                f"--bins auto chose {found.asked}, the least there is: no number of bins has a top bin that {kept}",
            )
        most = f"the largest number up to {bins.MAX_AUTO_COUNT}"
        return (f"--bins auto chose {found.asked}, {most} whose thresholds differ and whose top bin {kept}",)
    if found.rule == "given" and len(found.edges) == 1:
        return ("one threshold is given, so there is one goal; goals that can be told apart need two",)
    return ()


def _given(thresholds: Sequence[str], direction: Direction) -> Edges:
    ascending = list(thresholds) if direction == "higher" else list(reversed(thresholds))
    sign = 1 if direction == "higher" else -1
    return Edges("given", [sign * float(text) or 0.0 for text in ascending], [_plain(text) for text in ascending])


def _labels(labels: Sequence[str], direction: Direction) -> Edges:
    """Labels count 1, 2, 3 ... from the lowest; where lower is better, the first one is the best."""
    ranks = [float(rank) for rank in range(1, len(labels) + 1)]
    if direction == "higher":
        return Edges("labels", ranks, list(labels))
    return Edges("labels", [-rank for rank in reversed(ranks)], list(reversed(labels)))


def _plain(text: str) -> str:
    """A number as it was given, without a plus sign or a minus before zero."""
    unsigned = text.removeprefix("+")
    return unsigned.removeprefix("-") if Decimal(text) == 0 else unsigned
