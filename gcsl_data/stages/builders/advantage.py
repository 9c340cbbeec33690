"""How much better a response is than its group: (reward - mean) / (std + 1e-6), with the sample deviation (n - 1).

Source: GFT's code, which takes it from GRPO (METHODS 5). Each group's rewards are sorted before they are summed, so the
result does not depend on threads or on the order of the rows; it is rounded to 12 decimals, and 0 has no sign.
"""

import polars as pl

from gcsl_data.stages.builders.built import REASON, unsigned_zero

_STATISTICS = "_gcsl_statistics"


def with_advantage(
    records: pl.LazyFrame, *, within: tuple[str, ...] = ("group",), name: str = "advantage"
) -> pl.LazyFrame:
    """Adds the advantage (Float64), as `name`, and REASON (String): why the group says nothing, null when it does.

    A group of one is "alone": GFT's code gives it its bare reward as advantage, which has another scale and no
    comparison in it. A group of equal rewards is "equal_rewards": its advantages are all 0. *Order* is kept.
    """
    rewards = pl.col("rewards")
    reason = (
        pl.when(rewards.list.len() == 1)
        .then(pl.lit("alone"))
        .when(rewards.list.first() == rewards.list.last())
        .then(pl.lit("equal_rewards"))
    )
    mean, deviation = rewards.list.mean(), rewards.list.std(ddof=1)
    statistics = (
        records.group_by(*within)
        .agg(rewards=pl.col("reward").sort())
        .select(*within, pl.struct(mean=mean, deviation=deviation, reason=reason).alias(_STATISTICS))
    )
    of_group = pl.col(_STATISTICS).struct
    advantage = (pl.col("reward") - of_group.field("mean")) / (of_group.field("deviation") + 1e-6)
    return (
        records.join(statistics, on=list(within), maintain_order="left")
        .with_columns(of_group.field("reason").alias(REASON), unsigned_zero(advantage.round(12)).alias(name))
        .with_columns(pl.when(pl.col(REASON).is_null()).then(name).alias(name))
        .drop(_STATISTICS)
    )
