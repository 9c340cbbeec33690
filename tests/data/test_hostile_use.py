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
    assert outcome.json["rewards"]["mean"] == pytest.approx(1.45e308, rel=1e-15)


def test_a_fit_without_thresholds_is_refused(folder: Path) -> None:
    assert gcsl_data("expand", "log.jsonl", "-o", "out", cwd=folder).status == 0
    fit = json.loads((folder / "out/_gcsl/fit.json").read_text())
    (folder / "fit.json").write_text(json.dumps({**fit, "thresholds": []}))

    outcome = gcsl_data("stats", "log.jsonl", "--fit", "fit.json", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD6541")


@pytest.mark.parametrize("columns", [3, 300])
def test_a_key_twice_is_seen_among_few_and_many_however_it_is_written(tmp_path: Path, columns: int) -> None:
    keys = {"reward": 1, 'q"u\\': 1, "é": 1, "a: b": 1, **{f"c{i}": 1 for i in range(columns)}}
    lines = [json.dumps({"prompt": "p", "response": "r", **keys}) for _ in range(7)]
    for at, more in enumerate(('"c1" : 2', '"reward":\t2', '"q\\"u\\\\":2', '"\\u00e9":2', '"a: b" :2')):
        lines[at] = f"{lines[at][:-1]}, {more}}}"
    (tmp_path / "log.jsonl").write_text("\n".join(lines))

    outcome = gcsl_data(
        "ingest", "log.jsonl", "--on-error", "quarantine", "--max-reject-rate", "1", "--json", cwd=tmp_path
    )

    assert outcome.json["accounting"]["rejected"] == {"duplicate_key": 5}


def test_a_whole_number_of_128_bits_without_a_sign_sets_its_row_aside(tmp_path: Path) -> None:
    for name, value in (("a", 2**127), ("b", {"c": [2**127]}), ("d", 2**127 - 1)):
        (tmp_path / f"{name}.jsonl").write_text(LINES + json.dumps({**ROWS[0], "long": value}) + "\n")
        outcome = gcsl_data(
            *("ingest", f"{name}.jsonl", "-o", f"{name}.parquet", "--json"),
            *("--on-error", "quarantine", "--max-reject-rate", "1"),
            cwd=tmp_path,
        )

        assert outcome.status == 0, outcome.err
        assert outcome.json["accounting"]["rejected"] == ({} if name == "d" else {"nonfinite_number": 1})


@pytest.mark.parametrize("value", ["1" * 40, "-" + "9" * 39])
def test_a_whole_number_of_any_length_in_a_csv_loses_nobody_the_log(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.csv").write_text(
        "prompt,response,reward,x\n" + "".join(f"p,r,{i},{i}\n" for i in range(9)) + f"p,r,9,{value}\n"
    )

    outcome = gcsl_data("ingest", "a.csv", "--keep", "x", "-o", "a.parquet", "--json", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    assert pl.read_parquet(tmp_path / "a.parquet")["x"].to_list() == [*map(str, range(9)), value]


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (["--keep", "reward_raw", "--normalize", "minmax"], 2, "'reward_raw' is a column that gcsl writes itself"),
        (["--map", "reward=(SELECT 1)"], 2, "holds a query; use the fields of the row alone"),
        (["--map", "reward=one IN (SELECT 1)"], 2, "holds a query; use the fields of the row alone"),
        (["--reward", "a=one", "--reward", "b=wrod"], 65, "no column 'wrod' for the b; say --reward b=word"),
        (["--map", "group=thegroup"], 65, "no column 'thegroup' for the group; say --map group='\"the group\"'"),
        (["--keep", "nothing"], 65, "'nothing' of log.jsonl holds objects without a field"),
        (["--keep", "deep"], 65, "'deep' of log.jsonl holds objects without a field"),
    ],
)
def test_flags_that_cannot_be_are_told_in_a_line(tmp_path: Path, flags: list[str], status: int, words: str) -> None:
    odd = {"reward_raw": 1, "the group": "g", "nothing": {}, "deep": [{"a": {}}]}
    write_jsonl(tmp_path / "log.jsonl", [{**row, **odd} for row in ROWS])

    outcome = gcsl_data("expand", "log.jsonl", "-o", "out", *flags, "--json", cwd=tmp_path)

    assert outcome.status == status, outcome.err
    assert words in outcome.json["message"]
    assert tree(tmp_path) == ["log.jsonl"]


def test_records_with_aspects_bring_them_and_their_directions_along(folder: Path) -> None:
    flags = ["--reward", "a=reward", "--reward", "b=one"]
    assert gcsl_data("ingest", "log.jsonl", *flags, "-o", "records.parquet", cwd=folder).status == 0

    kept = gcsl_data("stats", "records.parquet", "--keep", "reward_a", "--json", cwd=folder)
    lower = gcsl_data("stats", "records.parquet", "--direction", "lower", "--json", cwd=folder)

    assert (kept.status, kept.json["code"]) == (2, "GD0254")
    assert (lower.status, lower.json["code"]) == (2, "GD0255")


def test_columns_and_thresholds_that_are_numbers_stay_as_they_were_typed(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{**row, "1": "x", "2": "y"} for row in ROWS])

    outcome = gcsl_data(
        "expand", "log.jsonl", "--thresholds", "20.50,9", "--keep", "1,2", "-o", "out", "--json", cwd=tmp_path
    )

    assert outcome.status == 0, outcome.err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [goal["threshold"] for goal in manifest["goals"]] == ["9", "20.50"]
    assert {"1", "2"} <= {column["name"] for column in manifest["columns"]}


