"""Real logs, recounted in plain Python: RealToxicityPrompts and Mercury, where they lie beside the checkout."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import load

from . import reference
from .support import REPOSITORY, examples, gcsl_data

FOLDERS = (REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data")
NAME = Path("toxicity") / "realtoxicityprompts_quark_val.jsonl"
MAP = [
    "--map",
    "reward=1 - continuation.toxicity",
    "--map",
    "prompt=prompt.text",
    "--map",
    "response=continuation.text",
]


MERCURY = Path("code-efficiency")


def found(name: Path) -> Path:
    for folder in FOLDERS:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"THE REAL LOG IS NOT HERE: {name} was looked for in {' and '.join(map(str, FOLDERS))}")


@pytest.fixture(scope="module")
def log() -> Path:
    return found(NAME)


def test_rows_without_a_score_stop_the_build(log: Path, tmp_path: Path) -> None:
    outcome = gcsl_data("expand", log, *MAP, cwd=tmp_path)

    assert outcome.status == 65
    assert "the reward is null (31 more rows cannot be used)" in outcome.errors[0]
    assert list(tmp_path.iterdir()) == []


def test_the_dataset_is_what_plain_python_counts(log: Path, tmp_path: Path) -> None:
    with log.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    scores = [row["continuation"]["toxicity"] for row in rows]
    rewards = sorted(reference.significant(1 - score) for score in scores if score is not None)
    edges = [rewards[0], *(rewards[len(rewards) - (5 - k + 1) * (len(rewards) // 5)] for k in range(2, 6))]
    mean = sum(rewards) / len(rewards)

    outcome = gcsl_data("expand", log, *MAP, "--on-error", "quarantine", "-o", "out", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    manifest = load(tmp_path / "out")
    assert manifest.accounting.rows == len(rows) == 5000
    assert manifest.accounting.rejected == {"null_reward": scores.count(None)} == {"null_reward": 32}
    assert manifest.fit.records == len(rewards) == 4968
    assert [t.edge for t in manifest.fit.thresholds] == edges
    assert manifest.fit.mean == pytest.approx(mean, abs=1e-15)
    kept = manifest.kept_goals
    assert [goal.index for goal in kept] == [k for k, edge in enumerate(edges, start=1) if edge > mean] == [4, 5]
    assert [goal.threshold for goal in kept] == ["0.800", "0.923"]
    counted = [sum(Decimal(repr(r)) >= Decimal(goal.threshold) for r in rewards) for goal in kept]
    assert [goal.examples for goal in kept] == counted == [1989, 994]
    assert manifest.accounting.used == counted[0]
    for row in examples(tmp_path / "out"):
        logged = rows[row["row"] - 1]
        assert row["completion"][0]["content"] == logged["continuation"]["text"]
        assert row["prompt"][0]["content"] == f"{row['goal']}\n\n{logged['prompt']['text']}"
        assert 1 - logged["continuation"]["toxicity"] == pytest.approx(row["reward"], abs=1e-12)
        assert row["reward"] >= row["threshold"]
    assert check_dataset(tmp_path / "out") == []


def test_the_five_widest_pairs_of_each_mercury_task_are_what_plain_python_finds(tmp_path: Path) -> None:
    answers: dict[str, list[tuple[float, str]]] = {}
    paths = sorted(found(MERCURY).glob("*.json"))
    for path in paths:
        for task, logged in json.loads(path.read_text(encoding="utf-8")).items():
            answers.setdefault(task, []).extend((reference.significant(a["beyond_p"]), a["solution"]) for a in logged)
    gaps: dict[str, list[float]] = {}
    for task, graded in answers.items():
        apart = (reference.significant(a - b) for a, one in graded for b, other in graded if a > b and one != other)
        gaps[task] = sorted(apart, reverse=True)[:5]
    fields = ["--map", "prompt=slug_name", "--map", "response=solution", "--map", "reward=beyond_p"]

    outcome = gcsl_data("expand", *paths, *fields, "--formulation", "pairs", "-o", "out", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    written: dict[str, list[float]] = {task: [] for task in answers}
    for row in examples(tmp_path / "out"):
        task = row["prompt"][0]["content"]
        assert (row["chosen_reward"], row["chosen"][0]["content"]) in answers[task]
        assert (row["rejected_reward"], row["rejected"][0]["content"]) in answers[task]
        written[task].append(reference.significant(row["chosen_reward"] - row["rejected_reward"]))
    assert written == gaps
    assert sum(map(len, gaps.values())) == 1185
    assert check_dataset(tmp_path / "out") == []
