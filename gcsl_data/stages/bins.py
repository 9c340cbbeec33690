"""Thresholds: the lower edges of equal-frequency bins, as observed order statistics.

With s the rewards ascending, b = N // K: t_1 = s[0], t_k = s[N - (K-k+1) b]. Nothing is interpolated, so each edge is a
reward that occurred; without ties the bins are Quark's, remainder in the lowest. With at most K distinct rewards, those
values are the thresholds (the paper's rule for categories). Equal rewards get equal levels, except under ties "rank".
Source: the paper, section 3.1; the estimator and the rules for ties are our choice.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Ties

MAX_AUTO_COUNT = 10
MIN_TOP_RECORDS = 50
_SLICE = 1_000_000  # rewards that become Python's numbers at a time


def edges(rewards: pl.DataFrame, count: int, ties: Ties) -> list[float]:
    """The thresholds, ascending, at most `count` of them; strictly so unless ties are cut by rank.

    `rewards` has distinct `reward` ascending and `records`, how many hold it. Ties "merge" drops equal edges; "spread" gives
    each value that would fill a bin one of its own and cuts the rest evenly; "rank" keeps equal edges, as Quark does.
    Raises DataError (65) when fewer than two thresholds come out, or when two are equal under ties "error".
    """
    if rewards.height == 0:
        raise DataError("GD1302", "no usable reward in the train split; nothing can be fitted")
    if ties == "rank":
        found = _order_statistics(rewards, min(count, int(rewards["records"].sum())))
    elif rewards.height <= count:
        found = rewards["reward"].to_list()
    elif ties == "spread":
        found = _spread(rewards, count)
    else:
        cut = _order_statistics(rewards, count)
        found = sorted(set(cut))
        if ties == "error" and len(found) < len(cut):
            value = next(edge for edge in cut if cut.count(edge) > 1)
            raise DataError(
                "GD1301",
                f"{_heavy(rewards, value)}, so {count} bins share an edge; use --ties merge, --ties spread or fewer --bins",
            )
    if len(found) < 2:
        offer = "--ties spread, or --thresholds" if rewards.height > 1 else "a log with a finer reward"
        raise DataError(
            "GD1302", f"{_heavy(rewards, found[0])}: one threshold, and goals need two or more; try {offer}"
        )
    return found


def auto_count(rewards: pl.DataFrame, ties: Ties) -> int:
    """The largest K from 10 down to 2 whose thresholds do not fall together and whose top bin keeps `MIN_TOP_RECORDS`.

    2 when there is none. Source: our choice; a goal that few records reach is learned badly.
    """
    for count in range(MAX_AUTO_COUNT, 2, -1):
        if rewards.height <= count:
            found = rewards["reward"].to_list()
            whole = rewards.height == count
        else:
            found = _spread(rewards, count) if ties == "spread" else _order_statistics(rewards, count)
            whole = len(set(found)) == count
        if whole and reached(rewards, [found[-1]], strict=False)[0] >= MIN_TOP_RECORDS:
            return count
    return 2


def quotas(rewards: pl.DataFrame, count: int) -> list[int]:
    """For each edge of ties "rank", how many of the records that hold exactly its reward are at or above its position."""
    total = int(rewards["records"].sum())
    count = min(count, total)
    running = rewards["records"].cum_sum()
    ends = [int(running[int(running.search_sorted(at, side="right"))]) for at in _positions(total, count)]
    return [end - at for end, at in zip(ends, _positions(total, count), strict=True)]


def median(rewards: pl.DataFrame) -> float:
    """The lower median: a reward that occurred."""
    running = rewards["records"].cum_sum()
    return rewards["reward"][int(running.search_sorted((int(running[-1]) - 1) // 2, side="right"))]


def top_share(rewards: pl.DataFrame, share: float) -> float:
    """The lowest reward of the best `share` of records, ties with it included: s[N - ceil(share N)]."""
    running = rewards["records"].cum_sum()
    total = int(running[-1])
    # 0.07 * 100 is 7.000000000000001 in floats, and must not take an eighth record.
    at = total - min(total, max(1, math.ceil(round(share * total, 6))))
    return rewards["reward"][int(running.search_sorted(at, side="right"))]


def mean(rewards: pl.DataFrame) -> float:
    """Correctly rounded sum of all rewards, divided by their number: the same for any order of the rows.

    `math.fsum` rounds once; a value held by n records enters as value times each power of two in n, which is exact.
    """
    records = int(rewards["records"].sum())
    try:
        return math.fsum(_summands(rewards)) / records
    except OverflowError:  # the sum is no float, the mean is
        pairs = rewards.select("reward", "records").iter_rows()
        return float(sum((Fraction(value) * n for value, n in pairs), Fraction()) / records)


def _summands(rewards: pl.DataFrame) -> Iterator[float]:
    """A slice at a time, since there may be as many rewards as records. Raises OverflowError."""
    bits = int(rewards["records"].max() or 0).bit_length()  # pyright: ignore[reportArgumentType]
    for piece in rewards.iter_slices(_SLICE):
        for bit in range(bits):
            held = piece.filter(pl.col("records") // 2**bit % 2 == 1)["reward"] * 2.0**bit
            if not held.is_finite().all():
                raise OverflowError
            yield from held.to_list()


def reached(rewards: pl.DataFrame, bounds: list[float], *, strict: bool) -> list[int]:
    """For each bound, how many records have a reward at or above it (above it, when strict)."""
    below = pl.Series([0], dtype=pl.Int64).append(rewards["records"].cum_sum())
    values = rewards["reward"]
    total = int(below[-1])
    side = "right" if strict else "left"
    return [total - int(below[int(values.search_sorted(bound, side=side))]) for bound in bounds]


def _order_statistics(rewards: pl.DataFrame, count: int) -> list[float]:
    running = rewards["records"].cum_sum()
    positions = _positions(int(running[-1]), count)
    return [rewards["reward"][int(running.search_sorted(at, side="right"))] for at in positions]


def _positions(total: int, count: int) -> list[int]:
    """0-based positions of the edges among the ascending rewards."""
    size = total // count
    return [0] + [total - (count - k + 1) * size for k in range(2, count + 1)]


def _spread(rewards: pl.DataFrame, count: int) -> list[float]:
    """Values that stand more often than a bin is large are thresholds by themselves; the rest is cut into the bins left.

    The most frequent value goes first, the lower one of two that are equally frequent.
    """
    heavy: list[float] = []
    by_weight = rewards.sort(["records", "reward"], descending=[True, False])
    left, bins_left = int(rewards["records"].sum()), count
    for value, records in by_weight.select("reward", "records").iter_rows():
        if bins_left <= 1 or records <= left // bins_left:
            break
        heavy.append(value)
        left, bins_left = left - records, bins_left - 1
    rest = rewards.filter(~pl.col("reward").is_in(heavy))
    if rest.height == 0:
        return sorted(heavy)
    few = rest.height <= bins_left
    return sorted({*heavy, *(rest["reward"].to_list() if few else _order_statistics(rest, bins_left))})


def _heavy(rewards: pl.DataFrame, value: float) -> str:
    held = int(rewards.filter(pl.col("reward") == value)["records"].sum())
    total = int(rewards["records"].sum())
    return f"{held} of {total} records ({held / total:.0%}) have the reward {value:g}"
