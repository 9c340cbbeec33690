"""`ingest` writes records that `expand` takes as it takes the raw log."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from .support import examples, expand, gcsl_data, make_rows, tree, write_jsonl

ROWS = [
    {"ask": f"Task {i % 7}", "say": f"Answer {i}", "score": {"x": (i * 37 % 101) / 100}, "step": i, "task": i % 7}
    for i in range(150)
]
FLAGS = [
    "--map",
    "prompt=ask",
    "--map",
    "response=say",
    "--map",
    "reward=score.x",
    "--map",
    "group=task",
    "--keep",
    "step",
]
RECORD = ["prompt", "response", "reward", "group", "source", "row", "part"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "a.jsonl", ROWS[:100])
    pl.DataFrame(ROWS[100:]).write_parquet(tmp_path / "b.parquet")
    return tmp_path


def content(dataset: Path) -> Any:
    """What a dataset says, without where it came from."""
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    for name in ("dataset_id", "inputs", "recipe", "shards"):
        del manifest[name]
    return manifest, examples(dataset)


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_records_give_the_dataset_of_the_raw_log(folder: Path, direction: str) -> None:
    which = ["--direction", direction]

    made = gcsl_data("ingest", "a.jsonl", "b.parquet", "-o", "records.parquet", *FLAGS, *which, cwd=folder)
    raw = gcsl_data("expand", "a.jsonl", "b.parquet", "-o", "raw", *FLAGS, *which, cwd=folder)
    again = gcsl_data("expand", "records.parquet", "-o", "again", "--keep", "step", *which, cwd=folder)

    assert (made.status, made.out) == (0, "records.parquet\n")
    assert (raw.status, again.status) == (0, 0), again.err
    assert content(folder / "raw") == content(folder / "again")


def test_chats_stay_chats(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?", "name": "x"}]
    rows = [{"messages": [*turns, {"role": "assistant", "content": f"{i}"}], "reward": i} for i in range(9)]
    write_jsonl(tmp_path / "log.jsonl", rows)

    gcsl_data("ingest", "log.jsonl", "--map", "messages=messages", cwd=tmp_path)
    gcsl_data("expand", "log.jsonl", "--map", "messages=messages", "-o", "raw", cwd=tmp_path)
    gcsl_data("expand", "records.parquet", "-o", "again", cwd=tmp_path)

    assert content(tmp_path / "raw") == content(tmp_path / "again")


def test_the_file_holds_canonical_columns_in_log_order(folder: Path) -> None:
    gcsl_data("ingest", "b.parquet", "a.jsonl", "-o", "records.parquet", *FLAGS, cwd=folder)

    frame = pl.read_parquet(folder / "records.parquet")

    assert frame.columns == [*RECORD, "step"]
    assert frame["step"].to_list() == list(range(150))
    assert frame["source"].to_list() == ["a.jsonl"] * 100 + ["b.parquet"] * 50
    assert frame["row"].to_list() == [*range(1, 101), *range(1, 51)]


def test_a_record_keeps_the_source_it_came_from(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", "-o", "records.parquet", *FLAGS, cwd=folder)

    expand(folder / "out", folder / "records.parquet")

    assert {row["source"] for row in examples(folder / "out")} == {"a.jsonl"}


def test_records_say_their_direction(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", "-o", "records.parquet", *FLAGS, "--direction", "lower", cwd=folder)

    outcome = gcsl_data("expand", "records.parquet", cwd=folder)

    assert outcome.status == 2
    assert "records.parquet was ingested with --direction lower; say so here as well" in outcome.errors[0]


def test_records_are_mapped_already(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", "-o", "records.parquet", *FLAGS, cwd=folder)

    outcome = gcsl_data("expand", "records.parquet", "--map", "reward=row", cwd=folder)

    assert outcome.status == 2
    assert "holds records that are mapped already" in outcome.errors[0]


def test_an_existing_file_stays_unless_it_is_to_be_replaced(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", *FLAGS, cwd=folder)
    before = (folder / "records.parquet").read_bytes()

    kept = gcsl_data("ingest", "b.parquet", *FLAGS, cwd=folder)
    after = (folder / "records.parquet").read_bytes()
    replaced = gcsl_data("ingest", "b.parquet", *FLAGS, "--overwrite", cwd=folder)

    assert (kept.status, after) == (73, before)
    assert replaced.status == 0
    assert pl.read_parquet(folder / "records.parquet").height == 50


def test_a_failed_replacement_leaves_the_old_file(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", *FLAGS, cwd=folder)
    before = (folder / "records.parquet").read_bytes()
    write_jsonl(folder / "bad.jsonl", make_rows([1, None]))

    assert gcsl_data("ingest", "bad.jsonl", "--overwrite", cwd=folder).status == 65
    assert (folder / "records.parquet").read_bytes() == before
    assert sorted(tree(folder)) == ["a.jsonl", "b.parquet", "bad.jsonl", "records.parquet"]


def test_unusable_rows_leave_nothing_behind(folder: Path) -> None:
    write_jsonl(folder / "bad.jsonl", make_rows([*range(40), None]))

    refused = gcsl_data("ingest", "bad.jsonl", "-o", "new/deep/records.parquet", cwd=folder)

    assert refused.status == 65
    assert "bad.jsonl:41: the reward is null" in refused.err
    assert not (folder / "new").exists()


def test_a_log_is_never_written_over(folder: Path) -> None:
    before = (folder / "b.parquet").read_bytes()

    outcome = gcsl_data("ingest", "b.parquet", "-o", "./b.parquet", "--overwrite", *FLAGS, cwd=folder)

    assert outcome.status == 2
    assert "b.parquet is read, so it cannot be written as well" in outcome.errors[0]
    assert (folder / "b.parquet").read_bytes() == before


def test_rejects_stand_beside_the_records_and_go_with_them(folder: Path) -> None:
    bad = [*make_rows([0.1, None, 0.3]), *make_rows(range(300))]
    write_jsonl(folder / "bad.jsonl", bad)
    lenient = ["--on-error", "quarantine"]
    aside = folder / "records.rejects.jsonl"

    first = gcsl_data("ingest", "bad.jsonl", *lenient, "--json", cwd=folder)
    lines = aside.read_text().splitlines()
    second = gcsl_data("ingest", "a.jsonl", *FLAGS, "--overwrite", cwd=folder)

    assert first.json["accounting"] == {"rows": 303, "used": 302, "rejected": {"null_reward": 1}, "filtered": {}}
    assert [json.loads(line) for line in lines] == [
        {"source": "bad.jsonl", "row": 2, "reason": "null_reward", "excerpt": "Task 1"}
    ]
    assert second.status == 0
    assert not aside.exists()


def test_rejects_of_another_run_are_not_written_over(folder: Path) -> None:
    (folder / "records.rejects.jsonl").write_text("mine")

    assert gcsl_data("ingest", "a.jsonl", *FLAGS, cwd=folder).status == 73
    assert (folder / "records.rejects.jsonl").read_text() == "mine"
    assert not (folder / "records.parquet").exists()


def test_expand_of_records_loses_no_row_of_the_account(folder: Path) -> None:
    gcsl_data("ingest", "a.jsonl", "b.parquet", "-o", "records.parquet", *FLAGS, cwd=folder)

    outcome = gcsl_data("stats", "records.parquet", "--json", cwd=folder)

    assert outcome.json["accounting"]["rows"] == 150


def test_the_same_logs_give_the_same_records(folder: Path) -> None:
    for name in ("one.parquet", "two.parquet"):
        assert gcsl_data("ingest", "a.jsonl", "b.parquet", "-o", name, *FLAGS, cwd=folder).status == 0

    assert pl.read_parquet(folder / "one.parquet").equals(pl.read_parquet(folder / "two.parquet"))


def test_the_manifest_counts_the_rows_of_a_file_of_records(tmp_path: Path) -> None:
    rows = "".join(f'{{"prompt": "p{i}", "response": "r", "reward": {i}}}\n' for i in range(20))
    (tmp_path / "log.jsonl").write_text(rows, encoding="utf-8")
    run = [sys.executable, "-m", "gcsl_data"]
    subprocess.run([*run, "ingest", "log.jsonl"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([*run, "expand", "records.parquet"], cwd=tmp_path, check=True, capture_output=True)

    inputs = json.loads((tmp_path / "records-gcsl" / "manifest.json").read_text(encoding="utf-8"))["inputs"]

    assert [(entry["uri"], entry["rows"]) for entry in inputs] == [("records.parquet", 20)]
