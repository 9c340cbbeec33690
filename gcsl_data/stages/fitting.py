"""Counted rewards of the train split in, the frozen Fit out."""

import polars as pl

from gcsl_data.fit import Comparator, Direction, Fit, Threshold
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import bins, snap


def fit_rewards(
    rewards: pl.DataFrame, stage: BinsStage, *, direction: Direction, comparator: Comparator, split: str
) -> Fit:
    """Edges, printed numbers and what the split looks like between them.

    Raises DataError (65) when the rewards give fewer than two thresholds, RecipeError (78) for exact numbers under a
    strict comparator.
    """
    edges = bins.edges(rewards, stage.count, stage.ties)
    decimals = snap.choose_decimals(rewards, edges, comparator, stage.decimals)
    numbers = [snap.printed(edge, comparator, decimals) for edge in edges]
    mean = bins.mean(rewards)
    return Fit(
        split=split,
        records=int(rewards["records"].sum()),
        distinct=rewards.height,
        mean=mean,
        mean_hex=mean.hex(),
        minimum=rewards["reward"][0],
        maximum=rewards["reward"][-1],
        direction=direction,
        comparator=comparator,
        decimals=decimals,
        ties=stage.ties,
        bins_asked=stage.count,
        thresholds=tuple(_thresholds(rewards, edges, numbers, comparator)),
    )


def _thresholds(
    rewards: pl.DataFrame, edges: list[float], numbers: list[str], comparator: Comparator
) -> list[Threshold]:
    strict = snap.is_strict(comparator)
    bounds = [snap.bound(number, comparator) for number in numbers]
    reach = bins.reached(rewards, bounds, strict=strict)
    labelled = rewards.with_columns(level=level_of(bounds, strict=strict))
    thresholds = []
    for k, (edge, number, reached) in enumerate(zip(edges, numbers, reach, strict=True), start=1):
        inside = labelled.filter(pl.col("level") == k)
        thresholds.append(
            Threshold(
                index=k,
                edge=edge,
                edge_hex=edge.hex(),
                printed=number,
                records=int(inside["records"].sum()),
                reached=reached,
                mean_reward=bins.mean(inside) if inside.height else None,
            )
        )
    return thresholds


def level_of(bounds: list[float], *, strict: bool) -> pl.Expr:
    """How many bounds a record's `reward` reaches (Int32, 0..K)."""
    reward = pl.col("reward")
    return pl.sum_horizontal([(reward > b if strict else reward >= b).cast(pl.Int32) for b in bounds]).cast(pl.Int32)
