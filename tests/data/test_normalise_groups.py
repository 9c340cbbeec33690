"""Group-wise normalisation against plain Python, and the same bytes for any number of threads."""

import hashlib
import math
import os
import random
import statistics
import subprocess
import sys
from fractions import Fraction
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.normalisation import GroupMethodName
from gcsl_data.stages.normalise_groups import group_statistics, normalise_by_group

from .support import REPOSITORY

METHODS = get_args(GroupMethodName)
NEUTRAL = {"minmax": 0.5, "rank": 0.5, "zscore": 0.0, "robust": 0.0}
SCHEMA = {"group": pl.String, "reward": pl.Float64, "reject": pl.String, "row": pl.Int64}

Row = tuple[str | None, float | None, str | None]
rewards = st.one_of(
    st.integers(-8, 8).map(lambda i: i / 8), st.sampled_from([1e300, -1e300, 1e-300, 1e-306, 1.7e308, -1.7e308])
)
good = st.tuples(st.sampled_from("abc"), rewards, st.none())
bad = st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([None, math.nan, 0.5]), st.just("empty_prompt"))
logs = st.lists(st.one_of(good, good, good, bad), min_size=1, max_size=40)


def frame(rows: list[Row]) -> pl.LazyFrame:
    return pl.LazyFrame([(*row, at) for at, row in enumerate(rows)], schema=SCHEMA, orient="row")


def normalised(records: pl.LazyFrame, method: Any, *columns: str) -> pl.DataFrame:
    measured = {
        column: group_statistics(records, column, method=method).collect(engine="streaming").lazy()
        for column in columns or ("reward",)
    }
    return normalise_by_group(records, measured, method=method).collect(engine="streaming")


def expected(value: float, group: list[float], method: str) -> tuple[float, bool]:
    """The value and whether it is neutral, by exact fractions over the sorted group."""
    s, exact, last = sorted(group), Fraction(value), len(group) - 1
    if method == "rank":
        if s[0] == s[-1]:
            return 0.5, True
        below, equal = sum(r < value for r in s), s.count(value)
        return float(Fraction(2 * below + equal, 2 * len(s))), False
    offset, divisor = {
        "minmax": (Fraction(s[0]), Fraction(s[-1]) - Fraction(s[0])),
        "zscore": (statistics.mean(map(Fraction, s)), spread(s) if method == "zscore" else Fraction(0)),
        "robust": (Fraction(s[last // 2]), Fraction(s[last - last // 4]) - Fraction(s[last // 4])),
    }[method]
    if divisor == 0:
        return NEUTRAL[method], True
    quotient = (exact - offset) / divisor
    limit = Fraction(sys.float_info.max)
    return float(max(-limit, min(limit, quotient))), False


def spread(s: list[float]) -> Fraction:
    """Population standard deviation; of numbers scaled to their largest, so that a float can hold the square."""
    largest = max((abs(Fraction(r)) for r in s), default=Fraction(1)) or Fraction(1)
    return Fraction(statistics.pstdev([Fraction(r) / largest for r in s])) * largest


@pytest.mark.parametrize("method", METHODS)
@given(logs)
def test_every_group_is_on_its_own_scale(method: str, rows: list[Row]) -> None:
    found = normalised(frame(rows), method)

    assert found["row"].to_list() == list(range(len(rows)))  # order kept, nothing dropped
    assert found.columns == [*SCHEMA, "neutral"]
    for (group, reward, reject), value, neutral in zip(rows, found["reward"], found["neutral"], strict=True):
        if reject is not None:
            assert (value, neutral) == (None, False)
            continue
        assert reward is not None
        members = [r for g, r, j in rows if g == group and j is None and r is not None]
        number, is_neutral = expected(reward, members, method)
        assert neutral == is_neutral
        assert value == pytest.approx(number, rel=6e-12, abs=2e-12)
        assert str(value) != "-0.0"


@pytest.mark.parametrize("method", METHODS)
@given(logs, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(method: str, rows: list[Row], rng: random.Random) -> None:
    order = list(range(len(rows)))
    rng.shuffle(order)

    straight = normalised(frame(rows), method)["reward"].to_list()
    shuffled = normalised(frame([rows[at] for at in order]), method)["reward"].to_list()

    assert [value.hex() if value is not None else None for value in shuffled] == [
        straight[at].hex() if straight[at] is not None else None for at in order
    ]


@pytest.mark.parametrize("method", METHODS)
@given(rows=logs)
def test_within_a_group_values_never_fall_as_the_reward_rises(method: str, rows: list[Row]) -> None:
    found = normalised(frame(rows), method)["reward"].to_list()

    usable = [(group, reward, value) for (group, reward, reject), value in zip(rows, found, strict=True) if not reject]
    for group in "abc":
        values = [value for g, _, value in sorted(usable) if g == group]
        assert values == sorted(values)


@pytest.mark.parametrize("method", METHODS)
@given(rows=logs)
def test_no_group_knows_of_another(method: str, rows: list[Row]) -> None:
    alone = [row for row in rows if row[0] == "a"]
    together = normalised(frame(rows), method).filter(pl.col("group") == "a")

    assert normalised(frame(alone), method)["reward"].to_list() == together["reward"].to_list()


def test_evenly_spaced_rewards_have_the_middle_at_zero() -> None:
    found = normalised(frame([("a", 0.3, None), ("a", 0.1, None), ("a", 0.2, None)]), "zscore")

    assert found["reward"].to_list() == [1.22474487139, -1.22474487139, 0.0]


@pytest.mark.parametrize("method", METHODS)
def test_several_rewards_are_each_on_their_own_scale(method: str) -> None:
    rows: list[Row] = [("a", 1.0, None), ("a", 3.0, None), ("b", 1.0, None), ("a", 9.0, None)]
    records = frame(rows).with_columns(reward_cost=-pl.col("reward"), reward_flat=pl.lit(2.0))

    one = normalised(records, method)
    both = normalised(records, method, "reward", "reward_cost")
    flat = normalised(records, method, "reward", "reward_flat")

    assert both["reward"].to_list() == one["reward"].to_list()
    assert both["reward_cost"].to_list() == normalised(records, method, "reward_cost")["reward_cost"].to_list()
    assert both["neutral"].to_list() == [False, False, True, False]
    assert flat["reward_flat"].to_list() == [NEUTRAL[method]] * 4
    assert flat["neutral"].all()


_PROGRAM = """
import sys
import polars as pl
from gcsl_data.stages.normalise_groups import group_statistics, normalise_by_group
n = 60_000
i = pl.col("i")
records = pl.LazyFrame({"i": range(n)}).with_columns(
    group=((i * 7919) % 4001).cast(pl.String),
    reward=((i * 104729) % 100003 / 99991).round_sig_figs(12),
    reject=pl.when(i % 97 == 0).then(pl.lit("null_reward")),
)
pieces = []
for method in ("minmax", "zscore", "robust", "rank"):
    measured = {"reward": group_statistics(records, "reward", method=method).collect(engine="streaming").lazy()}
    rows = normalise_by_group(records, measured, method=method)
    rows.sink_batches(lambda piece: pieces.append(piece), maintain_order=True, engine="streaming")
pl.concat(pieces).write_csv(sys.stdout.buffer)
"""


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    found = set()
    for threads in (1, 2, 7):
        environment = {**os.environ, "POLARS_MAX_THREADS": str(threads), "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, check=True)
        assert done.stdout.count(b"\n") == 4 * 60_000 + 1
        found.add(hashlib.sha256(done.stdout).hexdigest())

    assert len(found) == 1
