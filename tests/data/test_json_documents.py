"""JSON documents become the records they hold, as Python's own reader sees them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.ingest.formats import json as documents
from gcsl_data.ingest.formats.json import to_lines

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
records = st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=8)
layouts = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])
chunks = st.sampled_from([1, 2, 7, 64, 1 << 20])


def read(text: str, folder: Path) -> list[Any]:
    target = folder / "lines"
    target.unlink(missing_ok=True)
    to_lines(io.BytesIO(text.encode()), target, "a.json")
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


@given(records, layouts, chunks)
def test_an_array_gives_its_objects(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], layout: dict[str, Any], chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_CHUNK", chunk)
        assert read(json.dumps(rows, **layout), tmp_path_factory.mktemp("json")) == rows


@given(records.filter(lambda rows: len(rows) > 1), layouts, chunks, st.sampled_from(["\n", "", " \r\n\t"]))
def test_objects_in_a_row_give_themselves(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], layout: dict[str, Any], chunk: int, between: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_CHUNK", chunk)
        text = between.join(json.dumps(row, **layout) for row in rows)
        assert read(text, tmp_path_factory.mktemp("json")) == rows


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([{}], [{}]),
        ({"data": [{"a": 1}, {"a": 2}], "version": 1}, [{"a": 1}, {"a": 2}]),
        ({"data": [{"a": 1}], "tags": ["x"]}, [{"a": 1}]),
        ({"t1": {"a": 1}, "t2": {"a": 2}}, [{"key": "t1", "a": 1}, {"key": "t2", "a": 2}]),
        ({"t1": {"a": 1, "key": "own"}}, [{"key": "own", "a": 1}]),
        (
            {"t1": [{"a": 1}, {"a": 2}], "t2": [{"a": 3}]},
            [{"key": "t1", "a": 1}, {"key": "t1", "a": 2}, {"key": "t2", "a": 3}],
        ),
        ({"prompt": "p", "response": "r", "reward": 1}, [{"prompt": "p", "response": "r", "reward": 1}]),
        ({}, [{}]),
    ],
)
def test_what_a_document_holds(tmp_path: Path, document: Any, expected: list[Any]) -> None:
    assert read(json.dumps(document), tmp_path) == expected
    assert read(json.dumps(document, indent=3), tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no rows"),
        ("[1, 2]", "record 1 is not an object but 1"),
        ('[{"a": 1}, "x"]', 'record 2 is not an object but "x"'),
        ('[{"a": 1}', "not JSON near line 1: expected ',' or ']'"),
        ('[{"a": 1},]', "not JSON near line 1"),
        ('[\n\n{"a": 1}\n{"a": 2}]', "not JSON near line 4: expected ',' or ']'"),
        ('[{"a": 1}] {"b": 2}', "more text after the array"),
        ('{"a": [{"b": 1}], "c": [{"d": 1}], "e": 5}', "several arrays of records (a, c)"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_document_of_records_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text, tmp_path)

    assert caught.value.message.startswith("a.json: ")
    assert message in caught.value.message


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        to_lines(io.BytesIO(b'[{"a": "\xff"}]'), tmp_path / "lines", "a.json")
