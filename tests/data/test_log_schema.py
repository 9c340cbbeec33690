"""The shape of a log as JSON Schema: inferred from all rows, compared, refused in CI when it breaks a reader."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.log_schema import infer, schema_of
from gcsl_data.schema_diff import diff

from .support import REPOSITORY, gcsl_data, make_rows, write_jsonl

ROWS = [
    {"ask": "p", "turns": [{"role": "user", "content": "x"}], "score": {"x": 0.5, "ok": True}, "n": i, "late": None}
    for i in range(300)
] + [{"ask": None, "turns": None, "score": None, "n": None, "late": ["here"]}]  # fmt: skip


def test_every_row_is_valid_under_the_inferred_schema(tmp_path: Path) -> None:
    schema = infer(str(write_jsonl(tmp_path / "log.jsonl", ROWS)))

    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for row in ROWS for error in validator.iter_errors(row)] == []
    assert list(validator.iter_errors({**ROWS[0], "n": "many"})) != []


def test_the_schema_names_every_field_and_type(tmp_path: Path) -> None:
    schema = infer(str(write_jsonl(tmp_path / "log.jsonl", ROWS)))

    assert list(schema["properties"]) == ["ask", "turns", "score", "n", "late"]
    assert schema["properties"]["turns"]["items"]["properties"]["role"]["type"] == ["string", "null"]
    assert schema["properties"]["score"]["properties"]["ok"]["type"] == ["boolean", "null"]
    assert schema["properties"]["late"]["items"]["type"] == ["string", "null"]


def test_times_are_text_with_a_format(tmp_path: Path) -> None:
    pl.DataFrame({"at": [datetime(2024, 1, 1)], "x": [1]}).write_parquet(tmp_path / "log.parquet")

    assert infer(str(tmp_path / "log.parquet"))["properties"]["at"]["type"] == ["string", "null"]


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]], folder: Path) -> list[tuple[str, bool]]:
    old, new = write_jsonl(folder / "old.jsonl", before), write_jsonl(folder / "new.jsonl", after)
    return [(change.field, change.breaking) for change in diff(schema_of(str(old)), schema_of(str(new)))]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, []),
        ({"a": 1}, {"a": 1, "b": 2}, [("b", False)]),
        ({"a": 1, "b": 2}, {"a": 1}, [("b", True)]),
        ({"a": 1}, {"a": 1.5}, [("a", True)]),
        ({"a": 1.5}, {"a": 1}, [("a", False)]),
        ({"a": "x"}, {"a": None}, [("a", True)]),
        ({"a": 1}, {"a": "1"}, [("a", True)]),
        ({"a": {"b": 1}}, {"a": {"b": "x", "c": 1}}, [("a.b", True), ("a.c", False)]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, [("a[].c", False)]),
        ({"a": [1]}, {"a": 1}, [("a", True), ("a[]", True)]),
    ],
)
def test_what_goes_or_changes_breaks_a_reader_and_what_comes_does_not(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert changes([before], [after], tmp_path) == expected


simple = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 1.5, "x", True, [1], {"y": 1}]), min_size=1)


@given(simple)
def test_a_log_does_not_differ_from_itself(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]) -> None:
    assert changes([row], [row, row], tmp_path_factory.mktemp("diff")) == []


def test_diff_is_a_verdict_for_ci(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_rows([1]))
    write_jsonl(tmp_path / "b.jsonl", [{**row, "step": 1} for row in make_rows([1])])
    write_jsonl(tmp_path / "c.jsonl", [{"prompt": "p", "reward": "high"}])

    same = gcsl_data("schema", "diff", "a.jsonl", "a.jsonl", cwd=tmp_path)
    more = gcsl_data("schema", "diff", "a.jsonl", "b.jsonl", cwd=tmp_path)
    more_only = gcsl_data("schema", "diff", "a.jsonl", "b.jsonl", "--breaking-only", cwd=tmp_path)
    broken = gcsl_data("schema", "diff", "a.jsonl", "c.jsonl", "--breaking-only", "--json", cwd=tmp_path)

    assert (same.status, same.out) == (0, "")
    assert (more.status, more.out) == (1, "added     step: absent -> integer|null\n")
    assert (more_only.status, more_only.out) == (0, "")
    assert broken.status == broken.json["exit_code"] == 1
    assert [change["field"] for change in broken.json["changes"]] == ["response", "reward"]


def test_a_schema_that_was_kept_stands_for_the_log(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", ROWS)
    kept = gcsl_data("schema", "infer", "a.jsonl", cwd=tmp_path)
    (tmp_path / "kept.schema.json").write_text(kept.out)

    assert gcsl_data("schema", "diff", "kept.schema.json", "a.jsonl", cwd=tmp_path).status == 0


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"properties": 1', '{"properties": []}', '{"properties": {"a": 7}}']
)
def test_what_is_no_schema_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.schema.json").write_text(content)
    write_jsonl(tmp_path / "a.jsonl", ROWS)

    outcome = gcsl_data("schema", "diff", "x.schema.json", "a.jsonl", cwd=tmp_path)

    assert outcome.status == 65, outcome.err
    assert len(outcome.errors) == 1


def test_show_prints_our_schemas(tmp_path: Path) -> None:
    for path in (REPOSITORY / "schemas").glob("*.schema.json"):
        name = path.name.removesuffix(".schema.json")
        shown = gcsl_data("schema", "show", name, cwd=tmp_path)
        assert json.loads(shown.out) == json.loads(path.read_text())
        assert gcsl_data("schema", "show", name, "--json", cwd=tmp_path).json["schema"] == json.loads(shown.out)

    assert "did you mean 'record'" in gcsl_data("schema", "show", "recrod", cwd=tmp_path).errors[0]


def test_a_pattern_of_several_logs_is_not_one_shape(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write_jsonl(tmp_path / name, ROWS)

    outcome = gcsl_data("schema", "infer", "*.jsonl", cwd=tmp_path)

    assert outcome.status == 2
    assert len(outcome.errors) == 1
