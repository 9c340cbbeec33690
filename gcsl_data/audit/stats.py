"""The numbers that a person audits before spending GPU time: bins, goals, rows. The same numbers as in the manifest."""

from dataclasses import dataclass

from gcsl_data.dataset.manifest import Accounting, Goal, Manifest, Split
from gcsl_data.fit import Fit, Threshold
from gcsl_data.measure import Measured


@dataclass(frozen=True, slots=True)
class BinRow:
    """One threshold and its goal: exact edge, printed number, and what lies between it and the next threshold.

    `share` is of the fitted split's records; `examples` counts rows of all splits that carry the goal.
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
class Stats:
    """One dataset, or what a log would become. `expansion` is examples per usable record."""

    name: str
    dataset_id: str | None
    accounting: Accounting
    splits: tuple[Split, ...]
    mean: float
    direction: str
    comparator: str
    decimals: int | None
    ties: str
    bins_asked: int
    bins_effective: int
    bins: tuple[BinRow, ...]
    below: int
    inference_goal: str
    records: int
    examples: int
    expansion: float


def stats_of_dataset(manifest: Manifest, name: str) -> Stats:
    """The stats of a finished dataset, from its manifest alone."""
    best = manifest.inference_goal
    return _stats(
        name, manifest.dataset_id, manifest.fit, manifest.goals, manifest.splits, manifest.accounting, best=best
    )


def stats_of_log(measured: Measured, name: str) -> Stats:
    """The stats that a dataset made of these logs would have."""
    best = measured.choice.kept[-1]
    return _stats(name, None, measured.fit, measured.goals, measured.splits, measured.accounting, best=best)


def _stats(
    name: str,
    dataset_id: str | None,
    fit: Fit,
    goals: tuple[Goal, ...],
    splits: tuple[Split, ...],
    accounting: Accounting,
    *,
    best: int,
) -> Stats:
    records = sum(split.records for split in splits)
    examples = sum(split.examples for split in splits)
    rows = tuple(_row(threshold, goal, fit) for threshold, goal in zip(fit.thresholds, goals, strict=True))
    return Stats(
        name=name,
        dataset_id=dataset_id,
        accounting=accounting,
        splits=splits,
        mean=fit.mean,
        direction=fit.direction,
        comparator=fit.comparator,
        decimals=fit.decimals,
        ties=fit.ties,
        bins_asked=fit.bins_asked,
        bins_effective=len(fit.thresholds),
        bins=rows,
        below=fit.records - sum(row.records for row in rows),
        inference_goal=goals[best - 1].text,
        records=records,
        examples=examples,
        expansion=examples / records,
    )


def _row(threshold: Threshold, goal: Goal, fit: Fit) -> BinRow:
    return BinRow(
        index=threshold.index,
        edge=threshold.edge,
        printed=threshold.printed,
        records=threshold.records,
        share=threshold.records / fit.records,
        mean_reward=threshold.mean_reward,
        reached=threshold.reached,
        dropped=goal.dropped,
        examples=goal.examples,
    )
