"""Weights from rewards, worked by hand and against exact arithmetic."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.stages.builders.groups import to_groups
from gcsl_data.stages.builders.weights import WeightFit, fit_weights, to_weighted

from .builders_support import collected, frame, make_records
from .support import counted

FIT = WeightFit(mean=2.0, deviation=0.5, minimum=1.0, maximum=4.0)
REWARDS = st.lists(st.floats(-1e6, 1e6).map(lambda r: float(f"{r:.12g}")), min_size=2, max_size=60)


@given(REWARDS)
def test_the_fit_is_exact(rewards: list[float]) -> None:
    if len(set(rewards)) == 1:
        return
    fit = fit_weights(counted(rewards))

    mean = sum(map(Fraction, rewards)) / len(rewards)
    variance = sum((Fraction(r) - mean) ** 2 for r in rewards) / (len(rewards) - 1)
    assert fit.mean == pytest.approx(float(mean), rel=1e-15, abs=1e-300)
    assert fit.deviation == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert (fit.minimum, fit.maximum) == (min(rewards), max(rewards))


@given(REWARDS, st.randoms(use_true_random=False))
def test_the_fit_does_not_depend_on_the_order_of_the_rows(rewards: list[float], rng: random.Random) -> None:
    if len(set(rewards)) == 1:
        return
    shuffled = list(rewards)
    rng.shuffle(shuffled)

    assert fit_weights(counted(shuffled)) == fit_weights(counted(rewards))


@pytest.mark.parametrize("rewards", [[], [3.0, 3.0]])
def test_equal_rewards_cannot_weigh(rewards: list[float]) -> None:
    with pytest.raises(DataError, match="GD1321"):
        fit_weights(counted(rewards))


def test_exp_weights_are_clipped() -> None:
    rows, dropped = collected(
        to_weighted(frame(make_records([1, 2, 3, 9])), method="exp", fit=FIT, beta=0.5, max_weight=8)
    )

    # exp(-2), exp(0), exp(2) = 7.38905609893065, exp(14) clipped.
    assert [row["weight"] for row in rows] == [0.135335283237, 1.0, 7.38905609893, 8.0]
    assert dropped == {}


def test_standard_weights_are_signed_and_the_mean_weighs_nothing() -> None:
    rows, dropped = collected(to_weighted(frame(make_records([1, 2, 4])), method="standard", fit=FIT))

    # -1 / 0.500001 and 2 / 0.500001
    assert [row["weight"] for row in rows] == [-1.99999600001, 3.99999200002]
    assert dropped == {"zero_weight": 1}


def test_group_standard_weights_are_the_advantages_of_groups() -> None:
    records = frame(make_records([1, 3, 2, 7, 5, 5], groups="aaabcc"))

    rows, dropped = collected(to_weighted(records, method="group-standard", fit=FIT))

    advantages = {row["row"]: row["advantage"] for row in collected(to_groups(records))[0]}
    assert {row["row"]: row["weight"] for row in rows} == {k: a for k, a in advantages.items() if a != 0}
    assert dropped == {"alone": 1, "equal_rewards": 2, "zero_weight": 1}


def test_quality_weights_have_mean_one_and_drop_the_worst() -> None:
    rewards = [1, 2, 2, 5]

    rows, dropped = collected(
        to_weighted(
            frame(make_records(rewards)), method="quality", fit=fit_weights(counted([float(r) for r in rewards]))
        )
    )

    assert [row["weight"] for row in rows] == [0.666666666667, 0.666666666667, 2.66666666667]
    assert dropped == {"zero_weight": 1}


def test_quality_of_another_split_is_never_negative() -> None:
    rows, dropped = collected(to_weighted(frame(make_records([0, 3])), method="quality", fit=FIT))

    assert [row["weight"] for row in rows] == [2.0]
    assert dropped == {"zero_weight": 1}
