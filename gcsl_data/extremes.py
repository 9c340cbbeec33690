"""The best and the worst records of a log, to look at: a reward that points the wrong way is seen at once."""

from dataclasses import dataclass

import polars as pl

from gcsl_data.census import Census
from gcsl_data.engines import Engine
from gcsl_data.fit import Direction

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Extremes:
    """Records (reward, source, row, prompt, response), best and worst first; `sign` times reward is the logged value."""

    best: pl.DataFrame
    worst: pl.DataFrame
    sign: int


def extremes(
    flagged: pl.LazyFrame, facts: pl.LazyFrame, census: Census, engine: Engine, *, direction: Direction
) -> Extremes:
    """The first record of each of the three best and three worst different rewards.

    The facts know their rows; one more look at the log fetches their texts.
    """
    rewards = census.usable["reward"].unique()
    ends = pl.concat([rewards.top_k(SHOWN), rewards.bottom_k(SHOWN)])
    there = facts.filter(pl.col("reject").is_null(), pl.col("reward").is_in(ends.implode()))
    shown = engine.measure(there.group_by("reward", "source").agg(pl.col("row").min()))
    chosen = shown.sort("source", "row").unique("reward", keep="first")
    wanted = flagged.filter(pl.col("row").is_in(chosen["row"].unique().to_list()))
    if "reject" in flagged.collect_schema():  # another response of the same row may be one that cannot be used
        wanted = wanted.filter(pl.col("reject").is_null())
    texts = engine.measure(wanted.select("reward", "source", "row", "prompt", "response"))
    found = texts.join(chosen, on=["source", "row", "reward"], how="semi").unique("reward", keep="first").sort("reward")
    sign = -1 if direction == "lower" else 1
    return Extremes(found.reverse().head(SHOWN), found.head(SHOWN), sign)
