"""A field of several types loses nobody a log: it is kept as JSON text, at the smallest place that needs it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.ingest.inputs import find_logs

from .support import make_rows, plan_of, write_jsonl

GOOD = make_rows([i / 8 for i in range(8)])
scalars = st.sampled_from([None, True, 7, -0.5, "", "text", "[1]", '{"a": 1}', "\u00e9\n", 10**12])
keys = st.sampled_from(["a", "b", "reward", "\u00e9", 'q"', "t/f"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)


def kind(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def is_mixed(found: list[Any]) -> bool:
    kinds = {kind(value) for value in found if value is not None}
    return len(kinds) > 1 and not ("str" in kinds and kinds <= {"str", "number", "bool"})


def as_columns(found: list[Any]) -> list[Any]:
    """The values of one field over all rows, as they should read: the plain reference, a level at a time."""
    if is_mixed(found):
        return [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in found]
    known = [value for value in found if value is not None]
    if any(isinstance(value, dict) for value in known):
        names = list(dict.fromkeys(name for value in known for name in value))
        columns = {name: as_columns([None if v is None else v.get(name) for v in found]) for name in names}
        return [None if v is None else {n: columns[n][i] for n in names} for i, v in enumerate(found)]
    if any(isinstance(value, list) for value in known):
        items = iter(as_columns([item for value in known for item in value]))
        return [None if v is None else [next(items) for _ in v] for v in found]
    if any(isinstance(value, str) for value in known):
        return [v if v is None or isinstance(v, str) else json.dumps(v) for v in found]
    return found


def scanned(folder: Path, rows: list[Any], *, name: str = "log.jsonl") -> pl.DataFrame:
    write_jsonl(folder / name, rows)
    return find_logs([str(folder / name)])[0].scanned.collect()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(values, min_size=1, max_size=5))
def test_any_values_of_a_field_become_a_column(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    rows = [{"sure": "x", "field": value} for value in found]

    column = scanned(tmp_path_factory.mktemp("mixed"), rows)["field"].to_list()

    assert _plain(column) == _plain(as_columns(found))


def _plain(value: Any) -> Any:
    """Numbers as floats (a column of whole numbers and others is one of floats); an object of nothing as null."""
    if isinstance(value, dict):
        inner = {name: _plain(item) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item is not None} or None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
@pytest.mark.parametrize(
    "pair", list(pairwise([7, True, "text", [1], {"y": 1}, [{"y": 1}], 2.5, {}, [], "x", {"z": []}, 7]))
)
def test_a_field_that_nobody_maps_loses_no_record(tmp_path: Path, pair: tuple[Any, Any], name: str) -> None:
    rows = [*GOOD, {**GOOD[0], "meta": {"x": pair[0], "y": 1}}, {**GOOD[0], "meta": {"x": pair[1], "y": 2}}]
    (tmp_path / name).write_text(
        json.dumps(rows) if name == "log.json" else "".join(json.dumps(row) + "\n" for row in rows)
    )

    plan, engine = plan_of(tmp_path / name, record__keep=("meta",))

    found = engine.measure(plan.records.select("row", "reject", "meta")).sort("row")
    assert found["reject"].null_count() == len(rows)
    assert [meta and meta["y"] for meta in found["meta"][-3:]] == [None, 1, 2]
    inner = found["meta"].struct.field("x")[-2:].to_list()
    assert [
        value if value in ("text", "x") or not isinstance(value, str) else json.loads(value) for value in inner
    ] == [*pair]


@pytest.mark.parametrize(
    ("extra", "fields", "message"),
    [
        ({"meta": 7}, {}, None),
        ({"meta": 7}, {"reward": "meta"}, "log.jsonl: the field 'meta' is an object on line 1 and a number on line 9"),
        ({"meta": {"score": [1]}}, {"reward": "meta.score"}, "'meta.score' is a number on line 1 and a list on line 9"),
        ({"meta": {"score": 7, "tag": {}}}, {"reward": "meta.score"}, None),
        ({"meta": {"score": 7, "tag": {}}}, {"reward": "1 - meta.score", "group": "meta.tag"}, "'meta.tag' is text on"),
        ({"chat": [{"role": "user", "content": "?", "name": 7}]}, {"prompt": "chat"}, None),
        (
            {"chat": [{"role": "user", "content": ["?"]}]},
            {"prompt": "chat"},
            r"'chat\[\].content' is text on line 1 and a",
        ),
        ({"chat": ["?"]}, {"prompt": "chat"}, r"'chat\[\]' is an object on line 1 and text on line 9"),
        ({"chat": [{"role": "user", "content": ["?"]}]}, {}, None),
    ],
)
def test_only_a_field_that_is_read_must_be_of_one_type(
    tmp_path: Path, extra: dict[str, Any], fields: dict[str, str], message: str | None
) -> None:
    common = {"meta": {"score": 0.5, "tag": "t"}, "chat": [{"role": "user", "content": "?", "name": {"first": "x"}}]}
    log = write_jsonl(tmp_path / "log.jsonl", [*(row | common for row in GOOD), GOOD[0] | extra])

    if message:
        with pytest.raises(DataError, match=message) as caught:
            plan_of(log, record__map=fields)
        assert caught.value.code == "GD1215"
    else:
        plan, engine = plan_of(log, record__map=fields)
        assert engine.measure(plan.records)["reject"].to_list() == [None] * 9


def test_what_only_a_faulty_line_has_makes_no_field_mixed(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(
        "".join(json.dumps({**row, "tags": ["x"]}) + "\n" for row in GOOD)
        + '{"prompt": "p", "prompt": "p", "response": "r", "reward": 1, "tags": "x"}\n'
    )

    (log,) = find_logs([str(tmp_path / "log.jsonl")])

    assert (list(log.faults.rows), log.faults.mixed, log.notes) == ([9], (), ())


def test_many_mixed_fields_are_counted_and_three_are_named(tmp_path: Path) -> None:
    rows = [{f"field {i}": value for i in range(9)} for value in (1, [1])]

    notes = find_logs([str(write_jsonl(tmp_path / "log.jsonl", rows))])[0].notes

    assert notes == (
        *(
            f"log.jsonl: field {i} is of several types (a number on line 1, a list on line 2); kept as JSON text"
            for i in range(3)
        ),
        "log.jsonl: 6 more fields are of several types; kept as JSON text",
    )
