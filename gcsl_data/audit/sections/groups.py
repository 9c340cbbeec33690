"""Groups: whether the reward tells responses apart, or only prompts, and who supplies the best."""

from dataclasses import dataclass
from typing import cast

import polars as pl

from gcsl_data.audit.sections.rewards import on_unit_scale


@dataclass(frozen=True, slots=True)
class Groups:
    """Records by prompt or task. `alone_share` is that of records whose group has no other. `within_share` is the part of the
    rewards' variance that lies within groups, over groups of two and more (0: a group's rewards all agree; 1: the groups'
    means do); null where there is none. `top_share` is the part of the highest kept goal's records that the largest
    contributor among groups supplies; null where there is no such goal. `advice` is what follows, null where nothing does.
    """

    groups: int
    largest: int
    alone_share: float
    within_share: float | None
    top_share: float | None
    advice: str | None


MOSTLY_ALONE = 0.9  # our choice: with fewer records in company, what groups say is chance
MOSTLY_BETWEEN = 0.5  # our choice: below it, more than half of the differences are between groups


def groups_section(facts: pl.DataFrame, *, top: int | None, is_by_group: bool = False) -> Groups:
    """Over the records of all splits; `top` is the index of the highest kept goal, `is_by_group` whether rewards were
    normalised in their groups already."""
    counted = facts.group_by("group", maintain_order=True).agg(
        records=pl.len(), reached=(pl.col("level") >= (top or 0)).sum()
    )
    reached = int(counted["reached"].sum()) if top else 0
    within = _within_share(facts)
    alone = counted.filter(pl.col("records") == 1).height
    return Groups(
        groups=counted.height,
        largest=int(cast("int", counted["records"].max())),
        alone_share=alone / facts.height,
        within_share=within,
        top_share=int(cast("int", counted["reached"].max())) / reached if reached else None,
        advice=None if is_by_group or alone / facts.height > MOSTLY_ALONE else _advice(within),
    )


def _within_share(facts: pl.DataFrame) -> float | None:
    """Squares within groups over all squares (one-way analysis of variance), of groups with two records and more.

    Records stand in a fixed order and so do groups, so the sums are the same every time. Rewards are divided by the largest
    first: the share is the same, and no square overflows.
    """
    several = facts.select("group", reward=on_unit_scale(facts["reward"])).filter(pl.len().over("group") > 1)
    total = _squares(several["reward"] - several["reward"].mean())
    if not total:
        return None
    return min(
        1.0, _squares(several.select(pl.col("reward") - pl.col("reward").mean().over("group")).to_series()) / total
    )


def _squares(series: pl.Series) -> float:
    return float((series * series).sum())


def _advice(within: float | None) -> str | None:
    if within is None or within >= MOSTLY_BETWEEN:
        return None
    return (
        f"{1 - within:.0%} of the differences in reward lie between groups: goals would say which prompts are easy "
        "rather than which responses are good; --normalize zscore --normalize-by group compares within each "
        "(goals then print z-scores)"
    )
