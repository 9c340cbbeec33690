"""The fit as a whole: counts between thresholds, levels, and that every sentence is true of its row."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import RecipeError
from gcsl_data.fit import Comparator, Fit
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import snap
from gcsl_data.stages.fitting import level_of

from . import reference
from .support import examples, expand_rows, fit_of, make_rows

COMPARATORS: tuple[Comparator, ...] = (">=", ">", "<=", "<")
random_decimals = st.lists(
    st.one_of(
        st.decimals(-3, 3, places=1).map(float),
        st.decimals(-3, 3, places=4).map(float),
        st.sampled_from([0.0, 0.3, 0.1 + 0.2, 1 - 0.81, 1.0]),
    ).map(lambda r: reference.significant(r) or 0.0),
    min_size=2,
    max_size=40,
)


def make_fit(rewards: list[float], comparator: Comparator, *, bins: int = 5, decimals: object = "auto") -> Fit:
    stage = BinsStage.model_validate({"count": bins, "decimals": decimals})
    return fit_of(rewards, stage, comparator=comparator)


def levels(rewards: list[float], fit: Fit) -> list[int]:
    return pl.DataFrame({"reward": rewards}).select(level=level_of(fit))["level"].to_list()


def test_fixture_a_gives_sixty_rows_filtered_and_three_hundred_unfiltered(tmp_path: Path) -> None:
    rows = make_rows(i / 100 for i in range(100))
    for name in ("mean", "none"):
        (tmp_path / name).mkdir()

    filtered = expand_rows(tmp_path / "mean", rows)
    unfiltered = expand_rows(tmp_path / "none", rows, goals__filter="none")

    assert [t.edge for t in filtered.fit.thresholds] == [0, 0.2, 0.4, 0.6, 0.8]
    assert [t.printed for t in filtered.fit.thresholds] == ["0.00", "0.20", "0.40", "0.60", "0.80"]
    assert filtered.fit.mean == 0.495
    assert [g.index for g in filtered.kept_goals] == [4, 5]
    assert filtered.splits[0].examples == len(examples(tmp_path / "mean" / "out")) == 60
    assert filtered.accounting.used == 40
    assert filtered.accounting.filtered == {"no_goal_reached": 60}
    assert unfiltered.splits[0].examples == len(examples(tmp_path / "none" / "out")) == 300
    assert unfiltered.accounting.filtered == {}


def test_the_fit_freezes_what_was_measured() -> None:
    fit = make_fit([0.1, 0.2, 0.2, 0.4, 0.9, 1.0], ">=", bins=3)

    assert (fit.split, fit.records, fit.distinct, fit.bins_asked, fit.ties) == ("train", 6, 5, 3, "merge")
    assert (fit.minimum, fit.maximum) == (0.1, 1.0)
    assert float.fromhex(fit.mean_hex) == fit.mean
    assert [float.fromhex(t.edge_hex) for t in fit.thresholds] == [t.edge for t in fit.thresholds] == [0.1, 0.2, 0.9]
    assert [t.reached for t in fit.thresholds] == [6, 5, 2]
    assert [t.records for t in fit.thresholds] == [1, 3, 2]
    assert fit.thresholds[2].mean_reward == reference.mean([0.9, 1.0])


def test_auto_decimals_that_would_need_exact_numbers_are_refused_under_greater_than() -> None:
    rewards = [reference.significant(0.5 + i / 1e9) for i in range(100)]

    with pytest.raises(RecipeError) as caught:
        make_fit(rewards, ">")
    assert caught.value.exit_status == 78


@given(random_decimals, st.sampled_from(COMPARATORS), st.integers(2, 7), st.sampled_from(["auto", 0, 1, 2, 5]))
def test_levels_are_those_of_exact_decimal_arithmetic(
    rewards: list[float], comparator: Comparator, bins: int, decimals: object
) -> None:
    assume(len(reference.thresholds(rewards, bins)) > 1)
    try:
        fit = make_fit(rewards, comparator, bins=bins, decimals=decimals)
    except RecipeError:
        assert snap.is_strict(comparator)
        return
    numbers = [Decimal(t.printed) for t in fit.thresholds]

    assert levels(rewards, fit) == [reference.level(r, numbers, comparator) for r in rewards]


@given(random_decimals, st.sampled_from(COMPARATORS))
def test_the_counts_of_a_fit_are_those_of_its_levels(rewards: list[float], comparator: Comparator) -> None:
    assume(len(reference.thresholds(rewards, 5)) > 1)
    fit = make_fit(rewards, comparator, decimals=3)

    found = levels(rewards, fit)

    for threshold in fit.thresholds:
        inside = [r for r, level in zip(rewards, found, strict=True) if level == threshold.index]
        assert threshold.records == len(inside)
        assert threshold.reached == sum(level >= threshold.index for level in found)
        assert threshold.mean_reward == (reference.mean(inside) if inside else None)


@given(random_decimals, st.sampled_from(COMPARATORS))
def test_equal_rewards_have_equal_levels_and_higher_ones_no_lower_level(
    rewards: list[float], comparator: Comparator
) -> None:
    assume(len(reference.thresholds(rewards, 5)) > 1)
    fit = make_fit(rewards, comparator, decimals=4)

    ranked = sorted(zip(rewards, levels(rewards, fit), strict=True))

    for (low, low_level), (high, high_level) in pairwise(ranked):
        assert low_level <= high_level
        assert low != high or low_level == high_level


TEMPLATES = {
    ">=": "A score of at least {{ threshold }}.",
    ">": '{#comparator = ">"#}A score greater than {{ threshold }}.',
    "<=": "A score of at most {{ threshold }}.",
    "<": '{#comparator = "<"#}A score less than {{ threshold }}.',
}


@pytest.mark.parametrize("comparator", COMPARATORS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_emitted_sentence_is_true_of_its_row(
    tmp_path_factory: pytest.TempPathFactory, comparator: Comparator, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("truth")
    logged = data.draw(random_decimals)
    decimals = data.draw(st.sampled_from(["auto", "3", "6"]))
    assume(len(reference.thresholds(logged, 4)) > 1)
    direction = "higher" if comparator in (">=", ">") else "lower"
    rewards = [r if direction == "higher" else (-r or 0.0) for r in logged]
    assume(len(reference.thresholds(rewards, 4)) > 1)
    (folder / "goal.j2").write_text(TEMPLATES[comparator])
    flags = {
        "record__direction": direction,
        "goals__template": str(folder / "goal.j2"),
        "goals__filter": "none",
        "bins__count": 4,
        "bins__decimals": decimals,
    }
    try:
        manifest = expand_rows(folder, make_rows(logged), **flags)
    except RecipeError:  # two goals that read the same, or exact numbers under a strict comparator
        return

    written = examples(folder / "out")

    numbers = [Decimal(goal.threshold) for goal in manifest.goals]
    for row in written:
        number = Decimal(row["goal"].removesuffix(".").split()[-1])
        assert reference.HOLDS[comparator](Decimal(repr(logged[row["row"] - 1])), number)
        assert row["threshold"] == float(number)
    expected = reference.expand(rewards, numbers, comparator, [goal.index for goal in manifest.kept_goals])
    assert [(row["row"] - 1, row["goal_index"]) for row in written] == expected
