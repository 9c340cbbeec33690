"""A log is what its bytes say, whatever it is called."""

import bz2
import contextlib
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.recognise import HEAD_BYTES, recognise

from .support import gcsl_data, gcsl_data_process, make_rows, plan_of, write_jsonl

ROWS = [{"prompt": f'Say "{i}",\tplease\n', "response": f"é {i}", "reward": i / 8} for i in range(8)]
FRAME = pl.DataFrame(ROWS)


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


CONTENT: dict[str, tuple[str, bytes]] = {
    "Parquet": ("parquet", _written(FRAME.write_parquet)),
    "Arrow": ("arrow", _written(FRAME.write_ipc)),
    "Arrow, zstd inside": ("arrow", _written(lambda file: FRAME.write_ipc(file, compression="zstd"))),
    "an Arrow stream": ("arrow-stream", _written(FRAME.write_ipc_stream)),
    "JSON lines": ("jsonl", _written(FRAME.write_ndjson)),
    "JSON lines after blank ones": ("jsonl", b"\n \n" + _written(FRAME.write_ndjson)),
    "JSON lines with a mark": ("jsonl", b"\xef\xbb\xbf" + _written(FRAME.write_ndjson)),
    "a JSON array": ("json", json.dumps(ROWS).encode()),
    "a pretty JSON array": ("json", json.dumps(ROWS, indent=4).encode()),
    "an array under a key": ("json", json.dumps({"version": 3, "rows": ROWS}).encode()),
    "a pretty array under a key": ("json", json.dumps({"meta": {"by": "us"}, "rows": ROWS}, indent=1).encode()),
    "pretty objects one after another": ("json", "\n".join(json.dumps(row, indent=2) for row in ROWS).encode()),
    "CSV": ("csv", _written(FRAME.write_csv)),
    "CSV with a mark": ("csv", b"\xef\xbb\xbf" + _written(FRAME.write_csv)),
    "CSV, everything in quotes": ("csv", _written(lambda file: FRAME.write_csv(file, quote_style="non_numeric"))),
    "TSV": ("tsv", _written(lambda file: FRAME.write_csv(file, separator="\t"))),
}
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


def records(*logs: Path) -> list[dict[str, Any]]:
    found = plan_of(*logs)[0].records.collect().to_dicts()
    return [{name: row[name] for name in ("prompt", "response", "reward")} for row in found]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", CONTENT)
def test_a_log_without_a_suffix_is_read_for_what_it_is(tmp_path: Path, kind: str, codec: str) -> None:
    name, content = CONTENT[kind]
    log = tmp_path / "log"
    log.write_bytes(CODECS[codec](content))

    assert recognise(log, name=log.name).format == name
    assert records(log) == ROWS


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ".arrow", ".gz", ".xyz"])
@pytest.mark.parametrize("kind", CONTENT)
def test_a_lying_suffix_changes_nothing_but_earns_a_note(tmp_path: Path, kind: str, suffix: str) -> None:
    name, content = CONTENT[kind]
    log = tmp_path / f"log{suffix}"
    log.write_bytes(content)

    if (kind, suffix) == ("an array under a key", ".jsonl"):
        pytest.skip("one line called JSON lines is one row: it may be a chat")

    (found,) = find_logs([str(log)])

    assert records(log) == ROWS
    told = [note for note in found.notes if "whatever its name says" in note]
    honest = {
        "jsonl": {".jsonl", ".json"},
        "json": {".json"},
        "csv": {".csv"},
        "tsv": set(),
        "parquet": {".parquet"},
        "arrow": {".arrow"},
        "arrow-stream": {".arrow"},
    }
    assert bool(told) is (suffix not in honest[name])


@pytest.mark.parametrize(
    ("name", "expected"), [("log.jsonl", "jsonl"), ("log.ndjson.gz", "jsonl"), ("log.json", "json"), ("log", "jsonl")]
)
def test_one_object_on_one_line_is_what_its_name_says(tmp_path: Path, name: str, expected: str) -> None:
    content = json.dumps({"prompt": "p", "response": "r", "reward": 1}).encode() + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    assert recognise(tmp_path / name, name=name).format == expected


def test_a_first_line_longer_than_the_head_is_still_json_lines(tmp_path: Path) -> None:
    long = [{"prompt": "x" * (HEAD_BYTES + 9), "response": "r", "reward": 1.0}, *ROWS]

    assert [row["response"] for row in records(write_jsonl(tmp_path / "log", long))] == [r["response"] for r in long]


@given(st.binary(max_size=400))
def test_any_bytes_are_recognised_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    log = tmp_path_factory.mktemp("bytes") / "log"
    log.write_bytes(content)

    with contextlib.suppress(DataError):
        recognise(log, name=log.name)


