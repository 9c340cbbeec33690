"""Normalised rewards against plain Python: statistics, sorted lists and fractions."""

import json
import math
import random
import re
import statistics
import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gcsl_data.dataset.decode import decode, encode
from gcsl_data.errors import DataError
from gcsl_data.normalisation import GroupMethodName, Normalisation, RewardMethodName
from gcsl_data.recipe import RewardsStage
from gcsl_data.stages.normalise import (
    REWARD_METHODS,
    deviation,
    fit_normalisation,
    inverse,
    normalised,
    order_statistic,
)
from gcsl_data.stages.ranks import MAX_STEPS

from . import reference
from .support import counted

METHODS = sorted(REWARD_METHODS)
SCALED = ("minmax", "zscore", "robust")


def plain(value: float) -> float:
    """A reward as records hold it: 12 significant digits, no sign on zero."""
    return pl.select(pl.lit(value).round_sig_figs(12)).item() + 0.0


tied = st.lists(st.integers(-30, 30).map(lambda i: plain(i / 8)), min_size=1, max_size=60)
floats = st.floats(-1e300, 1e300, allow_nan=False).map(plain)
wild = st.lists(
    st.one_of(floats, st.sampled_from([0.0, 5e-324, -5e-324, 1e-300, 1e300, -1e300]).map(plain)),
    min_size=1,
    max_size=30,
)
clips = st.sampled_from([(), (0.0, 1.0), (0.01, 0.99), (0.1, 0.5), (0.25, 0.75), (0.4, 0.4001)])


def fit(rewards: Sequence[float], method: str, clip: Sequence[float] = ()) -> Normalisation | None:
    return fit_normalisation(counted(rewards), method=method, clip=clip)  # type: ignore[arg-type]


def values(rewards: Sequence[float | None], normalisation: Normalisation | None) -> list[float]:
    frame = pl.LazyFrame({"reward": rewards}, schema={"reward": pl.Float64})
    return frame.select(v=normalised(pl.col("reward"), normalisation)).collect(engine="streaming")["v"].to_list()


def clipped(rewards: Sequence[float], clip: Sequence[float]) -> list[float]:
    """At most a share `clip[0]` of the records lies below the low bound, at most 1 - `clip[1]` above the high one."""
    if not clip:
        return list(rewards)
    s, last = sorted(rewards), len(rewards) - 1
    low = s[math.floor(Fraction(str(clip[0])) * last)]
    high = s[math.ceil(Fraction(str(clip[1])) * last)]
    return [min(max(reward, low), high) for reward in rewards]


