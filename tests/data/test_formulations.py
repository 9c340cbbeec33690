"""Every formulation emits what the plain reference says: which rows, under which goals, in which words."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.goal import remove
from gcsl_data.errors import DataError
from gcsl_data.recipe import FormulationName
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.splits import SPLIT_NAMES

from . import reference
from .support import errors, examples, expand_rows, forge, make_rows, measured, write_jsonl

NAMES = [name for name in get_args(FormulationName) if FORMULATIONS[name].builder is None]
FIXTURE_A = [i / 100 for i in range(100)]
# A rule that a reader can check by hand: 100 even rewards, thresholds at 0, .2, .4, .6, .8, the mean at .495.
ROWS_OF_FIXTURE_A = {
    "gcsl-bey-nl": 60,
    "gcsl-bey-snl": 60,
    "gcsl-bey": 60,
    "gcsl-nl": 100,
    "gcsl": 100,
    "ca": 100,
    "reward-embedding": 100,
    "sft-aug": 60,
    "sft": 25,
}
odd_rewards = st.lists(
    st.one_of(
        st.sampled_from([0.0, 1.0, 0.3, 0.575, 1.115, 1 - 0.81]),
        st.decimals(-3, 3, places=1).map(float),
        st.decimals(-3, 3, places=4).map(float),
        st.floats(-1000, 1000).map(lambda r: round(r, 9)),
    ).map(lambda r: reference.significant(r) or 0.0),
    min_size=2,
    max_size=40,
)


def emitted(dataset: Path) -> reference.Emitted:
    return Counter((row["row"], row["goal_index"], row["goal"]) for row in examples(dataset))


def pairs(dataset: Path) -> Counter[tuple[str, str]]:
    """Prompts without their goals, and completions."""
    return Counter(
        (json.dumps(remove(row["prompt"], row["goal"], "prefix")), json.dumps(row["completion"]))
        for row in examples(dataset)
    )


def test_every_formulation_stands_in_the_registry() -> None:
    assert list(FORMULATIONS) == list(get_args(FormulationName))
    assert list(ROWS_OF_FIXTURE_A) == NAMES


@pytest.mark.parametrize("formulation", NAMES)
def test_fixture_a(tmp_path: Path, formulation: str) -> None:
    manifest = expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation=formulation)

    assert emitted(tmp_path / "out") == reference.emitted(formulation, FIXTURE_A)
    assert manifest.splits[0].examples == ROWS_OF_FIXTURE_A[formulation]
    assert errors(tmp_path / "out") == []


@pytest.mark.parametrize("formulation", ["gcsl-bey", "gcsl-bey-nl", "gcsl-bey-snl", "sft-aug"])
def test_fixture_a_unfiltered_has_five_rows_for_the_best_and_one_for_the_worst(
    tmp_path: Path, formulation: str
) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation=formulation, goals__filter="none")

    assert emitted(tmp_path / "out") == reference.emitted(formulation, FIXTURE_A, asked="none")
    assert emitted(tmp_path / "out").total() == 20 * (1 + 2 + 3 + 4 + 5)


@pytest.mark.parametrize("formulation", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    log=odd_rewards,
    direction=st.sampled_from(["higher", "lower"]),
    ties=st.sampled_from(["merge", "spread"]),
    asked=st.sampled_from(["mean", "median", "top:2", "none"]),
    count=st.integers(2, 6),
    shares=st.sampled_from([(), (0.7, 0.3), (0.6, 0.2, 0.2)]),
)
def test_random_logs_are_emitted_as_the_plain_reference_says(
    tmp_path_factory: pytest.TempPathFactory,
    formulation: str,
    log: list[float],
    direction: str,
    ties: str,
    asked: str,
    count: int,
    shares: tuple[float, ...],
) -> None:
    folder = tmp_path_factory.mktemp("random")
    rows = make_rows(log)
    split_of = {at: SPLIT_NAMES[reference.split(row["prompt"], shares)] for at, row in enumerate(rows, start=1)}
    in_train = [name == "train" for name in split_of.values()]
    expected = None
    if any(in_train):
        expected = reference.emitted(
            formulation, log, direction=direction, in_train=in_train, count=count, ties=ties, asked=asked
        )
    flags = {"record__direction": direction, "bins__ties": ties, "bins__count": count, "goals__filter": asked}
    if shares:
        flags["splits__shares"] = shares
    if expected is None:
        with pytest.raises(DataError) as refused:
            expand_rows(folder, rows, goals__formulation=formulation, **flags)
        assert refused.value.exit_status == 65
        return

    manifest = expand_rows(folder, rows, goals__formulation=formulation, **flags)

    assert emitted(folder / "out") == expected
    assert errors(folder / "out") == []
    assert manifest.accounting.used == len({row for row, _, _ in expected})
    for split in manifest.splits:
        found = {row["row"] for row in examples(folder / "out", split.name)}
        assert found == {row for row, _, _ in expected if split_of[row] == split.name}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=odd_rewards.filter(lambda log: len(set(log)) > 5), asked=st.sampled_from(["mean", "none", "top:3"]))
def test_sft_aug_is_gcsl_bey_without_its_goals(
    tmp_path_factory: pytest.TempPathFactory, log: list[float], asked: str
) -> None:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("gcsl-bey", "sft-aug")}
    for name, folder in folders.items():
        expand_rows(folder, make_rows(log), goals__formulation=name, goals__filter=asked)

    assert pairs(folders["gcsl-bey"] / "out") == pairs(folders["sft-aug"] / "out")


def levels_under_gcsl(folder: Path, rewards: Sequence[float], ties: str) -> list[int]:
    rows = make_rows(rewards)
    expand_rows(folder, rows, goals__formulation="gcsl", bins__ties=ties)
    found = examples(folder / "out")
    assert [row["goal_index"] for row in found] == [row["level"] for row in found]
    assert [row["row"] for row in found] == list(range(1, len(rows) + 1))
    return [row["level"] for row in found]


def test_without_ties_levels_are_quarks_bins_on_ten_thousand_rewards(tmp_path: Path) -> None:
    rng = random.Random(3)
    rewards = [rng.gauss(0, 1) for _ in range(10_003)]
    assert len({reference.significant(r) for r in rewards}) == len(rewards)

    assert levels_under_gcsl(tmp_path, rewards, "merge") == reference.quark_levels(rewards, 5)


def test_with_ties_rank_levels_are_quarks_stable_sort_on_ten_thousand_rewards(tmp_path: Path) -> None:
    rng = random.Random(4)
    rewards = [rng.choice([0.0, 0.0, 1.0, round(rng.random(), 1)]) for _ in range(10_003)]

    assert levels_under_gcsl(tmp_path, rewards, "rank") == reference.quark_levels(rewards, 5)


@given(st.lists(st.integers(0, 6).map(float), min_size=5, max_size=60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ties_rank_is_quarks_rule_for_any_ties(tmp_path_factory: pytest.TempPathFactory, rewards: list[float]) -> None:
    folder = tmp_path_factory.mktemp("rank")
    if len(set(rewards)) == 1:
        return

    assert levels_under_gcsl(folder, rewards, "rank") == reference.quark_levels(rewards, 5)


def test_a_census_promises_every_formulation_exactly(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(FIXTURE_A))

    for formulation, rows in ROWS_OF_FIXTURE_A.items():
        assert sum(split.examples for split in measured(log, goals__formulation=formulation).splits) == rows


FORGERIES: dict[str, dict[str, Any]] = {
    "another goal": {"goal_index": 5},
    "another level": {"level": 2},
    "another reward": {"reward": 0.01},
    "another text": {"goal": "<|goal_9|>"},
    "another copy": {"id": "0123456789abcdef"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("formulation", NAMES)
def test_a_forged_row_of_any_formulation_is_found(tmp_path: Path, formulation: str, forgery: str) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation=formulation)

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = next(row for row in rows if row["goal_index"] != 5 and row["reward"] > 0.5)
        row.update(FORGERIES[forgery])
        return rows

    forge(tmp_path / "out", change)

    # The reward is all that such a row says, so nothing in the dataset contradicts another one.
    is_its_own_word = (formulation, forgery) == ("reward-embedding", "another reward")
    assert bool(check_dataset(tmp_path / "out")) != is_its_own_word


def test_a_copy_that_the_record_did_not_earn_is_found(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation="sft-aug")
    earns_one = {"source": "log.jsonl", "row": 61, "part": 0}
    second = hashlib.sha256("\x1f".join(map(str, (*earns_one.values(), 2))).encode()).hexdigest()[:16]

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = next(row for row in rows if earns_one.items() <= row.items())
        row.update(id=second)
        return rows

    forge(tmp_path / "out", change)

    assert {finding.rule for finding in check_dataset(tmp_path / "out")} == {"rows.id"}
