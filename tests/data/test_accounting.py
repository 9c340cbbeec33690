"""Every row of every log is used, rejected or filtered, and the rejects say which, where and why."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.dataset.manifest import load
from gcsl_data.stages.checks import REASONS

from .support import examples, expand, gcsl_data, make_rows

GOOD = [json.dumps(row) for row in make_rows([i / 16 for i in range(16)])]
# A line of JSON lines -> why it is set aside; None: it is used; "" counts as nothing.
JSON_LINES: dict[bytes, str | None] = {
    b'{"prompt": "x", "response": "r", "reward": 1}': None,
    b'{"prompt": "x", "response": "r", "reward": null}': "null_reward",
    b'{"prompt": "x", "response": "r", "reward": NaN}': "nonfinite_number",
    b'{"prompt": "x", "response": "r", "reward": 1e999}': "nonfinite_number",
    b'{"prompt": " ", "response": "r", "reward": 1}': "empty_prompt",
    b'{"prompt": "x", "reward": 1}': "empty_response",
    b'{"prompt": "\\udc00", "response": "r", "reward": 1}': "bad_unicode",
    b'{"prompt": "\\u0000", "response": "r", "reward": 1}': "nul_in_text",
    b'{"prompt": "x", "response": "r", "reward": 1, "reward": 2}': "duplicate_key",
    b'{"prompt": "caf\xe9", "response": "r", "reward": 1}': "bad_utf8",
    b'{"prompt": "x", "response': "bad_json",
    b"plain words": "bad_json",
    b"[1]": "not_object",
    b"null": "not_object",
    b"": "",
    b"  \r": "",
}
CSV: dict[tuple[str, ...], str | None] = {
    ("x", "r", "1"): None,
    ("x,y", 'a "quote"\n', "0.25"): None,
    ("x", "r", ""): "null_reward",
    ("x", "r", "NaN"): "nonfinite_reward",
    ("x", "r", "-inf"): "nonfinite_reward",
    ("x", "r", "good"): "bad_reward",
    (" ", "r", "1"): "empty_prompt",
    ("x", "", "1"): "empty_response",
    ("x", "r"): "ragged",
    ("x", "r", "1", "more"): "ragged",
    (): "",
}
EVERYTHING = {"checks__on_error": "quarantine", "checks__max_reject_rate": 1}


def expected(kinds: list[str | None]) -> list[tuple[int, str]]:
    """Row number and reason of each reject; a blank line counts as a number and as nothing else."""
    return [(number, kind) for number, kind in enumerate(kinds, start=1) if kind]


def check(out: Path, wanted: dict[str, list[str | None]]) -> None:
    manifest = load(out)
    account = manifest.accounting
    for log in manifest.inputs:
        kinds = wanted[log.uri]
        reasons = [kind for kind in kinds if kind]
        assert log.rows == len(kinds) - kinds.count("")
        assert log.rejected == {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    assert account.rows == sum(log.rows for log in manifest.inputs)
    assert account.rows == account.used + sum(account.rejected.values()) + sum(account.filtered.values())
    assert account.used == len({(row["source"], row["row"]) for row in examples(out)})
    aside = out / "_gcsl" / "rejects.jsonl"
    lines = [json.loads(line) for line in aside.read_text(encoding="utf-8").splitlines()] if aside.exists() else []
    assert [(line["source"], line["row"], line["reason"]) for line in lines] == [
        (uri, *reject) for uri in sorted(wanted) for reject in expected(wanted[uri])
    ]
    assert {line["reason"] for line in lines} <= REASONS.keys()
    assert set(account.rejected) == {line["reason"] for line in lines}


def json_log(lines: list[bytes]) -> tuple[bytes, list[str | None]]:
    return b"\n".join([*lines, *(line.encode() for line in GOOD)]) + b"\n", [
        *(JSON_LINES[line] for line in lines),
        *([None] * len(GOOD)),
    ]


def csv_log(rows: list[tuple[str, ...]]) -> tuple[bytes, list[str | None]]:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["prompt", "response", "reward"])
    writer.writerows(rows)
    writer.writerows([f"p{i}", "r", str(i / 16)] for i in range(16))
    return file.getvalue().encode(), [*(CSV[row] for row in rows), *([None] * 16)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(JSON_LINES)), max_size=12), st.lists(st.sampled_from(list(CSV)), max_size=12))
def test_rows_of_two_logs_are_used_rejected_or_filtered(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], rows: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("accounting")
    wanted: dict[str, list[str | None]] = {}
    for name, (content, kinds) in {"a.jsonl": json_log(lines), "b.csv": csv_log(rows)}.items():
        (folder / name).write_bytes(content)
        wanted[name] = kinds

    for out in ("one", "two"):
        expand(folder / out, folder / "b.csv", folder / "a.jsonl", **EVERYTHING)

    check(folder / "one", wanted)
    assert _rejects(folder / "one") == _rejects(folder / "two")


def _rejects(out: Path) -> bytes | None:
    path = out / "_gcsl" / "rejects.jsonl"
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("line", JSON_LINES)
def test_each_fault_of_json_lines_has_its_reason(tmp_path: Path, line: bytes) -> None:
    content, kinds = json_log([line])
    (tmp_path / "a.jsonl").write_bytes(content)

    expand(tmp_path / "out", tmp_path / "a.jsonl", **EVERYTHING)

    check(tmp_path / "out", {"a.jsonl": kinds})


@pytest.mark.parametrize("row", CSV)
def test_each_fault_of_csv_has_its_reason(tmp_path: Path, row: tuple[str, ...]) -> None:
    content, kinds = csv_log([row])
    (tmp_path / "b.csv").write_bytes(content)

    expand(tmp_path / "out", tmp_path / "b.csv", **EVERYTHING)

    check(tmp_path / "out", {"b.csv": kinds})


def test_a_fault_in_the_first_or_last_row_moves_no_other_row(tmp_path: Path) -> None:
    for name, content in {
        "sound.jsonl": "\n".join(GOOD) + "\n",
        "first.jsonl": "[1]\n" + "\n".join(GOOD) + "\n",
        "last.jsonl": "\n".join(GOOD) + '\n{"prompt"',
    }.items():
        (tmp_path / name).write_text(content)
        expand(tmp_path / name[:-6], tmp_path / name, **EVERYTHING)

    def texts(name: str) -> list[Any]:
        return [(row["prompt"], row["completion"], row["reward"]) for row in examples(tmp_path / name)]

    assert texts("sound") == texts("first") == texts("last")


def test_the_first_bad_row_and_the_number_of_the_others_are_told(tmp_path: Path) -> None:
    content, _ = json_log([b"", b"[1]", b"plain words", b'{"prompt": "x", "response": "r", "reward": null}'])
    (tmp_path / "a.jsonl").write_bytes(content)

    outcome = gcsl_data("expand", "a.jsonl", cwd=tmp_path)

    assert outcome.errors == [
        "error[GD1208]: a.jsonl:2: the line is JSON but no object (found [1]) (2 more rows cannot be used); "
        "use --on-error quarantine to set such rows aside"
    ]