@pytest.mark.parametrize(
    ("shell", "status", "words"),
    [
        ("{} ingest - --json <&-", 66, "standard input is closed"),
        ("{} ingest - --json </dev/null", 65, "stdin is empty"),
        ("ulimit -f 1; cat log.jsonl log.jsonl | {} ingest - --json", 74, "stdin: no room for a copy of it in"),
        ("gzip -k log.jsonl; ulimit -f 1; {} ingest log.jsonl.gz --json", 74, "log.jsonl.gz: no room for a copy"),
        ("ln -s nothing link; {} ingest link --json", 66, "link is a link that leads nowhere"),
    ],
)
def test_what_the_shell_can_do_to_a_log(folder: Path, shell: str, status: int, words: str) -> None:
    done = subprocess.run(
        ["bash", "-c", shell.format(" ".join(PROGRAM))], cwd=folder, capture_output=True, check=False, timeout=120
    )

    assert done.returncode == status, done.stderr
    assert words in json.loads(done.stdout)["message"]


def test_records_of_two_logs_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_jsonl(tmp_path / name / "log.jsonl", ROWS)
        assert gcsl_data("ingest", f"{name}/log.jsonl", "-o", f"{name}.parquet", cwd=tmp_path).status == 0
    before = tree(tmp_path)

    for command in ("expand", "ingest"):
        outcome = gcsl_data(command, "a.parquet", "b.parquet", "-o", "out", "--json", cwd=tmp_path)

        assert (outcome.status, outcome.json["code"]) == (65, "GD1221")
        assert "a.parquet and b.parquet both hold rows of log.jsonl" in outcome.json["message"]
    assert tree(tmp_path) == before


CHANGES = {
    "a number where the prompt was": pl.col("row").alias("prompt"),
    "a list where the response was": pl.lit([1]).alias("response"),
    "whole numbers where rewards were": pl.col("reward").cast(pl.Int64),
    "text where rows were": pl.col("row").cast(pl.String),
    "text where times were": pl.lit("soon").alias("_gcsl_time"),
    "a column less": pl.col("group").alias("grouped"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_records_that_somebody_changed_are_refused(folder: Path, change: str) -> None:
    assert gcsl_data("ingest", "log.jsonl", "-o", "records.parquet", cwd=folder).status == 0
    changed = pl.read_parquet(folder / "records.parquet").with_columns(CHANGES[change])
    if "grouped" in changed.columns:
        changed = changed.drop("group")
    changed.write_parquet(folder / "changed.parquet", metadata={"gcsl.records": "1"})

    outcome = gcsl_data("expand", "changed.parquet", "-o", "out", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1222"), outcome.err


@pytest.mark.parametrize("aspects", ["[1]", "null", '"a"', "{", '{"a": 1}'])
def test_aspects_that_no_ingest_wrote_are_no_bug(folder: Path, aspects: str) -> None:
    metadata = {"gcsl.records": "1", "gcsl.aspects": aspects}
    pl.DataFrame(ROWS).write_parquet(folder / "forged.parquet", metadata=metadata)

    outcome = gcsl_data("stats", "forged.parquet", "--json", cwd=folder)

    assert outcome.status in (0, 65), outcome.err


def test_records_without_a_place_are_set_aside(folder: Path) -> None:
    assert gcsl_data("ingest", "log.jsonl", "-o", "records.parquet", cwd=folder).status == 0
    records = pl.read_parquet(folder / "records.parquet")
    for name in ("source", "row", "part", "group"):
        where = pl.when(pl.col("reward") == 3).then(None).otherwise(pl.col(name))
        path = folder / f"no-{name}.parquet"
        records.with_columns(where.alias(name)).write_parquet(path, metadata={"gcsl.records": "1"})
        quarantine = ("--on-error", "quarantine", "--max-reject-rate", "1")

        failed = gcsl_data("expand", path, "-o", f"out-{name}", "--json", cwd=folder)
        outcome = gcsl_data("expand", path, "-o", f"out-{name}", *quarantine, "--json", cwd=folder)

        assert (failed.status, failed.json["code"]) == (65, "GD1208")
        assert outcome.status == 0, outcome.err
        assert outcome.json["accounting"]["rejected"] == {"no_place": 1}


def test_text_that_is_kept_as_categories_is_text(folder: Path) -> None:
    categories = pl.DataFrame(ROWS).with_columns(pl.col("prompt", "response").cast(pl.Categorical))
    categories.write_parquet(folder / "log.parquet")

    outcome = gcsl_data("ingest", "log.parquet", "-o", "records.parquet", cwd=folder)

    assert outcome.status == 0, outcome.err
    assert pl.read_parquet(folder / "records.parquet")["prompt"].to_list() == [row["prompt"] for row in ROWS]


def test_a_schema_may_say_true_or_false_of_a_field(folder: Path) -> None:
    schema = {"properties": {"prompt": True, "gone": False}}
    (folder / "old.schema.json").write_text(json.dumps(schema))

    outcome = gcsl_data("schema", "diff", "old.schema.json", "log.jsonl", "--json", cwd=folder)

    assert outcome.status == 1
    assert {"field": "gone", "before": "nothing", "after": None, "breaking": True} in outcome.json["changes"]


@pytest.mark.parametrize("formulation", ["gcsl-bey-nl", "ca", "sft", "reward-embedding"])
def test_a_log_without_a_usable_row_cannot_be_fitted(tmp_path: Path, formulation: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([None] * 9))
    quarantine = ("--on-error", "quarantine", "--max-reject-rate", "1")

    outcome = gcsl_data("expand", "log.jsonl", "--formulation", formulation, *quarantine, "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1302"), outcome.err
