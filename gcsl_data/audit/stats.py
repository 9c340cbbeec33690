"""The numbers that a person audits before spending GPU time: bins, goals, rows. The same numbers as in the manifest."""

from dataclasses import dataclass

from gcsl_data.dataset.manifest import Accounting, Goal, Manifest, Range, Split
from gcsl_data.fit import Aspect, Cut, Fit, Threshold
from gcsl_data.measure import Measured


@dataclass(frozen=True, slots=True)
class BinRow:
    """One threshold and its goal: exact edge, printed number, and what lies between it and the next threshold.

    `share` is of the train split's records; `examples` counts rows of all splits that carry the goal. `mean_reward` is that
    of the split that the fit was made on.
    """

    index: int
    edge: float
    printed: str
    records: int
    share: float
    mean_reward: float | None
    reached: int
    dropped: str | None
    examples: int


@dataclass(frozen=True, slots=True)
class AspectStats:
    """The bins of one of several rewards."""

    name: str
    metric: str
    direction: str
    comparator: str
    mean: float
    bins: tuple[BinRow, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """One dataset, or what a log would become. `expansion` is examples per usable record; `below` counts records at level 0.

    `inference_text` is what to ask for; null where prompts carry no goal. `ranges` tells of rows that a builder made.
    """

    name: str
    dataset_id: str | None
    formulation: str
    accounting: Accounting
    splits: tuple[Split, ...]
    mean: float
    direction: str
    comparator: str
    decimals: int | None
    ties: str
    rule: str | None
    bins_asked: int | None
    bins_effective: int
    bins: tuple[BinRow, ...]
    below: int
    cut: Cut | None
    aspects: tuple[AspectStats, ...]
    ranges: tuple[Range, ...]
    inference_text: str | None
    records: int
    examples: int
    expansion: float


def stats_of_dataset(manifest: Manifest, name: str) -> Stats:
    """The stats of a finished dataset, from its manifest alone."""
    return _stats(name, manifest, dataset_id=manifest.dataset_id, formulation=manifest.formulation)


def stats_of_log(measured: Measured, name: str, formulation: str) -> Stats:
    """The stats that a dataset made of these logs would have."""
    return _stats(name, measured, dataset_id=None, formulation=formulation)


def _stats(name: str, found: Manifest | Measured, *, dataset_id: str | None, formulation: str) -> Stats:
    fit = found.fit
    records = sum(split.records for split in found.splits)
    examples = sum(split.examples for split in found.splits)
    train = found.splits[0].records
    rows = tuple(_row(t, goal, above, train) for t, goal, above in _ladder(fit, found.goals))
    return Stats(
        name=name,
        dataset_id=dataset_id,
        formulation=formulation,
        accounting=found.accounting,
        splits=found.splits,
        mean=fit.mean,
        direction=fit.direction,
        comparator=fit.comparator,
        decimals=fit.decimals,
        ties=fit.ties,
        rule=fit.rule,
        bins_asked=fit.bins_asked,
        bins_effective=len(fit.thresholds),
        bins=rows,
        below=train - sum(row.records for row in rows),
        cut=fit.cut,
        aspects=tuple(_of_aspect(aspect) for aspect in fit.aspects),
        ranges=found.ranges,
        inference_text=found.inference_text,
        records=records,
        examples=examples,
        expansion=examples / records,
    )


def _of_aspect(aspect: Aspect) -> AspectStats:
    """One aspect's bins, as the fit has them; examples carry the joint goals."""
    fit = aspect.fit
    rows = tuple(
        BinRow(
            index=t.index,
            edge=t.edge,
            printed=t.printed,
            records=t.records,
            share=t.records / fit.records,
            mean_reward=t.mean_reward,
            reached=t.reached,
            dropped=t.dropped,
            examples=0,
        )
        for t in fit.thresholds
    )
    return AspectStats(aspect.name, aspect.metric, fit.direction, fit.comparator, fit.mean, rows)


def _ladder(fit: Fit, goals: tuple[Goal, ...]) -> list[tuple[Threshold, Goal, int]]:
    """Each threshold with its goal and how many records of train reach the one above."""
    above = [*(goal.records for goal in goals), 0][1:]
    return list(zip(fit.thresholds, goals, above, strict=True))


def _row(threshold: Threshold, goal: Goal, above: int, records: int) -> BinRow:
    return BinRow(
        index=threshold.index,
        edge=threshold.edge,
        printed=threshold.printed,
        records=goal.records - above,
        share=(goal.records - above) / max(records, 1),
        mean_reward=threshold.mean_reward,
        reached=goal.records,
        dropped=threshold.dropped,
        examples=goal.examples,
    )
