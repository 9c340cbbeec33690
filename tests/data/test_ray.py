"""The same dataset from a Ray cluster, also when its machines die."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .support import expand, gcsl_data, make_rows, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = {"output.fragment_bytes": 20_000}
RECIPES = {
    "struck": SMALL | {"splits.shares": "0.8,0.2"},
    "cleaned": SMALL | {"checks.dedup": "exact", "checks.conflicts": "mean", "checks.on_error": "quarantine"},
    "groups": SMALL | {"rewards.normalize": "rank", "rewards.normalize_by": "group", "record.map": {"group": "task"}},
    "pairs": SMALL | {"goals.formulation": "pairs"},
}


def a_log(folder: Path) -> Path:
    rows = make_rows([(i * 37 % 101) / 100 for i in range(3000)])
    for i, row in enumerate(rows):
        row |= {"prompt": f"What is {i % 600}?", "response": "so " * (i % 7) + "it is", "task": f"t{i % 50}"}
    rows[17]["reward"] = None
    return write_jsonl(folder / "log.jsonl", rows)


def built(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "run.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.timeout(300)
def test_a_cluster_whose_nodes_die_writes_what_one_process_writes(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    recipes = {name: flags | {"checks.on_error": "quarantine"} for name, flags in RECIPES.items()}
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.cluster", str(log), str(tmp_path / "cluster"), json.dumps(recipes)],
        cwd=REPOSITORY,
        env={**os.environ, "RAY_DEDUP_LOGS": "0", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]

    told = [line for line in done.stdout.splitlines() if line.startswith(("facts", "shards", *RECIPES))]
    assert [line.split(" after ")[0] for line in told if "killed" in line] == [
        "facts: a node killed",
        "shards: a node killed",
    ]
    for name, flags in recipes.items():
        expand(tmp_path / "alone" / name, log, **{key.replace(".", "__", 1): value for key, value in flags.items()})
        assert built(tmp_path / "cluster" / name) == built(tmp_path / "alone" / name)


def test_a_cluster_that_does_not_answer_is_said_in_a_line(tmp_path: Path) -> None:
    done = gcsl_data(
        "expand", a_log(tmp_path), "--engine", "ray", environment={"RAY_ADDRESS": "127.0.0.1:1"}, cwd=tmp_path
    )

    assert done.status == 71
    assert done.errors[-1].startswith("error[GD7111]: no Ray cluster answers")
