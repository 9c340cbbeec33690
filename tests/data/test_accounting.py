"""Every row of every log is used, rejected or filtered, and the rejects say which, where and why."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.dataset.manifest import load
from gcsl_data.ingest import examine
from gcsl_data.stages.checks import REASONS

from .support import examples, expand, gcsl_data, make_rows, write_jsonl

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
    ("caf\udce9", "r", "1"): "bad_utf8",
    ("x", "r\0", "1"): "nul_in_text",
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
    return file.getvalue().encode(errors="surrogateescape"), [*(CSV[row] for row in rows), *([None] * 16)]


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


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize(
    "line",
    [
        b'{"prompt": "caf\xe9", "reward": 1}',
        b"\x1b[31mplain words" + "\u202e\u00e9".encode() * 60,
        b'{"x": "' + b"y" * (examine.MAX_LINE_BYTES - 7),
        b'{"x": "' + b"y" * (examine.MAX_LINE_BYTES + 70_000),
    ],
    ids=["no UTF-8", "control characters", "at the limit", "over the limit"],
)
def test_a_line_that_cannot_be_decoded_is_found_by_its_hash(tmp_path: Path, line: bytes, end: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes("".join(row + "\n" for row in GOOD).encode() + line + end)

    expand(tmp_path / "out", tmp_path / "a.jsonl", **EVERYTHING)

    (reject,) = map(json.loads, (_rejects(tmp_path / "out") or b"").splitlines())
    assert (reject["line"], reject["row_sha256"]) == (17, hashlib.sha256(line).hexdigest())
    assert reject["excerpt"].isprintable()
    assert reject["excerpt"] == _escaped(line.decode("utf-8", "surrogateescape")[:80])


def _escaped(text: str) -> str:
    """As Python shows it, with its quotes and doubled backslashes undone."""
    shown = repr(text.replace("\\", "/").replace("'", '"'))[1:-1]
    return re.sub(r"\\udc([89a-f][0-9a-f])", r"\\x\1", shown)


def test_a_record_of_csv_that_cannot_be_decoded_is_found_by_its_hash(tmp_path: Path) -> None:
    good = "prompt,response,reward\n" + "".join(f"p{i},r,{i}\n" for i in range(16))
    bad = [b'"caf\xe9\nau lait",r,1', b'p,"r\r\nr"']
    (tmp_path / "a.csv").write_bytes(good.encode() + bad[0] + b"\r\n" + bad[1])

    expand(tmp_path / "out", tmp_path / "a.csv", **EVERYTHING)

    place = {"source": "a.csv", "byte": None}
    found = [json.loads(line) for line in (_rejects(tmp_path / "out") or b"").splitlines()]
    assert found == [
        place | {"row": 17, "reason": "bad_utf8", "line": 18, "detail": "byte 0xe9"}
        | {"excerpt": '"caf\\xe9\\nau lait",r,1', "row_sha256": hashlib.sha256(bad[0]).hexdigest()},
        place | {"row": 18, "reason": "ragged", "line": 20, "detail": "2 fields, the header has 3"}
        | {"excerpt": 'p,"r\\r\\nr"', "row_sha256": hashlib.sha256(bad[1]).hexdigest()},
    ]  # fmt: skip


def test_a_record_of_a_json_document_has_no_line_to_be_found_by(tmp_path: Path) -> None:
    records = [*map(json.loads, GOOD), {"prompt": "x", "response": "r", "reward": float("nan")}]
    (tmp_path / "a.json").write_text(json.dumps(records, indent=1))

    expand(tmp_path / "out", tmp_path / "a.json", **EVERYTHING)

    assert [json.loads(line) for line in (_rejects(tmp_path / "out") or b"").splitlines()] == [
        {"source": "a.json", "row": 17, "reason": "nonfinite_number", "detail": "found NaN"}
    ]


def test_a_rejected_record_shows_how_its_prompt_begins_else_its_response(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "One?"}, {"role": "user", "content": "Two?\x07" + "x" * 99}]
    good = {"prompt": turns, "response": "r"}
    rows = [*({**good, "reward": i} for i in range(9)), {**good, "reward": None}, {"response": " \n", "reward": 1}]
    write_jsonl(tmp_path / "a.jsonl", rows)

    expand(tmp_path / "out", tmp_path / "a.jsonl", **EVERYTHING)

    assert [json.loads(line) for line in (_rejects(tmp_path / "out") or b"").splitlines()] == [
        {"source": "a.jsonl", "row": 10, "reason": "null_reward", "excerpt": "Two?\\x07" + "x" * 75},
        {"source": "a.jsonl", "row": 11, "reason": "bad_messages", "excerpt": " \\n"},
    ]
