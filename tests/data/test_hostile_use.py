"""What careless or hostile users did to the command line that once ended in a bug, a wrong status or a lost file."""

import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from .support import PROGRAM, gcsl_data, make_rows, tree, write_jsonl

ROWS = [{**row, "word": "many", "one": 1, "many": [1, 2], "zero": 0} for row in make_rows(range(30))]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_text(LINES)
    return tmp_path


@pytest.mark.parametrize("command", ["ingest", "expand"])
@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("reward=CAST(word AS DOUBLE)", "(TRY_CAST gives null where CAST refuses): conversion from `str` to `f64`"),
        ("reward=CAST(one AS DECIMAL(500, 2))", "assertion failed"),  # Polars panics
        ("reward=CASE WHEN REGEXP_LIKE(word, '[') THEN 1 ELSE 0 END", "regex error"),
        ("group=many", "cannot cast List type"),
        ("group=CAST(1.0 / zero AS VARCHAR)", "division by zero"),
    ],
)
def test_sql_that_fails_on_a_row_is_blamed_on_the_mapping(folder: Path, command: str, mapping: str, words: str) -> None:
    outcome = gcsl_data(command, "log.jsonl", "--map", mapping, "-o", "out", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1218")
    assert words in outcome.json["message"]
    assert tree(folder) == ["log.jsonl"]


def test_records_that_the_disk_does_not_take_are_an_error_of_the_disk(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{**row, "response": os.urandom(400).hex()} for row in make_rows(range(3000))])

    done = subprocess.run(
        [*PROGRAM, "ingest", "log.jsonl", "-o", "new/records.parquet", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )

    assert done.returncode == 74, done.stdout
    assert json.loads(done.stdout)["message"].startswith(
        f"could not write new/records.parquet: {os.strerror(errno.EFBIG)}"
    )
    assert tree(tmp_path) == ["log.jsonl"]


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("out", [".", "", "..", "taken", "log.jsonl/x", "n" * 300, "/proc/nowhere/x"])
def test_records_cannot_be_written_there(folder: Path, out: str, overwrite: tuple[str, ...]) -> None:
    (folder / "taken").mkdir()
    write_jsonl(folder / "bad.jsonl", [*ROWS * 9, {"prompt": "p"}])

    outcome = gcsl_data("ingest", "bad.jsonl", "-o", out, "--on-error", "quarantine", *overwrite, "--json", cwd=folder)

    assert outcome.status == 73, outcome.err
    assert tree(folder) == ["bad.jsonl", "log.jsonl", "taken"]


def test_a_log_that_is_called_like_the_rejects_is_not_replaced_by_them(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "a.rejects.jsonl", ROWS)
    before = log.read_bytes()

    outcome = gcsl_data("ingest", log.name, "-o", "a.parquet", "--overwrite", "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (2, "GD0219")
    assert log.read_bytes() == before
    assert tree(tmp_path) == [log.name]


def timed(path: Path, time: Callable[[int], Any]) -> None:
    write_jsonl(path, [{**row, "when": time(i)} for i, row in enumerate(ROWS)])


DAY = "2026-03-{:02}".format


def test_times_of_several_logs_are_of_one_kind(tmp_path: Path) -> None:
    timed(tmp_path / "a.jsonl", lambda i: i)
    timed(tmp_path / "b.jsonl", lambda i: DAY(1 + i % 28))
    timed(tmp_path / "c.jsonl", lambda _: None)
    flags = ["--map", "time=when", "--split-by", "time", "--split", "0.5,0.5", "--on-error", "quarantine"]
    flags += ["--max-reject-rate", "1", "-o", "out", "--json"]

    apart = gcsl_data("expand", "a.jsonl", "b.jsonl", *flags, cwd=tmp_path)
    numbers = gcsl_data("expand", "c.jsonl", "a.jsonl", *flags, cwd=tmp_path)

    assert (apart.status, apart.json["code"]) == (65, "GD1219")
    assert "a number in a.jsonl and a date in b.jsonl" in apart.json["message"]
    assert numbers.status == 0, numbers.err
    assert numbers.json["accounting"]["rejected"] == {"no_time": 30}


def test_records_keep_their_time_when_they_are_ingested_again(tmp_path: Path) -> None:
    timed(tmp_path / "a.jsonl", lambda i: DAY(1 + i % 28))
    write_jsonl(tmp_path / "b.jsonl", ROWS)
    assert gcsl_data("ingest", "a.jsonl", "--map", "time=when", "-o", "a.parquet", cwd=tmp_path).status == 0
    assert gcsl_data("ingest", "b.jsonl", "-o", "b.parquet", cwd=tmp_path).status == 0

    assert gcsl_data("ingest", "a.parquet", "b.parquet", "-o", "both.parquet", cwd=tmp_path).status == 0

    times = pl.read_parquet(tmp_path / "both.parquet")["_gcsl_time"]
    assert times[:30].to_list() == pl.read_parquet(tmp_path / "a.parquet")["_gcsl_time"].to_list()
    assert times[30:].is_null().all()


def test_times_that_cannot_be_read_are_told_as_rows_that_cannot_be_used(tmp_path: Path) -> None:
    timed(tmp_path / "a.jsonl", lambda _: "soon")

    outcome = gcsl_data(
        "expand", "a.jsonl", "--map", "time=when", "--split-by", "time", "--split", "0.5,0.5", "--json", cwd=tmp_path
    )

    assert (outcome.status, outcome.json["code"]) == (65, "GD1208")
    assert "a.jsonl:1: the time is missing or cannot be read" in outcome.json["message"]
    assert "(29 more rows cannot be used)" in outcome.json["message"]


def test_rewards_whose_sum_is_no_float_have_a_mean(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_rows([1.7e308, 1e308, 1.5e308, 1.6e308] * 8))

    outcome = gcsl_data("stats", "a.jsonl", "--json", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    assert outcome.json["mean"] == pytest.approx(1.45e308, rel=1e-15)


def test_a_fit_without_thresholds_is_refused(folder: Path) -> None:
    assert gcsl_data("expand", "log.jsonl", "-o", "out", cwd=folder).status == 0
    fit = json.loads((folder / "out/_gcsl/fit.json").read_text())
    (folder / "fit.json").write_text(json.dumps({**fit, "thresholds": []}))

    outcome = gcsl_data("stats", "log.jsonl", "--fit", "fit.json", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD6541")
