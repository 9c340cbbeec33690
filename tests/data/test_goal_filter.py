"""Which goals are kept: above the mean, on the scale, and what happens when none is."""

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Comparator, Fit
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import goal_filter
from gcsl_data.stages.goal_filter import BEYOND_SCALE, UNREACHED

from . import reference
from .support import expand_rows, fit_of, make_rows


def make_fit(rewards: list[float], *, comparator: Comparator = ">=", bins: int = 5, decimals: object = "auto") -> Fit:
    stage = BinsStage.model_validate({"count": bins, "decimals": decimals})
    return fit_of(rewards, stage, comparator=comparator)


class Choice(NamedTuple):
    """What is kept and dropped, and the warnings."""

    kept: tuple[int, ...]
    dropped: dict[int, str]
    warnings: tuple[str, ...]


def choose_goals(fit: Fit, asked: str | None, scale: tuple[float, float] | None) -> Choice:
    chosen, warnings = goal_filter.choose_goals(fit, asked, scale)
    return Choice(chosen.kept, {t.index: t.dropped for t in chosen.thresholds if t.dropped}, warnings)


NOT_ABOVE_MEAN = "not above the mean"
FIXTURE_A = [i / 100 for i in range(100)]


def test_goals_above_the_mean_are_kept() -> None:
    choice = choose_goals(make_fit(FIXTURE_A), "mean", None)

    assert choice.kept == (4, 5)
    assert choice.dropped == {1: NOT_ABOVE_MEAN, 2: NOT_ABOVE_MEAN, 3: NOT_ABOVE_MEAN}
    assert choice.warnings == ()


def test_without_a_filter_every_goal_is_kept() -> None:
    choice = choose_goals(make_fit(FIXTURE_A), "none", None)

    assert choice.kept == (1, 2, 3, 4, 5)
    assert choice.dropped == {}


def test_a_threshold_at_the_mean_is_not_above_it() -> None:
    fit = make_fit([0.0, 1.0, 2.0])  # the mean is 1, and so is one threshold

    assert choose_goals(fit, "mean", None).kept == (3,)


def test_float_noise_in_the_mean_is_not_above_it() -> None:
    rewards = [-0.05] * 2 + [0.02] * 3 + [0.09] * 2  # the mean of the floats is a hair below 0.02
    assert 0.02 - 1e-15 < reference.mean(rewards) < 0.02

    assert choose_goals(make_fit(rewards), "mean", None).kept == (3,)


def test_one_goal_left_is_a_warning() -> None:
    choice = choose_goals(make_fit([1.0] * 3 + [4.0] * 20 + [5.0] * 77), "mean", None)

    assert choice.kept == (3,)
    assert len(choice.warnings) == 1
    assert "equals filtered SFT" in choice.warnings[0]


def test_when_nothing_is_above_the_mean_the_top_goal_stays_with_a_warning() -> None:
    rewards = [float(i) for i in range(10)] * 10 + [1e6]  # the mean is far above every threshold

    choice = choose_goals(make_fit(rewards), "mean", None)

    assert choice.kept == (5,)
    assert any("kept all the same" in warning for warning in choice.warnings)


def test_the_goal_that_every_record_reaches_never_stays_as_the_last_one() -> None:
    fit = make_fit([0.5] * 5 + [0.6, 0.7, 0.8], decimals=1)

    with pytest.raises(DataError, match="no goal is left"):
        choose_goals(fit, "mean", (0.0, 0.55))


def test_a_goal_beyond_the_scale_is_dropped_and_changes_no_level() -> None:
    fit = make_fit(FIXTURE_A)

    choice = choose_goals(fit, "none", (0.3, 0.7))

    assert choice.kept == (3, 4)
    assert choice.dropped == {1: BEYOND_SCALE, 2: BEYOND_SCALE, 5: BEYOND_SCALE}
    assert [threshold.index for threshold in fit.thresholds] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("comparator", "rewards", "unreachable"),
    [(">", [0.1, 0.5, 1.01], 3), ("<", [-1.0, -0.5, 0.01], 3)],
)
def test_a_strict_goal_at_the_end_of_the_scale_is_dropped(
    comparator: Comparator, rewards: list[float], unreachable: int
) -> None:
    fit = make_fit(rewards, comparator=comparator, decimals=1)
    end = 1.0 if comparator == ">" else 0.0
    assert float(fit.thresholds[-1].printed) == end

    choice = choose_goals(fit, "none", (0.0, 1.0))

    assert choice.dropped.get(unreachable) == BEYOND_SCALE


def test_an_inclusive_goal_at_the_end_of_the_scale_stays() -> None:
    fit = make_fit([0.0, 0.5, 1.0])

    assert choose_goals(fit, "none", (0.0, 1.0)).kept == (1, 2, 3)


def test_two_kept_goals_that_print_the_same_are_refused_naming_the_fewest_digits() -> None:
    fit = make_fit([0.101, 0.102, 0.803, 0.804, 0.9], decimals=2)

    with pytest.raises(RecipeError, match=r"the same number 0\.80; --decimals 3 parts them") as caught:
        choose_goals(fit, "mean", None)
    assert caught.value.exit_status == 78


def test_dropped_goals_may_print_the_same_number() -> None:
    fit = make_fit([0.101, 0.102, 0.103, 0.804, 0.9], decimals=2)

    assert choose_goals(fit, "mean", None).kept == (4, 5)


@given(st.lists(st.decimals(-9, 9, places=2).map(lambda d: float(d) or 0.0), min_size=2, max_size=60))
def test_the_filter_is_that_of_the_plain_reference(rewards: list[float]) -> None:
    edges = reference.thresholds(rewards, 5)
    assume(len(edges) > 1)

    choice = choose_goals(make_fit(rewards, decimals="exact"), "mean", None)

    assert list(choice.kept) == (reference.kept(edges, rewards) or [len(edges)])


@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=60).filter(lambda values: len(set(values)) > 1),
    st.integers(1, 1000),
    st.integers(-1000, 1000),
)
def test_affine_rescaling_leaves_levels_and_kept_goals_unchanged(values: list[int], scale: int, shift: int) -> None:
    rewards = [float(v) for v in values]
    rescaled = [scale * r + shift for r in rewards]
    assume(len(reference.thresholds(rewards, 5)) > 1)

    before, after = make_fit(rewards, decimals="exact"), make_fit(rescaled, decimals="exact")

    assert [t.records for t in before.thresholds] == [t.records for t in after.thresholds]
    assert [scale * t.edge + shift for t in before.thresholds] == [t.edge for t in after.thresholds]
    assert choose_goals(before, "mean", None).kept == choose_goals(after, "mean", None).kept


def test_a_given_threshold_above_all_rewards_is_no_goal_to_ask_for(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(i / 10 for i in range(10)), bins__thresholds="0.5,0.8,1.5")

    assert [goal.dropped for goal in manifest.goals] == [None, None, UNREACHED]
    assert manifest.inference_text == "Generate a response with a score of at least 0.8."


def test_a_label_that_never_occurs_is_no_goal_to_ask_for(tmp_path: Path) -> None:
    rows = [{**row, "reward": ("Poor", "Fair", "Good")[i % 3]} for i, row in enumerate(make_rows([0.0] * 30))]

    manifest = expand_rows(tmp_path, rows, record__reward_order="Poor<Fair<Good<Excellent", goals__filter="none")

    assert [goal.dropped for goal in manifest.goals] == [None, None, None, UNREACHED]
    assert manifest.inference_text == "Generate a response with a score of at least Good."
