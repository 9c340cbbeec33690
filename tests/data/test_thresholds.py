"""Where thresholds come from: ties spread, K chosen by itself, numbers and labels that a person gave, and goal filters."""

import random
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gcsl_data.audit.contract import check_dataset
from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Fit
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import bins
from gcsl_data.stages.goal_filter import choose_goals

from . import reference
from .support import counted, examples, expand_rows, fit_of, gcsl_data, make_rows, write_jsonl

# As in Mercury: a quarter of the programs fail (0), as many are the fastest there are (1).
MERCURY = [0.0] * 25 + [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] * 5 + [0.95] * 5 + [1.0] * 25
heavy_rewards = st.lists(
    st.one_of(st.sampled_from([0.0, 0.0, 1.0]), st.integers(-8, 8).map(lambda i: i / 8)), min_size=2, max_size=80
).filter(lambda rewards: len(set(rewards)) > 1)


def test_spread_gives_the_heavy_zeros_and_ones_thresholds_of_their_own() -> None:
    # 100 rows, 5 bins of 20: 0 stands 25 times and leaves (75 rows, 4 bins of 18); so does 1 (50 rows, 3 bins of 16). The
    # other 50, ascending from .1, are cut at positions 0, 50 - 2*16 = 18 and 50 - 16 = 34: .1, .4 and .7.
    assert bins.edges(counted(MERCURY), 5, "spread") == [0.0, 0.1, 0.4, 0.7, 1.0]
    assert reference.spread(MERCURY, 5) == [0.0, 0.1, 0.4, 0.7, 1.0]
    assert bins.edges(counted(MERCURY), 5, "merge") == [0.0, 0.4, 0.8, 1.0]


def test_spread_takes_the_lower_of_two_equally_frequent_values_first() -> None:
    rewards = (
        [3.0] * 4 + [7.0] * 4 + [1.0, 9.0]
    )  # 10 rows, 2 bins of 5: nothing is too heavy, and 3 bins of 3: both are

    assert bins.edges(counted(rewards), 3, "spread") == reference.spread(rewards, 3) == [1.0, 3.0, 7.0]


@given(heavy_rewards, st.integers(2, 9))
def test_spread_is_the_plain_reference(rewards: list[float], count: int) -> None:
    assert bins.edges(counted(rewards), count, "spread") == reference.spread(rewards, count)


@given(st.sets(st.integers(-99, 99).map(float), min_size=10, max_size=60), st.integers(2, 9))
def test_spread_of_rewards_without_ties_is_merge(rewards: set[float], count: int) -> None:
    assert bins.edges(counted([*rewards]), count, "spread") == bins.edges(counted([*rewards]), count, "merge")


def test_a_spread_dataset_holds(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(MERCURY), bins__ties="spread", goals__filter="none")

    assert [goal.threshold for goal in manifest.goals] == ["0.00", "0.10", "0.40", "0.70", "1.00"]
    assert manifest.splits[0].examples == 100 + 75 + 60 + 45 + 25  # records at or above 0, .1, .4, .7 and 1
    assert check_dataset(tmp_path / "out") == []


# K by itself


@pytest.mark.parametrize(("rows", "count"), [(1000, 10), (500, 10), (400, 8), (250, 5), (100, 2), (30, 2)])
def test_auto_takes_the_largest_k_whose_top_bin_keeps_fifty_records(tmp_path: Path, rows: int, count: int) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(i / rows for i in range(rows)))

    done = gcsl_data("expand", log, "--bins", "auto", "--json", cwd=tmp_path)

    assert done.json["bins"]["asked"] == done.json["bins"]["effective"] == count
    assert f"--bins auto chose {count}" in done.json["warnings"][0]
    fewer = min(bin_["reached"] for bin_ in done.json["bins"]["rows"]) < 50
    assert ("no number" in done.json["warnings"][0]) == fewer


def test_auto_keeps_thresholds_apart(tmp_path: Path) -> None:
    rng = random.Random(1)
    rewards = [rng.choice([0.0, *(round(rng.random(), 3) for _ in range(5))]) for _ in range(5000)]

    stage = BinsStage.model_validate({"count": "auto"})
    fit = fit_of(rewards, stage)

    assert len(reference.thresholds(rewards, len(fit.thresholds))) == len(fit.thresholds)
    larger = range(len(fit.thresholds) + 1, bins.MAX_AUTO_COUNT + 1)
    assert all(len(reference.thresholds(rewards, count)) < count for count in larger)