# Several logs


def test_json_lines_come_through_standard_input(tmp_path: Path) -> None:
    content = "".join(json.dumps(row) + "\n" for row in make_rows([i / 20 for i in range(20)])).encode()

    done = gcsl_data_process("expand", "-", "-o", "out", cwd=tmp_path, input=content)

    assert (done.returncode, done.stdout) == (0, b"out\n")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"][0]["uri"] == "stdin"


def test_an_empty_standard_input_is_an_error(tmp_path: Path) -> None:
    done = gcsl_data_process("expand", "-", "-o", "out", cwd=tmp_path, input=b"")

    assert (done.returncode, done.stdout) == (65, b"")
    assert b"is empty" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_logs_of_all_formats_are_one(tmp_path: Path) -> None:
    for number, (name, content) in enumerate(CONTENT.values()):
        (tmp_path / f"{number:02}-{name}").write_bytes(content)

    assert records(*tmp_path.iterdir()) == ROWS * len(CONTENT)


def test_a_kept_column_is_the_union_of_all_logs(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", [{**row, "step": 1} for row in make_rows([0.1, 0.2])])
    second = write_jsonl(tmp_path / "b.jsonl", make_rows([0.3]))
    third = write_jsonl(tmp_path / "c.jsonl", [{**row, "step": 2.5} for row in make_rows([0.4])])

    found = plan_of(first, second, third, record__keep="step")[0].records.collect()

    assert found["step"].to_list() == [1.0, 1.0, None, 2.5]


def test_columns_in_another_order_are_the_same_columns(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", ROWS)
    second = write_jsonl(tmp_path / "b.jsonl", [dict(reversed(row.items())) for row in ROWS])

    assert records(first, second) == ROWS * 2


@pytest.mark.parametrize("rows", [1, 50, 5000])
def test_a_column_that_comes_late_is_kept(tmp_path: Path, rows: int) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", [*make_rows([0.5] * rows), {**make_rows([1.0])[0], "late": "here"}])

    assert plan_of(log, record__keep="late")[0].records.collect()["late"].to_list() == [None] * rows + ["here"]


def test_what_a_mapping_reads_may_come_late_in_a_nested_field(tmp_path: Path) -> None:
    rows = [{**row, "scores": {}} for row in make_rows([0.0] * 500)]
    rows.append({"prompt": "p", "response": "r", "reward": 0.0, "scores": {"clear": 0.5}})

    found = plan_of(write_jsonl(tmp_path / "log.jsonl", rows), record__map={"reward": "scores.clear"})[0]

    assert found.records.collect()["reward"].to_list() == [None] * 500 + [0.5]


@pytest.mark.parametrize(
    ("rewards", "flags", "expected"),
    [
        ([True, False, None], {}, [1.0, 0.0, None]),
        (["10", " 9 ", "2e1"], {}, [10.0, 9.0, 20.0]),
        (["Good", "Poor", "Fair"], {"record__reward_order": "Poor<Fair<Good"}, [3.0, 1.0, 2.0]),
        ([3, 1, 2], {"record__reward_order": "1<2<3"}, [3.0, 1.0, 2.0]),
        ([[1.0, 2.0], [], [4.0]], {"record__reward_reduce": "mean"}, [1.5, None, 4.0]),
        ([[1, 2], [5], [4, None]], {"record__reward_reduce": "max"}, [2.0, 5.0, 4.0]),
        ([["1", "3"], ["2"]], {"record__reward_reduce": "first"}, [1.0, 2.0]),
        ([[True, False], [True]], {"record__reward_reduce": "mean"}, [0.5, 1.0]),
        ([["a", "b"], ["b"]], {"record__reward_reduce": "first", "record__reward_order": "a<b"}, [1.0, 2.0]),
    ],
)
def test_rewards_of_many_kinds_become_numbers(
    tmp_path: Path, rewards: list[Any], flags: dict[str, Any], expected: list[float | None]
) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(rewards))

    assert plan_of(log, **flags)[0].records.collect()["reward"].to_list() == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--reward-order", "good"], "two or more different labels"),
        (["--reward-order", "good<good"], "two or more different labels"),
        (["--reward-order", "a<<b"], "two or more different labels"),
        (["--reward-reduce", "mode"], "record.reward_reduce"),
        (["--keep", "reward"], "a column that gcsl writes itself"),
        (["--keep", "a,a"], "is named twice"),
    ],
)
def test_a_wrong_setting_of_the_mapping_is_a_usage_error(tmp_path: Path, flags: list[str], message: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", ROWS)

    outcome = gcsl_data("expand", "log.jsonl", *flags, cwd=tmp_path)

    assert outcome.status == 2
    assert message in outcome.errors[0]
