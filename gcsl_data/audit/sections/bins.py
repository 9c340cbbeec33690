"""Bins: one row for each threshold, what it prints, and what lies between it and the next."""

from dataclasses import dataclass

from gcsl_data.dataset.manifest import Goal
from gcsl_data.fit import Aspect, Cut, Fit, Threshold
from gcsl_data.stages.aspects import ladder
from gcsl_data.stages.normalise import inverse

OF_ONE_BIN = ("gcsl", "gcsl-nl")  # a goal of theirs means one bin, not all from there up


@dataclass(frozen=True, slots=True)
class BinRow:
    """One threshold and its goal: exact edge, printed number, and what lies between it and the next threshold.

    `edge` and `mean_reward` are in the unit of the `reward` column, as in the manifest; `logged` is the edge as a person
    reads it, in the log's own unit, before any normalisation (null where it has none). `says` is the goal in short: ">= 0.8",
    "0.6 to 0.8", or what each aspect must be. `share` is of the train split's records, `mean_reward` that of the split that
    the fit was made on. `examples` counts rows of all splits that carry the goal, null where none can: in one of several
    aspects, or where rows carry no goal.
    """

    index: int
    edge: float
    logged: float | None
    printed: str
    says: str
    records: int
    share: float
    mean_reward: float | None
    reached: int
    dropped: str | None
    examples: int | None


@dataclass(frozen=True, slots=True)
class Bins:
    """`asked` is K, `effective` what is left of it when equal edges are one. Shares are of the train split's records; null
    where there are no bins. `below` counts its records at level 0. `cut` stands where good records are cut instead."""

    asked: int | None
    effective: int
    rule: str | None
    ties: str
    comparator: str
    decimals: int | None
    smallest_share: float | None
    largest_share: float | None
    below: int
    cut: Cut | None
    rows: tuple[BinRow, ...]


@dataclass(frozen=True, slots=True)
class AspectStats:
    """The bins of one of several rewards."""

    name: str
    metric: str
    direction: str
    comparator: str
    mean: float
    bins: tuple[BinRow, ...]


def bins_section(fit: Fit, goals: tuple[Goal, ...], *, train: int, formulation: str) -> Bins:
    """The bins of a fit and its goals; `train` counts the train split's records, which a frozen fit was not made on."""
    says = _says(fit, formulation)
    rows = tuple(_row(t, goal, above, train, fit, says[t.index]) for t, goal, above in _ladder(fit, goals))
    shares = [row.share for row in rows]
    return Bins(
        asked=fit.bins_asked,
        effective=len(fit.thresholds),
        rule=fit.rule,
        ties=fit.ties,
        comparator=fit.comparator,
        decimals=fit.decimals,
        smallest_share=min(shares, default=None),
        largest_share=max(shares, default=None),
        below=train - sum(row.records for row in rows),
        cut=fit.cut,
        rows=rows,
    )


def aspect_section(aspect: Aspect) -> AspectStats:
    """One aspect's bins, as the fit has them; examples carry the joint goals."""
    fit = aspect.fit
    rows = tuple(
        BinRow(
            index=t.index,
            edge=t.edge,
            logged=_logged(t.edge, fit),
            printed=t.printed,
            says=f"{fit.comparator} {t.printed}",
            records=t.records,
            share=t.records / fit.records,
            mean_reward=t.mean_reward,
            reached=t.reached,
            dropped=t.dropped,
            examples=None,
        )
        for t in fit.thresholds
    )
    return AspectStats(aspect.name, aspect.metric, fit.direction, fit.comparator, fit.mean, rows)


def _ladder(fit: Fit, goals: tuple[Goal, ...]) -> list[tuple[Threshold, Goal, int]]:
    """Each threshold with its goal and how many records of train reach the one above."""
    above = [*(goal.records for goal in goals), 0][1:]
    return list(zip(fit.thresholds, goals, above, strict=True))


def _says(fit: Fit, formulation: str) -> dict[int, str]:
    """Goal index to what the goal claims of a record, in short."""
    if fit.aspects:
        rungs = [zip(fit.aspects, rung, strict=True) for rung in ladder(fit.aspects)]
        parts = [[f"{a.name} {a.fit.comparator} {t.printed}" for a, t in rung] for rung in rungs]
        return {j: ", ".join(part) for j, part in enumerate(parts, start=1)}
    says = {t.index: f"{fit.comparator} {t.printed}" for t in fit.thresholds}
    if formulation in OF_ONE_BIN:
        ends = [*(t.printed for t in fit.thresholds[1:]), None if fit.end is None else f"{fit.sign * fit.end + 0.0:g}"]
        for t, end in zip(fit.thresholds, ends, strict=True):
            if end is not None:
                says[t.index] = " to ".join((t.printed, end)[:: fit.sign])
    return says


def _logged(reward: float, fit: Fit) -> float | None:
    return None if fit.group_method else inverse(fit.sign * reward + 0.0, fit.normalisation)


def _row(threshold: Threshold, goal: Goal, above: int, records: int, fit: Fit, says: str) -> BinRow:
    return BinRow(
        index=threshold.index,
        edge=threshold.edge,
        logged=None if fit.aspects else _logged(threshold.edge, fit),
        printed=threshold.printed,
        says=says,
        records=goal.records - above,
        share=(goal.records - above) / max(records, 1),
        mean_reward=threshold.mean_reward,
        reached=goal.records,
        dropped=threshold.dropped,
        examples=None if goal.text is None else goal.examples,
    )
