"""Several rewards, one ladder of goals: against the plain reference, nested, and only what some record demonstrates."""

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import Manifest

from . import reference
from .support import examples, expand_rows, forge, gcsl_data, make_rows

REWARDS = {"helpfulness": "help", "toxicity": "tox", "brevity": "brief"}
WORDS = {"higher": "at least", "lower": "at most"}
WAYS = {"helpfulness": "higher", "toxicity": "lower", "brevity": "higher"}
FORMULATIONS = ("gcsl-bey-nl", "gcsl-bey-snl", "gcsl-bey", "gcsl", "sft-aug")


def make_log(seed: int, rows: int = 240) -> list[dict[str, Any]]:
    """In the manner of HelpSteer: a rating, a small decimal where lower is better, and one more of few values."""
    rng = random.Random(seed)
    return [
        {**row, "help": rng.randint(0, 4), "tox": round(rng.betavariate(1, 4), 3), "brief": rng.choice([0.0, 0.5, 1.0])}
        for row in make_rows([0.0] * rows)
    ]


def ladder(log: list[dict[str, Any]], asked: str = "mean") -> list[tuple[Decimal, ...]]:
    """The numbers that each joint goal asks of the aspects, lowest goal first."""
    found = {}
    for name, column in REWARDS.items():
        comparator = ">=" if WAYS[name] == "higher" else "<="
        rewards = [row[column] if comparator == ">=" else (-row[column] or 0.0) for row in log]
        edges = reference.thresholds([float(r) for r in rewards], 5)
        numbers = reference.printed(edges, [float(r) for r in rewards], comparator)
        found[name] = [numbers[k - 1] for k in reference.kept(edges, rewards, asked)]
    return reference.ladder(list(found.values()))


def reaches(row: dict[str, Any], rung: tuple[Decimal, ...]) -> bool:
    return all(
        reference.HOLDS[">=" if WAYS[name] == "higher" else "<="](Decimal(repr(row[REWARDS[name]])), number)
        for name, number in zip(REWARDS, rung, strict=True)
    )


def build(folder: Path, log: list[dict[str, Any]], **flags: Any) -> Manifest:
    return expand_rows(folder, log, record__rewards=REWARDS, record__directions={"toxicity": "lower"}, **flags)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_joint_goals_are_those_of_the_plain_reference(tmp_path: Path, seed: int, formulation: str) -> None:
    log = make_log(seed)
    rungs = ladder(log, "none" if formulation == "gcsl" else "mean")
    levels = [sum(reaches(row, rung) for rung in rungs) for row in log]

    manifest = build(tmp_path, log, goals__formulation=formulation)

    assert len(manifest.goals) == len(rungs)
    assert [goal.dropped is None for goal in manifest.goals] == [j <= max(levels) for j in range(1, len(rungs) + 1)]
    assert manifest.inference_goal == (None if formulation == "sft-aug" else max(levels))
    expected: Counter[tuple[int, int | None]] = Counter()
    for at, q in enumerate(levels, start=1):
        reached = [q] if formulation == "gcsl" and q else range(1, q + 1) if formulation != "gcsl" else []
        for j in reached:
            expected[at, None if formulation == "sft-aug" else j] += 1
    written = examples(tmp_path / "out")
    assert Counter((row["row"], row["goal_index"]) for row in written) == expected
    assert all(row["level"] == row["reward"] == levels[row["row"] - 1] for row in written)
    assert check_dataset(tmp_path / "out") == []


def test_a_joint_goal_says_its_part_of_every_aspect(tmp_path: Path) -> None:
    log = make_log(0)
    rungs = ladder(log)

    manifest = build(tmp_path, log)

    for goal, rung in zip(manifest.goals, rungs, strict=True):
        parts = zip(REWARDS, rung, strict=True)
        assert goal.text == " ".join(f"Target {name}: {WORDS[WAYS[name]]} {number}." for name, number in parts)


def test_levels_are_nested_whoever_reaches_a_goal_reaches_those_below_it() -> None:
    for seed in range(20):
        log = make_log(seed, rows=60)
        rungs = ladder(log)
        reached = [[reaches(row, rung) for rung in rungs] for row in log]
        assert all(found == sorted(found, reverse=True) for found in reached)


def test_goals_that_no_record_demonstrates_are_dropped_and_listed(tmp_path: Path) -> None:
    log = [{**row, "a": i / 100, "b": 1 - i / 100} for i, row in enumerate(make_rows([0.0] * 100))]
    log += [{"prompt": f"Both {i}", "response": "r", "a": 0.75, "b": 0.75} for i in range(3)]

    manifest = expand_rows(tmp_path, log, record__rewards={"a": "a", "b": "b"})

    assert [goal.dropped for goal in manifest.goals] == [None, "no record reaches it"]
    assert manifest.inference_goal == 1
    assert {row["row"] for row in examples(tmp_path / "out")} == {101, 102, 103}
    assert check_dataset(tmp_path / "out") == []


@pytest.mark.parametrize("formulation", ["gcsl-nl", "ca", "reward-embedding", "sft"])
def test_formulations_of_one_reward_refuse_several(tmp_path: Path, formulation: str) -> None:
    rows = tmp_path / "log.csv"
    rows.write_text("prompt,response,a,b\np,r,1,2\nq,r,2,1\n")

    done = gcsl_data("expand", rows, "--reward", "a=a", "--reward", "b=b", "--formulation", formulation, cwd=tmp_path)

    assert done.status == 2
    assert "speaks of one reward, and there are 2" in done.errors[0]


FORGERIES: dict[str, dict[str, Any]] = {
    "another goal": {"goal_index": 2},
    "another level": {"level": 2, "reward": 2.0},
    "another value of an aspect": {"reward_helpfulness": 0.0},
    "another text": {"goal": "Target helpfulness: at least 4."},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_row_is_found(tmp_path: Path, forgery: str) -> None:
    build(tmp_path, make_log(0))

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        row = next(row for row in rows if row["level"] == row["goal_index"] == 1)
        row.update(FORGERIES[forgery])
        return rows

    forge(tmp_path / "out", change)

    assert check_dataset(tmp_path / "out") != []
