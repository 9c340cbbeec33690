"""A frozen fit labels another log exactly as it labelled the first, and belongs to the goals it was made for."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError
from gcsl_data.stages.formulations import FORMULATIONS as REGISTRY

from . import reference
from .support import Outcome, examples, expand, gcsl_data, make_rows, write_jsonl

FIRST = [i / 100 for i in range(100)]
SECOND = [0.05, 0.6, 0.61, 0.8, 0.8, 0.95, 1.2, -3.0]  # other shares, and rewards beyond all of the first log
FORMULATIONS = tuple(name for name, one in REGISTRY.items() if one.builder is None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "first.jsonl", make_rows(FIRST))
    write_jsonl(tmp_path / "second.jsonl", make_rows(SECOND))
    return tmp_path


def run(folder: Path, *arguments: str) -> Outcome:
    return gcsl_data(*arguments, cwd=folder)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_fit_alone_is_the_fit_of_the_dataset_byte_for_byte(folder: Path, formulation: str) -> None:
    assert run(folder, "fit", "first.jsonl", "--formulation", formulation).out == "fit.json\n"
    assert run(folder, "expand", "first.jsonl", "--formulation", formulation).status == 0

    assert (folder / "fit.json").read_bytes() == (folder / "first-gcsl" / "_gcsl" / "fit.json").read_bytes()


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_second_log_is_labelled_by_the_first(folder: Path, formulation: str, named: str) -> None:
    first = expand(folder / "first", folder / "first.jsonl", goals__formulation=formulation)
    path = folder / "first" / "_gcsl" / "fit.json" if named == "file" else folder / "first"

    second = expand(folder / "second", folder / "second.jsonl", goals__formulation=formulation, bins__fit=str(path))

    assert second.fit == first.fit
    assert [goal.text for goal in second.goals] == [goal.text for goal in first.goals]
    assert second.inference_text == first.inference_text or formulation == "ca"
    numbers = [Decimal(goal.threshold) for goal in first.goals]
    for row in examples(folder / "second"):
        assert row["level"] == reference.level(SECOND[row["row"] - 1], numbers, ">=")
    assert check_dataset(folder / "second") == []


def test_levels_of_the_second_log_typed_by_hand(folder: Path) -> None:
    expand(folder / "first", folder / "first.jsonl")  # thresholds 0, .2, .4, .6, .8, of which .6 and .8 are kept

    expand(folder / "second", folder / "second.jsonl", bins__fit=str(folder / "first"))

    assert [(row["row"], row["goal_index"]) for row in examples(folder / "second")] == [
        (2, 4), (3, 4), (4, 4), (4, 5), (5, 4), (5, 5), (6, 4), (6, 5), (7, 4), (7, 5)
    ]  # fmt: skip


GREATER = '{#comparator = ">"#}A score greater than {{ threshold }}.'


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (("--template", "greater.j2"), 78, "fitted for sentences with >=, the template has >"),
        (("--formulation", "gcsl"), 78, "was fitted for threshold, gcsl has token"),
        (("--formulation", "sft"), 78, "was fitted for threshold, sft has no goals"),
        (("--direction", "lower"), 2, "was fitted with --direction higher"),
        (("--reward", "a=reward", "--reward", "b=reward"), 2, "fitted on reward, the log has reward_a, reward_b"),
        (("--bins", "4"), 2, "bins.fit says already what bins.count is to say"),
        (("--goal-filter", "none"), 2, "bins.fit says already what goals.filter is to say"),
    ],
)
def test_a_fit_for_other_goals_is_refused(folder: Path, flags: tuple[str, ...], status: int, words: str) -> None:
    (folder / "greater.j2").write_text(GREATER)
    run(folder, "fit", "first.jsonl")

    done = run(folder, "expand", "second.jsonl", "--fit", "fit.json", *flags)

    assert done.status == status
    assert len(done.errors) == 1
    assert words in done.errors[0]
    assert not (folder / "second-gcsl").exists()


@pytest.mark.parametrize(
    ("fitted", "used"), [("sft", "sft-aug"), ("sft-aug", "sft"), ("reward-embedding", "sft"), ("gcsl-nl", "ca")]
)
def test_a_fit_of_another_formulation_is_refused_in_every_form(folder: Path, fitted: str, used: str) -> None:
    run(folder, "fit", "first.jsonl", "--formulation", fitted)

    done = run(folder, "expand", "second.jsonl", "--formulation", used, "--fit", "fit.json")

    assert done.status == 78
    assert f"fit anew with {used}" in done.errors[0] or f", {used} has " in done.errors[0]


def forged(content: dict[str, Any], *path: str | int, value: Any) -> str:
    *way, last = path
    place: Any = content
    for step in way:
        place = place[step]
    place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("thresholds", 3, "edge"), 0.7),
        (("thresholds", 3, "bound"), 9.0),
        (("thresholds", 3, "printed"), "0.6}} {{ 1"),
        (("thresholds", 3, "index"), 7),
        (("thresholds", 3, "quota"), 1),
        (("thresholds", 4, "dropped"), 3),
        (("thresholds",), []),
        (("mean",), 0.4),
        (("mean",), float("nan")),
        (("records",), 0),
        (("ties",), "some"),
        (("surplus",), 1),
    ],
)
def test_a_forged_fit_is_exit_65(folder: Path, path: tuple[str | int, ...], value: Any) -> None:
    run(folder, "fit", "first.jsonl")
    content = json.loads((folder / "fit.json").read_text())
    (folder / "fit.json").write_text(forged(content, *path, value=value))

    done = run(folder, "expand", "second.jsonl", "--fit", "fit.json")

    assert done.status == 65
    assert "fit.json" in done.errors[0]


@pytest.mark.parametrize(
    ("content", "status"), [(b"", 65), (b"[1]", 65), (b"\xff\xfe", 65), (b"[" * 99_999, 65), (None, 66)]
)
def test_what_is_no_fit_is_refused(folder: Path, content: bytes | None, status: int) -> None:
    if content is not None:
        (folder / "fit.json").write_bytes(content)

    assert run(folder, "expand", "second.jsonl", "--fit", "fit.json").status == status


def test_a_joint_fit_is_frozen_with_all_its_aspects(folder: Path) -> None:
    def write(name: str, rewards: list[float]) -> Path:
        rows = ({**row, "a": r, "b": 1 - r} for row, r in zip(make_rows(rewards), rewards, strict=True))
        return write_jsonl(folder / name, rows)

    flags = {"record__rewards": {"a": "a", "b": "b"}, "record__directions": {"b": "lower"}}
    first = expand(folder / "first", write("a.jsonl", FIRST), **flags)

    second = expand(folder / "second", write("b.jsonl", SECOND), bins__fit=str(folder / "first"), **flags)

    assert second.fit == first.fit == load(folder / "second").fit
    assert {(row["row"], row["goal"]) for row in examples(folder / "second")} == {
        (at, goal.text)
        for at, r in enumerate(SECOND, start=1)
        for goal, (a, b) in zip(first.kept_goals, [("0.60", "0.40"), ("0.80", "0.20")], strict=True)
        if Decimal(repr(r)) >= Decimal(a) and 1 - Decimal(repr(r)) <= Decimal(b)
    }
    assert check_dataset(folder / "second") == []


@pytest.mark.parametrize("formulation", ["gcsl-bey-nl", "gcsl", "steerlm"])
@pytest.mark.parametrize("method", ["minmax", "zscore", "robust", "rank"])
def test_a_joint_fit_remembers_that_rewards_go_by_group(folder: Path, formulation: str, method: str) -> None:
    rows = [{**row, "a": n % 7, "b": n % 5, "group": f"g{n % 3}"} for n, row in enumerate(make_rows([0.0] * 60))]
    log = write_jsonl(folder / "log.jsonl", rows)
    flags = {
        "record__rewards": {"a": "a", "b": "b"},
        "record__directions": {"b": "lower"},
        "record__map": {"group": "group"},
        "goals__formulation": formulation,
    }
    first = expand(folder / "one", log, rewards__normalize=method, rewards__normalize_by="group", **flags)

    second = expand(folder / "two", log, bins__fit=str(folder / "one"), **flags)

    assert second.shards == first.shards
    assert check_dataset(folder / "two") == []
    content = json.loads((folder / "one" / "_gcsl" / "fit.json").read_text())
    content["aspects"][1]["fit"]["group_method"] = None
    (folder / "forged.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"GD6541.*different ways"):
        expand(folder / "three", log, bins__fit=str(folder / "forged.json"), **flags)


@pytest.mark.parametrize("formulation", ["gcsl-bey-nl", "gcsl-bey-snl", "gcsl-bey", "sft-aug", "sft"])
def test_a_log_that_reaches_no_goal_of_the_fit_gives_no_dataset(folder: Path, formulation: str) -> None:
    expand(folder / "first", folder / "first.jsonl", goals__formulation=formulation)
    write_jsonl(folder / "worse.jsonl", make_rows([-1.0] * 6))
    flags = ("worse.jsonl", "--fit", "first", "--formulation", formulation, "--json")

    outcome = run(folder, "expand", *flags)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1306"), outcome.err
    assert "none of 6 rows gives an example (6 " in outcome.json["message"]
    assert not (folder / "worse-gcsl").exists()
    assert run(folder, "stats", *flags).json["goals"]["examples"] == 0  # to look is allowed
