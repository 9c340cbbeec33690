"""What is printed is what is labelled: the number of each goal, and how many digits it has."""

import math
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gcsl_data.errors import RecipeError
from gcsl_data.fit import Comparator
from gcsl_data.stages import snap

from . import reference
from .support import counted

COMPARATORS: tuple[Comparator, ...] = (">=", ">", "<=", "<")

comparators = st.sampled_from(COMPARATORS)
edges = st.decimals(-1000, 1000, places=9).map(lambda d: float(d) or 0.0)
coarse_rewards = st.lists(st.decimals(-9, 9, places=3).map(lambda d: float(d) or 0.0), min_size=2, max_size=60)


@pytest.mark.parametrize(
    ("edge", "comparator", "decimals", "expected"),
    [
        (0.8462, ">=", 2, "0.84"),
        (0.8462, ">", 2, "0.84"),
        (0.84, ">=", 2, "0.84"),
        (0.84, ">", 2, "0.83"),
        (0.29, ">=", 2, "0.29"),
        (0.1, ">=", 2, "0.10"),
        (1.0, ">", 2, "0.99"),
        (3.0, ">=", 0, "3"),
        (3.0, ">", 0, "2"),
        (-0.5, ">=", 0, "-1"),
        (0.004, ">=", 2, "0.00"),
        (0.0, ">", 2, "-0.01"),
        (-0.8462, "<=", 2, "0.85"),
        (-0.84, "<=", 2, "0.84"),
        (-0.84, "<", 2, "0.85"),
        (0.5, "<=", 0, "0"),
        (1e21, ">=", 2, "1000000000000000000000.00"),
    ],
)
def test_an_edge_is_printed_on_its_easier_side(
    edge: float, comparator: Comparator, decimals: int, expected: str
) -> None:
    assert snap.printed(edge, comparator, decimals) == expected


@pytest.mark.parametrize(
    ("edge", "comparator", "expected"),
    [
        (0.1, ">=", "0.1"),
        (100.0, ">=", "100"),
        (1e-7, ">=", "0.0000001"),
        (1.5e22, ">=", "15000000000000000000000"),
        (-0.25, "<=", "0.25"),
        (0.0, "<=", "0"),
        (0.30000000000000004, ">=", "0.30000000000000004"),
    ],
)
def test_exact_numbers_are_written_out_without_an_exponent(edge: float, comparator: Comparator, expected: str) -> None:
    assert snap.printed(edge, comparator, None) == expected


@pytest.mark.parametrize("comparator", [">", "<"])
def test_exact_numbers_under_a_strict_comparator_are_refused(comparator: Comparator) -> None:
    with pytest.raises(RecipeError, match="--decimals a number"):
        snap.printed(0.5, comparator, None)


@given(edges, comparators, st.integers(0, 12))
@example(0.8499999999999999, ">=", 2)
@example(-0.0 + 0.0, ">", 3)
def test_the_printed_number_is_that_of_the_plain_reference(edge: float, comparator: Comparator, decimals: int) -> None:
    number = snap.printed(edge, comparator, decimals)

    assert Decimal(number) == reference.snapped(edge, comparator, decimals)
    assert len(number.partition(".")[2]) == decimals
    assert not number.startswith("-0.") or Decimal(number) != 0


def test_a_number_without_a_float_of_its_own_still_lets_its_edge_in() -> None:
    assert snap.printed(1234567.0, ">", 15) == "1234566.999999999999999"
    assert snap.bound("1234566.999999999999999", ">") < 1234567.0
    assert snap.printed(-1234567.0, "<", 15) == "1234567.000000000000001"
    assert snap.bound("1234567.000000000000001", "<") < -1234567.0


large = st.tuples(st.integers(-(10**12), 10**12), st.integers(-9, 3)).map(
    lambda p: float(Decimal(p[0]).scaleb(p[1])) or 0.0
)


@given(edges | large, comparators, st.integers(0, 15))
def test_the_edge_itself_satisfies_its_sentence(edge: float, comparator: Comparator, decimals: int) -> None:
    number = snap.printed(edge, comparator, decimals)
    bound = snap.bound(number, comparator)

    assert reference.HOLDS[comparator](reference.logged(edge, comparator), Decimal(number))
    assert edge > bound if snap.is_strict(comparator) else edge >= bound


@given(edges | large, st.integers(-3, 3), comparators, st.integers(0, 15))
def test_floats_beside_an_edge_are_labelled_as_decimals_would(
    edge: float, steps: int, comparator: Comparator, decimals: int
) -> None:
    number = snap.printed(edge, comparator, decimals)
    beside = edge
    for _ in range(abs(steps)):
        beside = math.nextafter(beside, math.copysign(math.inf, steps))
    reward = reference.significant(beside) or 0.0
    bound = snap.bound(number, comparator)

    labelled = reward > bound if snap.is_strict(comparator) else reward >= bound

    assert labelled == reference.HOLDS[comparator](reference.logged(reward, comparator), Decimal(number))


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0),
        ([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], 1),
        ([i / 100 for i in range(100)], 2),
        ([i / 1000 for i in range(1000)], 2),
        ([0.999 + i / 1e5 for i in range(100)], 4),
        ([0.5 + i / 1e9 for i in range(100)], None),
    ],
)
def test_auto_takes_the_fewest_digits_that_keep_the_bins(rewards: list[float], expected: int | None) -> None:
    rewards = [reference.significant(r) for r in rewards]
    edges = reference.thresholds(rewards, 5)

    assert snap.choose_decimals(counted(rewards), edges, ">=", "auto") == expected


def test_auto_without_enough_digits_is_refused_under_a_strict_comparator() -> None:
    rewards = [reference.significant(0.5 + i / 1e9) for i in range(100)]

    with pytest.raises(RecipeError, match="fewer --bins") as caught:
        snap.choose_decimals(counted(rewards), reference.thresholds(rewards, 5), ">", "auto")
    assert caught.value.exit_status == 78


@given(coarse_rewards, comparators, st.integers(2, 6))
def test_auto_is_the_rule_of_the_plain_reference(rewards: list[float], comparator: Comparator, count: int) -> None:
    edges = reference.thresholds(rewards, count)
    assume(len(edges) > 1)
    expected = reference.auto_decimals(rewards, edges, comparator)
    assume(expected is not None)

    assert snap.choose_decimals(counted(rewards), edges, comparator, "auto") == expected


def test_a_given_number_of_decimals_is_taken_as_it_is() -> None:
    rewards = counted([0.1, 0.2, 0.3])

    assert snap.choose_decimals(rewards, [0.1, 0.2, 0.3], ">=", 7) == 7
    assert snap.choose_decimals(rewards, [0.1, 0.2, 0.3], ">=", "exact") is None


@given(st.lists(edges, min_size=2, max_size=6, unique=True), comparators)
def test_fewest_decimals_part_the_numbers_and_one_fewer_does_not(edges: list[float], comparator: Comparator) -> None:
    fewest = snap.fewest_decimals(edges, comparator)

    assert fewest is not None
    assert len({reference.snapped(edge, comparator, fewest) for edge in edges}) == len(edges)
    if fewest:
        assert len({reference.snapped(edge, comparator, fewest - 1) for edge in edges}) < len(edges)
