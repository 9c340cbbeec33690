"""Thresholds are observed order statistics, and the mean does not depend on the order of the rows."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.stages import bins

from . import reference
from .support import counted

FIXTURE_A = [i / 100 for i in range(100)]
RATINGS = [1.0] * 3 + [2.0] * 3 + [3.0] * 6 + [4.0] * 18 + [5.0] * 70

tied_rewards = st.lists(st.integers(-30, 30).map(lambda i: i / 8), min_size=2, max_size=80).filter(
    lambda rewards: len(set(rewards)) > 1
)
any_rewards = st.lists(
    st.floats(-1e15, 1e15, allow_nan=False).map(lambda x: 0.0 if x == 0 else x), min_size=1, max_size=60
)


def test_a_hundred_even_rewards_cut_into_five_at_the_fifths() -> None:
    assert bins.edges(counted(FIXTURE_A), 5, "merge") == [0.0, 0.2, 0.4, 0.6, 0.8]


def test_the_remainder_goes_to_the_lowest_bin() -> None:
    rewards = [float(i) for i in range(13)]

    edges = bins.edges(counted(rewards), 5, "merge")

    assert edges == [0, 5, 7, 9, 11]
    assert [sum(r >= edge for edge in edges) for r in rewards] == [1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_at_most_k_distinct_rewards_are_the_thresholds_themselves() -> None:
    assert bins.edges(counted(RATINGS), 5, "merge") == [1, 2, 3, 4, 5]
    assert bins.edges(counted([0.0] * 99 + [1.0]), 5, "error") == [0, 1]


def test_merge_drops_equal_edges() -> None:
    assert bins.edges(counted(RATINGS), 4, "merge") == [1, 4, 5]


def test_error_names_the_tied_value_and_its_share() -> None:
    with pytest.raises(DataError, match=r"70 of 100 records .* have the reward 5, .*--ties spread or fewer --bins"):
        bins.edges(counted(RATINGS), 4, "error")


def test_one_distinct_reward_is_an_error_that_names_it_and_its_share() -> None:
    with pytest.raises(DataError, match=r"7 of 7 records \(100%\) have the reward 0.25") as caught:
        bins.edges(counted([0.25] * 7), 5, "merge")
    assert caught.value.exit_status == 65


def test_one_threshold_left_by_ties_is_an_error() -> None:
    rewards = [0.0] * 95 + [0.1, 0.2, 0.3]

    with pytest.raises(DataError, match="95 of 98"):
        bins.edges(counted(rewards), 2, "merge")


def test_no_reward_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="no usable reward"):
        bins.edges(counted([]), 5, "merge")


@given(tied_rewards, st.integers(2, 9))
def test_edges_are_those_of_the_plain_reference(rewards: list[float], count: int) -> None:
    expected = reference.thresholds(rewards, count)
    if len(expected) < 2:
        with pytest.raises(DataError):
            bins.edges(counted(rewards), count, "merge")
    else:
        assert bins.edges(counted(rewards), count, "merge") == expected


@given(tied_rewards, st.integers(2, 9))
def test_ties_error_refuses_exactly_what_merge_shrinks(rewards: list[float], count: int) -> None:
    shrinks = len(set(rewards)) > count and len(reference.thresholds(rewards, count)) < count
    if shrinks:
        with pytest.raises(DataError):
            bins.edges(counted(rewards), count, "error")
    else:
        assert bins.edges(counted(rewards), count, "error") == reference.thresholds(rewards, count)


@given(st.sets(st.integers(-1000, 1000), min_size=2, max_size=60), st.integers(2, 12))
def test_without_ties_levels_are_quarks_rank_bins(values: set[int], count: int) -> None:
    rewards = [float(v) for v in values]
    if len(rewards) <= count:
        return
    size = len(rewards) // count
    by_rank = sorted(rewards, reverse=True)

    edges = bins.edges(counted(rewards), count, "merge")

    for rank, reward in enumerate(by_rank):
        quark_bin = min(rank // size, count - 1)  # 0 is the best, the remainder goes to the worst
        assert sum(reward >= edge for edge in edges) == count - quark_bin


@given(any_rewards)
def test_the_mean_is_the_correctly_rounded_sum_over_n(rewards: list[float]) -> None:
    assert bins.mean(counted(rewards)) == reference.mean(rewards)


@given(any_rewards, st.randoms(use_true_random=False))
def test_the_mean_does_not_depend_on_the_order_of_the_rows(rewards: list[float], rng: random.Random) -> None:
    shuffled = list(rewards)
    rng.shuffle(shuffled)

    assert bins.mean(counted(shuffled)).hex() == bins.mean(counted(rewards)).hex()


def test_a_value_held_by_many_records_enters_the_mean_exactly() -> None:
    rewards = [0.1] * 1_000_003 + [0.7]

    assert bins.mean(counted(rewards)) == reference.mean([0.1] * 1_000_003 + [0.7])


@given(tied_rewards, st.lists(st.integers(-32, 32).map(lambda i: i / 8), min_size=1, max_size=6), st.booleans())
def test_reached_counts_the_records_above_each_bound(rewards: list[float], bounds: list[float], strict: bool) -> None:
    expected = [sum(r > b if strict else r >= b for r in rewards) for b in bounds]

    assert bins.reached(counted(rewards), bounds, strict=strict) == expected
