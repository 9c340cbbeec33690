"""The program makes datasets for other methods, tells of them, and refuses what cannot be one."""

from pathlib import Path

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.stages.builders.registry import BUILDERS

from .support import Outcome, examples, expand, gcsl_data, make_rows, settled, tree, write_jsonl
from .test_methods import log, make


def run(folder: Path, name: str, *flags: str, rewards: list[float] | None = None, command: str = "expand") -> Outcome:
    write_jsonl(folder / "log.jsonl", log() if rewards is None else make_rows(rewards))
    return gcsl_data(command, "log.jsonl", "--formulation", name, *flags, cwd=folder)


@pytest.mark.parametrize("name", BUILDERS)
def test_stats_of_a_log_are_those_of_its_dataset(tmp_path: Path, name: str) -> None:
    before = run(tmp_path, name, "--json", command="stats").json
    built = run(tmp_path, name, "--json").json
    after = gcsl_data("stats", "log-gcsl", "--json", cwd=tmp_path).json

    assert settled(before) == settled(built) == settled(after)
    assert {**before["goals"], "copies": []} == {**after["goals"], "copies": []}


@pytest.mark.parametrize(
    ("name", "rewards", "words"),
    [
        ("pairs", [1, 2, 3], "3 alone"),
        ("multi-negative", [1, 2, 3], "3 alone"),
        ("groups", [1, 2, 3], "3 alone"),
        ("weights", [1, 1], "all 2 records of the train split have the reward 1"),
        ("unpaired", [1, 1], "--cut 50% would label all 2 records"),
        ("steerlm", [1e300, 2e300], "2 no_integer"),
    ],
)
def test_a_log_that_gives_no_row_is_exit_65_and_leaves_nothing(
    tmp_path: Path, name: str, rewards: list[float], words: str
) -> None:
    outcome = run(tmp_path, name, rewards=rewards)

    assert (outcome.status, len(outcome.errors)) == (65, 1)
    assert words in outcome.errors[0]
    assert tree(tmp_path) == ["log.jsonl"]


def test_signed_weights_are_a_warning(tmp_path: Path) -> None:
    assert "warning: weights go down to -" in run(tmp_path, "weights", "--weight-method", "standard").err
    assert run(tmp_path, "weights", "-o", "plain").err.count("warning") == 0


@pytest.mark.parametrize(("name", "column"), [("unpaired", "label"), ("pairs", "chosen"), ("groups", "advantage")])
def test_a_kept_column_cannot_have_the_name_of_one_of_ours(tmp_path: Path, name: str, column: str) -> None:
    outcome = run(tmp_path, name, "--keep", column)

    assert outcome.status == 2
    assert f"--keep {column}" in outcome.errors[0]


def test_a_kept_column_may_be_called_like_one_of_another_kind(tmp_path: Path) -> None:
    rows = [{**row, "advantage": at, "label": "x"} for at, row in enumerate(log())]
    flags = {"record__keep": "advantage,label", "build__weight_method": "group-standard"}
    _, written = make(tmp_path, "weights", rows, **flags)

    assert all((row["advantage"], row["label"]) == (row["row"] - 1, "x") for row in written)


def test_several_rewards_are_refused_where_one_is_needed(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", log())
    flags = ["--reward", "one=reward", "--reward", "two=-reward", "--formulation"]

    for name in set(BUILDERS) - {"steerlm"}:
        assert gcsl_data("expand", "log.jsonl", *flags, name, cwd=tmp_path).status == 2


@pytest.mark.parametrize("name", ["weights", "unpaired"])
def test_a_fit_freezes_what_the_rewards_were(tmp_path: Path, name: str) -> None:
    first = expand(tmp_path / "first", write_jsonl(tmp_path / "log.jsonl", log()), goals__formulation=name)
    tomorrow = write_jsonl(tmp_path / "tomorrow.jsonl", [{**row, "reward": row["reward"] + 1} for row in log()])

    later = expand(tmp_path / "later", tomorrow, goals__formulation=name, bins__fit=str(tmp_path / "first"))

    assert (later.fit.deviation, later.fit.cut) == (first.fit.deviation, first.fit.cut)
    assert later.fit == first.fit
    assert check_dataset(tmp_path / "later") == []
    weights = {row["reward"]: row.get("weight") for row in examples(tmp_path / "first")}
    assert all(row["weight"] == weights.get(row["reward"], row["weight"]) for row in examples(tmp_path / "later"))


@pytest.mark.parametrize(
    ("made", "used"),
    [("sft", "pairs"), ("pairs", "weights"), ("pairs", "unpaired"), ("sft-aug", "groups"), ("ca", "steerlm")],
)
def test_a_fit_of_another_kind_is_refused(tmp_path: Path, made: str, used: str) -> None:
    expand(tmp_path / "made", write_jsonl(tmp_path / "log.jsonl", log()), goals__formulation=made)

    outcome = run(tmp_path, used, "--fit", "made")

    assert (outcome.status, len(outcome.errors)) == (78, 1)


@pytest.mark.parametrize("name", BUILDERS)
def test_export_trace_diff_and_goal_know_every_kind(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, name).status == 0
    row = examples(tmp_path / "log-gcsl")[-1]

    traced = gcsl_data("trace", "log-gcsl", row["id"], "--logs", ".", "--json", cwd=tmp_path).json
    exported = gcsl_data("export", "log-gcsl", "--to", "trl", "-o", "trl", cwd=tmp_path)
    everything = gcsl_data("export", "log-gcsl", "--to", "jsonl", "-o", "all", cwd=tmp_path)

    assert traced["log"]["row"]["response"] == traced["completion"][0]["content"]
    assert traced["reward"] == traced["log"]["row"]["reward"]
    rejected = row.get("rejected_reward", [])
    assert [other["reward"] for other in traced["rejected"]] == (rejected if isinstance(rejected, list) else [rejected])
    assert exported.status == (2 if name in ("groups", "weights") else 0)
    assert everything.status == 0
    assert gcsl_data("trace", "log-gcsl", row["id"], cwd=tmp_path).status == 0
    assert gcsl_data("diff", "log-gcsl", "log-gcsl", cwd=tmp_path).status == 0
    assert gcsl_data("goal", "log-gcsl", cwd=tmp_path).status == (0 if name == "steerlm" else 2)
