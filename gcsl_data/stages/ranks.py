"""The rank of a reward: the share of train records below it, plus half of those equal to it, by a frozen grid of rewards.

Up to `MAX_STEPS` distinct rewards are all on the grid, and every rank is exact. Of more, the grid holds order statistics that
part the records evenly; a reward on it has its exact rank, one between two neighbours is interpolated between them, which is
off by at most the share of records between them: 0.1 % (no tied reward is between, since it would be on the grid).
"""

from bisect import bisect_left

import polars as pl

from gcsl_data.normalisation import Normalisation, Step

MAX_STEPS = 1001
_SLACK = 1e-11  # a rank is rounded to 12 digits before it is looked up


def learn_steps(rewards: pl.DataFrame) -> tuple[Step, ...]:
    """The grid of counted rewards (distinct `reward` ascending, `records`): all of them, or evenly parted ones."""
    counted = rewards.select("reward", "records", up_to=pl.col("records").cum_sum())
    if counted.height > MAX_STEPS:
        last = int(counted["up_to"][-1]) - 1
        positions = pl.Series([at * last // (MAX_STEPS - 1) for at in range(MAX_STEPS)])
        counted = counted[counted["up_to"].search_sorted(positions, side="right").unique().sort()]
    rows = counted.select("reward", "records", "up_to").iter_rows()
    return tuple(Step(reward=value, below=up_to - records, up_to=up_to) for value, records, up_to in rows)


def rank(value: pl.Expr, normalisation: Normalisation) -> pl.Expr:
    """The rank, 0 to 1: elementwise, by one search in the grid for each value."""
    grid = _Grid(normalisation)
    return value.map_batches(grid.ranks, return_dtype=pl.Float64(), is_elementwise=True)


def reward_at_rank(value: float, normalisation: Normalisation) -> float:
    """The reward of the grid that has this rank, or one in between."""
    steps, total = normalisation.steps, normalisation.records
    middles = [(step.below + step.up_to) / (2 * total) for step in steps]
    at = min(bisect_left(middles, value - _SLACK), len(steps) - 1)
    right = steps[at]
    if at == 0 or middles[at] <= value + _SLACK:
        return right.reward
    left = steps[at - 1]
    start, end = left.up_to / total, right.below / total
    way = min(1.0, max(0.0, (value - start) / (end - start))) if start < end else 1.0
    return left.reward * (1 - way) + right.reward * way


class _Grid:
    """The steps as columns, with the end values doubled, so that every value lies between two entries."""

    def __init__(self, normalisation: Normalisation) -> None:
        steps, total = normalisation.steps, normalisation.records
        self._rewards = pl.Series([step.reward for step in steps], dtype=pl.Float64)
        self._between = pl.DataFrame(
            {
                "left": [steps[0].reward, *(step.reward for step in steps)],
                "right": [*(step.reward for step in steps), steps[-1].reward],
                "start": [0.0, *(step.up_to / total for step in steps)],
                "end": [*(step.below / total for step in steps), 1.0],
                "middle": [0.0, *((step.below + step.up_to) / (2 * total) for step in steps)],
            },
            schema=dict.fromkeys(("left", "right", "start", "end", "middle"), pl.Float64),
        )

    def ranks(self, values: pl.Series) -> pl.Series:
        """The rank of every value; null for null."""
        at = self._rewards.search_sorted(values, side="right")
        value, left, right = pl.lit(values), pl.col("left"), pl.col("right")
        # Halves, because the difference of two floats may be larger than any float.
        way = ((value / 2 - left / 2) / (right / 2 - left / 2)).clip(0, 1).fill_nan(0.0)
        start, end = pl.col("start"), pl.col("end")
        between = pl.min_horizontal(start + (end - start) * way, end)
        on_grid = (value == left) & (pl.lit(at) > 0)
        found = self._between[at].select(rank=pl.when(on_grid).then("middle").when(value.is_not_null()).then(between))[
            "rank"
        ]
        return found.alias(values.name)