# Given numbers and labels


def test_given_thresholds_are_printed_as_given_and_cut_nothing_else(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(i / 100 for i in range(100)), bins__thresholds="0.9,0.25,0.500")

    assert [goal.threshold for goal in manifest.goals] == ["0.25", "0.500", "0.9"]
    assert [goal.records for goal in manifest.goals] == [75, 50, 10]
    assert [goal.dropped for goal in manifest.goals] == ["not above the mean", None, None]
    assert {row["goal"] for row in examples(tmp_path / "out")} == {
        "Generate a response with a score of at least 0.500.",
        "Generate a response with a score of at least 0.9.",
    }


def test_rank_cuts_bins_and_leaves_labels_alone(tmp_path: Path) -> None:
    rows = [{**row, "reward": "ABC"[i % 3]} for i, row in enumerate(make_rows([0.0] * 30))]

    expand_rows(tmp_path, rows, goals__formulation="gcsl", bins__ties="rank", record__reward_order="A<B<C")

    assert [row["level"] for row in examples(tmp_path / "out")] == [i % 3 + 1 for i in range(30)]


def test_ties_rank_and_several_rewards_are_refused(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", ({**row, "b": 1.0} for row in make_rows([0.0, 1.0])))

    done = gcsl_data(
        "expand",
        log,
        "--formulation",
        "gcsl",
        "--ties",
        "rank",
        "--reward",
        "a=reward",
        "--reward",
        "b=b",
        cwd=tmp_path,
    )

    assert done.status == 2
    assert "--ties rank cuts one reward, and there are 2" in done.errors[0]


# Goal filters


def kept(fit: Fit, asked: str, scale: tuple[float, float] | None = None) -> list[int]:
    return list(choose_goals(fit, asked, scale)[0].kept)


@given(
    st.lists(st.decimals(0, 9, places=2).map(float), min_size=2, max_size=60),
    st.sampled_from(["mean", "median", "midpoint", "top:1", "top:3", "top:99", "none"]),
    st.booleans(),
)
def test_every_filter_is_the_plain_reference(logged: list[float], asked: str, lower: bool) -> None:
    rewards = [(-r or 0.0) if lower else r for r in logged]
    edges = reference.thresholds(rewards, 5)
    assume(len(edges) > 1)
    fit = fit_of(rewards, BinsStage(decimals="exact"), comparator="<=" if lower else ">=")

    expected = reference.kept(edges, rewards, asked, midpoint=-4.5 if lower else 4.5)

    assert kept(fit, asked, (0, 9)) == (expected or [len(edges)])


FIXTURE_A = fit_of([i / 100 for i in range(100)], BinsStage())


@pytest.mark.parametrize(
    ("asked", "goals"), [("4,5", [4, 5]), ("5,1", [1, 5]), ("3", [3]), ("top:2", [4, 5]), ("median", [4, 5])]
)
def test_filters_of_fixture_a(asked: str, goals: list[int]) -> None:
    assert kept(FIXTURE_A, asked) == goals


def test_midpoint_is_that_of_the_scale_and_needs_one() -> None:
    assert kept(FIXTURE_A, "midpoint", (0, 1)) == [4, 5]
    assert kept(FIXTURE_A, "midpoint", (-1, 1)) == [2, 3, 4, 5]
    with pytest.raises(RecipeError, match="--scale"):
        kept(FIXTURE_A, "midpoint")


def test_a_list_may_name_known_goals_only() -> None:
    with pytest.raises(RecipeError, match="there is no goal 6; goals go from 1 to 5") as refused:
        kept(FIXTURE_A, "2,6")
    assert refused.value.exit_status == 78


@pytest.mark.parametrize(("comparator", "scale"), [(">=", (0.0, 0.4)), ("<=", (0.6, 5.0))])
def test_a_scale_that_half_of_the_rewards_are_too_good_for_is_another_scale(comparator, scale) -> None:
    sign = 1 if comparator == ">=" else -1
    fit = fit_of([sign * n / 100 for n in range(100)], BinsStage(), comparator=comparator)
    with pytest.raises(DataError, match=r"GD1307.*give the log's own --scale, or leave it out"):
        choose_goals(fit, None, scale)


def test_a_list_of_goals_that_the_scale_rules_out_leaves_the_top_one() -> None:
    fit, warnings = choose_goals(FIXTURE_A, "1", (0.4, 1))

    assert fit.kept == (5,)
    assert "kept all the same" in warnings[0]