def expected(rewards: Sequence[float], method: str) -> list[float]:
    """The method in plain Python, by exact fractions, over rewards that are not all equal."""
    s, exact = sorted(rewards), [Fraction(r) for r in rewards]
    last = len(s) - 1
    if method == "none":
        return list(rewards)
    if method == "minmax":
        return [float((r - min(exact)) / (max(exact) - min(exact))) for r in exact]
    if method == "zscore":
        return [float((r - statistics.mean(exact)) / Fraction(statistics.pstdev(exact))) for r in exact]
    if method == "robust":
        spread = Fraction(s[math.ceil(last * 3 / 4)]) - Fraction(s[last // 4])
        return [float((r - Fraction(s[last // 2])) / spread) for r in exact]
    if method == "rank":
        below = [sum(other < r for other in rewards) for r in rewards]
        equal = [rewards.count(r) for r in rewards]
        return [float(Fraction(2 * b + e, 2 * len(rewards))) for b, e in zip(below, equal, strict=True)]
    return [math.copysign(math.log1p(abs(r)), r) for r in rewards]


@pytest.mark.parametrize("method", METHODS)
@given(rewards=tied, clip=clips)
def test_values_are_those_of_plain_python(method: str, rewards: list[float], clip: tuple[float, ...]) -> None:
    inside = clipped(rewards, clip)
    s, last = sorted(inside), len(inside) - 1
    if method == "robust" and s[0] < s[-1] and s[last // 4] == s[math.ceil(last * 3 / 4)]:
        with pytest.raises(DataError, match="most train rewards"):
            fit(rewards, method, clip)
        return
    found = values(rewards, fit(rewards, method, clip))
    if len(set(inside)) == 1 and method in (*SCALED, "rank"):
        assert found == [0.5 if method in ("minmax", "rank") else 0.0] * len(rewards)
    else:
        assert found == pytest.approx(expected(inside, method), rel=6e-12, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60)
@given(train=wild, others=wild, clip=clips)
def test_values_are_finite_rounded_and_never_fall(
    method: str, train: list[float], others: list[float], clip: tuple[float, ...]
) -> None:
    try:
        normalisation = fit(train, method, clip)
    except DataError:
        return
    found = values(sorted([*train, *others]), normalisation)

    assert found == sorted(found)
    assert all(math.isfinite(value) for value in found)
    assert found == pytest.approx([plain(value) for value in found], rel=1e-14, abs=0)
    assert "-0.0" not in map(str, found)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(rewards=wild, rng=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(method: str, rewards: list[float], rng: random.Random) -> None:
    shuffled = list(rewards)
    rng.shuffle(shuffled)
    try:
        found = fit(rewards, method, (0.1, 0.9))
    except DataError as error:
        with pytest.raises(DataError, match=re.escape(error.message)):
            fit(shuffled, method, (0.1, 0.9))
        return
    assert fit(shuffled, method, (0.1, 0.9)) == found


@given(wild)
def test_the_deviation_is_the_exact_one(rewards: list[float]) -> None:
    assert deviation(counted(rewards)) == pytest.approx(statistics.pstdev(map(Fraction, rewards)), rel=1e-15, abs=0)


def test_the_deviation_of_rewards_far_from_zero_keeps_its_digits() -> None:
    rewards = [999_999_999_999.0] * 999_999 + [999_999_999_998.0]

    assert deviation(counted(rewards)) == pytest.approx(math.sqrt(999_999) / 1e6, rel=1e-15)


@given(tied, st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_an_order_statistic_leaves_at_most_its_share_beyond_it(rewards: list[float], share: float) -> None:
    lower = order_statistic(counted(rewards), share)
    upper = order_statistic(counted(rewards), share, upper=True)

    assert {lower, upper} <= set(rewards)
    assert sum(r < lower for r in rewards) <= Fraction(str(share)) * len(rewards)
    assert sum(r > upper for r in rewards) <= (1 - Fraction(str(share))) * len(rewards)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(rewards=tied)
def test_a_person_reads_the_original_unit(method: str, rewards: list[float]) -> None:
    try:
        normalisation = fit(rewards, method)
    except DataError:
        return
    back = [inverse(value, normalisation) for value in values(rewards, normalisation)]

    if normalisation is not None and normalisation.is_neutral:
        assert back == [None] * len(rewards)
    else:
        assert back == rewards


@pytest.mark.parametrize("reward", [1e-9, 0.1, 3.0, 1e6, 1e12, 1e300, -1e300, sys.float_info.max])
def test_the_inverse_of_a_logarithm_has_the_digits_that_are_left(reward: float) -> None:
    normalisation = fit([0.0, 1.0], "log")

    assert inverse(values([reward], normalisation)[0], normalisation) == pytest.approx(reward, rel=5e-9)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(rewards=wild, clip=clips)
def test_a_normalisation_goes_through_json_exactly(method: str, rewards: list[float], clip: tuple[float, ...]) -> None:
    try:
        found = fit(rewards, method, clip)
    except DataError:
        return
    if found is None:
        assert (method, clip) == ("none", ())
        return
    read = decode(Normalisation, json.loads(json.dumps(encode(found), allow_nan=False)))

    assert read == found
    assert list(read.contradictions()) == []
    assert [n.value.hex() for n in (read.offset, read.divisor, read.low) if n] == [
        n.hex for n in (found.offset, found.divisor, found.low) if n
    ]


def test_a_grid_of_many_rewards_is_small_and_near() -> None:
    rng = random.Random(7)
    rewards = [plain(rng.lognormvariate(0, 3)) for _ in range(20_000)] + [1.0] * 5_000
    normalisation = fit(rewards, "rank")
    assert normalisation is not None

    found = values(rewards, normalisation)

    place: dict[float, float] = {}
    s = sorted(rewards)
    for at, reward in enumerate(s):
        place.setdefault(reward, (at + s.count(reward) / 2 if reward == 1.0 else at + 0.5) / len(s))
    assert len(normalisation.steps) <= MAX_STEPS
    assert max(abs(value - place[r]) for value, r in zip(found, rewards, strict=True)) < 0.001
    assert values([1.0], normalisation) == [place[1.0]]  # a heavy value stands on the grid, exactly
    assert len(set(found)) == len(set(rewards))  # and none of the others fall together
    for reward in rewards[:500]:
        assert inverse(values([reward], normalisation)[0], normalisation) == pytest.approx(reward, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_finite_number_passes_through_for_the_checks(method: str) -> None:
    found = values([None, math.nan, math.inf, -math.inf, 0.5], fit([0.0, 0.25, 0.5, 1.0], method, (0.0, 1.0)))

    assert found[0] is None
    assert math.isnan(found[1])
    assert found[2:4] == [math.inf, -math.inf]
    assert math.isfinite(found[4])


def test_rewards_beyond_the_clip_bounds_count_as_the_bounds() -> None:
    rewards = [float(i) for i in range(101)]
    normalisation = fit(rewards, "minmax", (0.1, 0.9))

    assert values([-5.0, 10.0, 50.0, 90.0, 1e9], normalisation) == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert values([-5.0, 50.0, 1e9], fit(rewards, "none", (0.1, 0.9))) == [10.0, 50.0, 90.0]
    assert inverse(1.0, normalisation) == 90.0


def test_nothing_to_do_is_none() -> None:
    assert fit([1.0, 2.0], "none") is None
    assert values([1.5], None) == [1.5]
    assert inverse(1.5, None) == 1.5


@pytest.mark.parametrize(
    ("rewards", "method", "words"),
    [
        ([], "minmax", "nothing can be normalised"),
        ([0.0] * 9 + [1.0], "robust", "most train rewards are 0 or as good as that, .*; use --normalize rank"),
        ([-1.7e308, 1.7e308], "minmax", "further than a float can subtract; use --normalize rank or log"),
    ],
)
def test_what_a_method_cannot_do_is_an_error_that_says_what_can(rewards: list[float], method: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        fit(rewards, method)
    assert caught.value.exit_status == 65


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"records": 0}, "counts no records"),
        ({"divisor": {"value": 2.0, "hex": "0x1.0p+0"}}, "not the same number"),
        ({"divisor": {"value": -1.0, "hex": (-1.0).hex()}}, "below zero"),
        ({"offset": None}, "wrong numbers"),
        ({"low": {"value": 0.0, "hex": (0.0).hex()}}, "one side only"),
        ({"steps": [{"reward": 1.0, "below": 2, "up_to": 1}]}, "wrong steps"),
        ({"method": "rank", "offset": None, "divisor": None}, "wrong steps"),
    ],
)
def test_contradictions_of_a_strangers_file_are_named(change: dict[str, object], words: str) -> None:
    normal = encode(fit([0.0, 0.5, 1.0], "minmax"))

    found = list(decode(Normalisation, {**normal, **change}).contradictions())

    assert any(words in line for line in found), found


def test_the_reference_rounds_as_the_product_does() -> None:
    found = values([1 / 3], fit([0.0, 1.0], "minmax"))

    assert found == [reference.significant(1 / 3)]


def test_the_recipe_the_registry_and_the_fit_know_the_same_words() -> None:
    assert set(REWARD_METHODS) == set(get_args(RewardMethodName))
    assert {*get_args(GroupMethodName), "none", "log"} == set(REWARD_METHODS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip": [0.1]}, "a low and a high share are needed"),
        ({"clip": "0.1"}, "a low and a high share are needed"),
        ({"clip": [0.9, 0.1]}, "from a lower to a higher share"),
        ({"clip": [0.1, math.nan]}, "from a lower to a higher share"),
        ({"normalize": "log", "normalize_by": "group"}, "log takes no statistics"),
        ({"normalize_by": "group"}, "none takes no statistics"),
        ({"normalize": "softmax"}, "'none', 'minmax'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RewardsStage.model_validate(settings)


def test_settings_that_mean_something_are_taken() -> None:
    stage = RewardsStage.model_validate({"normalize": "rank", "normalize_by": "group"})
    clipped = RewardsStage.model_validate({"normalize": "log", "clip": [0.01, 0.99]})

    assert (stage.normalize, stage.normalize_by, stage.clip) == ("rank", "group", ())
    assert (clipped.normalize, clipped.normalize_by, clipped.clip) == ("log", "all", (0.01, 0.99))
