"""Thresholds: the lower edges of equal-frequency bins, as observed order statistics.

With s the rewards ascending, b = N // K: t_1 = s[0], t_k = s[N - (K-k+1) b]. Nothing is interpolated, so each edge is a
reward that occurred; without ties the bins are Quark's, remainder in the lowest. With at most K distinct rewards, those
values are the thresholds (the paper's rule for categories). Equal rewards always get equal levels.
Source: the paper, section 3.1; the estimator is our choice (METHODS 1.2).
"""

import math

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Ties


def edges(rewards: pl.DataFrame, count: int, ties: Ties) -> list[float]:
    """The thresholds, strictly ascending, at most `count` of them.

    `rewards` has distinct `reward` ascending and `records`, how many hold it. Raises DataError (65) when fewer than two
    thresholds come out, or when two are equal under ties "error".
    """
    if rewards.height <= count:
        found = rewards["reward"].to_list()
    else:
        found = _order_statistics(rewards, count)
        if ties == "error" and len(set(found)) < len(found):
            value = next(edge for edge in found if found.count(edge) > 1)
            raise DataError(
                "GD1301",
                f"{_heavy(rewards, value)}, so {count} bins share an edge; use --ties merge or fewer --bins",
            )
        found = sorted(set(found))
    if len(found) < 2:
        value = found[0] if found else math.nan
        raise DataError(
            "GD1302",
            f"{_heavy(rewards, value)}: one threshold, and goals need two or more; log a finer reward"
            if found
            else "no usable reward in the train split; nothing can be fitted",
        )
    return found


def mean(rewards: pl.DataFrame) -> float:
    """Correctly rounded sum of all rewards, divided by their number: the same for any order of the rows.

    `math.fsum` rounds once; a value held by n records enters as value times each power of two in n, which is exact.
    """
    pairs = rewards.select("reward", "records").iter_rows()
    total = math.fsum(math.ldexp(value, bit) for value, n in pairs for bit in range(n.bit_length()) if n >> bit & 1)
    return total / int(rewards["records"].sum())


def reached(rewards: pl.DataFrame, bounds: list[float], *, strict: bool) -> list[int]:
    """For each bound, how many records have a reward at or above it (above it, when strict)."""
    below = pl.Series([0], dtype=pl.Int64).append(rewards["records"].cum_sum())
    values = rewards["reward"]
    total = int(below[-1])
    side = "right" if strict else "left"
    return [total - int(below[int(values.search_sorted(bound, side=side))]) for bound in bounds]


def _order_statistics(rewards: pl.DataFrame, count: int) -> list[float]:
    running = rewards["records"].cum_sum()
    total = int(running[-1])
    size = total // count
    positions = [0] + [total - (count - k + 1) * size for k in range(2, count + 1)]
    return [rewards["reward"][int(running.search_sorted(at, side="right"))] for at in positions]


def _heavy(rewards: pl.DataFrame, value: float) -> str:
    held = int(rewards.filter(pl.col("reward") == value)["records"].sum())
    total = int(rewards["records"].sum())
    return f"{held} of {total} records ({held / total:.0%}) have the reward {value:g}"
