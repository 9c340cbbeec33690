"""Rows against a JSON Schema: for any schema and any rows the verdict is jsonschema's own, row by row."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gcsl_data.audit.row_schema import RowSchema, Validator, read_schema
from gcsl_data.audit.schema_pattern import agreeing
from gcsl_data.audit.schema_rows import row_checks
from gcsl_data.errors import DataError, InputError

from .support import gcsl_data, make_rows, write_jsonl

texts = st.text(st.sampled_from("ab1 é\n_²\U0001f600"), max_size=4)
numbers = st.one_of(st.integers(-3, 6), st.sampled_from([0.5, 2.0, -1.5, 1e300]))
PATTERNS = [
    "^a",
    "b$",
    r"^\w+$",
    r"\d",
    r"^[a-b1]{2,3}$",
    "(?=a)b",
    r"a|b$",
    r"\s",
    "^$",
    r"^(?:a|b)*\d?$",
    "[^a]",
    r"[\w ]$",
    r"\Aa",
]


scalars = st.one_of(texts, numbers, st.none(), st.booleans())


def bounded(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values, max_size=2)


NUMERIC = bounded(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], numbers)
TEXTUAL = st.one_of(
    bounded(["minLength", "maxLength"], st.integers(0, 4)), st.sampled_from(PATTERNS).map(lambda p: {"pattern": p})
)
TYPES = ["integer", "number", "string", "boolean", "null", "array", "object"]
LEAVES = st.one_of(
    st.booleans(),
    st.sampled_from(TYPES).map(lambda name: {"type": name}),
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True).map(lambda names: {"type": names}),
    st.lists(scalars, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    st.one_of(texts, numbers, st.booleans()).map(lambda value: {"const": value}),
    NUMERIC,
    TEXTUAL,
    st.sampled_from([2, 3, 0.5]).map(lambda factor: {"multipleOf": factor}),
    bounded(["minItems", "maxItems"], st.integers(0, 3)),
    st.just({"uniqueItems": True}),
    st.just({"$ref": "#/$defs/shared"}),
)  # fmt: skip
FIELDS = ["a", "b", "c"]


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.lists(inner, min_size=1, max_size=2)
    names = st.sampled_from(FIELDS)
    return st.one_of(
        st.fixed_dictionaries(
            {"properties": st.dictionaries(names, inner, max_size=3)},
            optional={
                "required": st.lists(names, max_size=2, unique=True),
                "additionalProperties": inner,
                "type": st.sampled_from(["object", ["object", "null"]]),
                "patternProperties": inner.map(lambda one: {"^[ab]": one}),
                "unevaluatedProperties": st.booleans(),
            },
        ),
        inner.map(lambda one: {"items": one}),
        st.tuples(inner, inner).map(lambda two: {"prefixItems": [two[0]], "items": two[1]}),
        members.map(lambda some: {"allOf": some}),
        members.map(lambda some: {"anyOf": some}),
        members.map(lambda some: {"oneOf": some}),
        inner.map(lambda one: {"not": one}),
        st.tuples(inner, inner).map(lambda two: {"if": two[0], "then": two[1]}),
        inner.map(lambda one: {"contains": one, "minContains": 1}),
        names.map(lambda name: {"dependentRequired": {"a": [name]}}),
    )


schemas = st.recursive(LEAVES, composed, max_leaves=8)
objects = composed(schemas)

small = st.none() | st.integers(0, 3)
COLUMNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "integer": (pl.Int64, st.integers(-3, 6)),
    "byte": (pl.UInt8, st.integers(0, 6)),
    "number": (pl.Float64, st.one_of(numbers.map(float), st.sampled_from([math.nan, math.inf, -0.0]))),
    "single": (pl.Float32, st.sampled_from([0.5, 2.0, -1.5])),
    "text": (pl.String, texts),
    "choice": (pl.Categorical, st.sampled_from(["a", "ab", "1"])),
    "truth": (pl.Boolean, st.booleans()),
    "nothing": (pl.Null, st.none()),
    "texts": (pl.List(pl.String), st.lists(st.none() | texts, max_size=3)),
    "numbers": (pl.List(pl.Float64), st.lists(st.none() | numbers.map(float), max_size=3)),
    "object": (
        pl.Struct({"a": pl.Int64, "b": pl.String}),
        st.fixed_dictionaries({"a": st.none() | st.integers(-3, 6), "b": st.none() | texts}),
    ),
    "objects": (
        pl.List(pl.Struct({"a": pl.Int64, "b": pl.List(pl.Int64)})),
        st.lists(
            st.fixed_dictionaries({"a": small, "b": st.none() | st.lists(st.integers(0, 3), max_size=2)}),
            max_size=2,
        ),
    ),
}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    kinds = {
        name: draw(st.sampled_from(list(COLUMNS))) for name in draw(st.sampled_from([["a"], ["a", "b"], ["b", "d"]]))
    }
    height = draw(st.integers(1, 4))
    return pl.DataFrame(
        {
            name: pl.Series(
                [draw(st.none() | COLUMNS[kind][1]) for _ in range(height)], dtype=COLUMNS[kind][0], strict=False
            )
            for name, kind in kinds.items()
        }
    )


def ours(schema: RowSchema, table: pl.DataFrame) -> list[bool]:
    checks = [check.breaks.alias(str(at)) for at, check in enumerate(row_checks(schema, dict(table.schema)))]
    lazy = table.lazy().with_row_index("_row").select("_row", *checks)
    found = lazy.select("_row", breaks=pl.any_horizontal(pl.lit(False), pl.all().exclude("_row"))).collect(
        engine="streaming"
    )
    return [not broken for broken in found["breaks"]]


SHARED = {"$defs": {"shared": {"type": ["integer", "string"], "properties": {"a": {"type": ["null", "integer"]}}}}}


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(objects, tables())
@example({"properties": {"a": {"minimum": 2**70}}}, pl.DataFrame({"a": [1, None]}))
@example({"properties": {"a": {"enum": [2**70, -1, 3]}}}, pl.DataFrame({"a": pl.Series([3, 0], dtype=pl.UInt8)}))
@example({"properties": {"a": {"minimum": 2**53 + 1}}}, pl.DataFrame({"a": [2**53, 2**53 + 1]}))
@example({"properties": {"a": {"const": 1.0}}}, pl.DataFrame({"a": [True, False]}))
@example({"required": ["a", "b"]}, pl.DataFrame({"a": ["", None]}))
@example({"properties": {"a": {"pattern": "b$"}}}, pl.DataFrame({"a": ["b\n", "b\n\n", "b"]}))
def test_the_verdict_of_every_row_is_that_of_jsonschema(document: dict[str, Any], table: pl.DataFrame) -> None:
    schema = RowSchema({**document, **SHARED})
    validator = Validator(schema.document)

    rows = [schema.as_document(row, [schema.document]) for row in table.to_dicts()]

    assert ours(schema, table) == [validator.is_valid(row) for row in rows]


plain_rows = st.lists(
    st.fixed_dictionaries(
        {"a": st.integers(-3, 6), "b": texts, "c": st.lists(st.integers(0, 3), max_size=2)},
        optional={"d": st.sampled_from([0.5, 2.0])},
    ),
    min_size=1,
    max_size=4,
)
plain_leaves = st.one_of(NUMERIC, TEXTUAL, st.sampled_from(TYPES[:4]).map(lambda name: {"type": name}))


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), plain_leaves), st.lists(st.sampled_from("abcd"), unique=True), plain_rows
)
def test_rows_without_nulls_are_judged_as_the_json_that_they_were(
    properties: dict[str, Any], required: list[str], rows: list[dict[str, Any]]
) -> None:
    properties = {
        name: {"type": TYPES[:4], **said} if name != "c" else {"items": said} for name, said in properties.items()
    }
    document = {"properties": properties, "required": required}
    validator = jsonschema.Draft202012Validator(document)

    assert ours(RowSchema(document), pl.DataFrame(rows, infer_schema_length=None)) == [
        validator.is_valid(row) for row in rows
    ]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.sampled_from(PATTERNS), st.text(st.sampled_from("ab1 ^$.*+?()|[]{},-\\dwsé"), max_size=8)), texts)
@example(r"a$\n", "a\n")
@example("^a|b$", "ca")
@example(r"\\d", "\\d")
@example("a{,2}", "a{,2}")
@example(r"\s", "\x1c")
def test_a_pattern_that_polars_takes_over_means_the_same(pattern: str, text: str) -> None:
    import re

    found = agreeing(pattern)
    if found is None or (found[1] and not text.isascii()):
        return
    assert pl.select(pl.lit(text).str.contains(found[0])).item() == bool(re.search(pattern, text))


@pytest.mark.parametrize("pattern", ["^a", "b$", r"^\w+$", r"^[a-z]{2}\d*$", "^(?:yes|no)$", "."])
def test_common_patterns_are_taken_over(pattern: str) -> None:
    assert agreeing(pattern)


def test_a_null_is_what_the_schema_lets_it_be() -> None:
    table = pl.DataFrame({"a": [None, 1], "b": [None, "x"], "c": [None, "y"]})
    document = {
        "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": "string"}, "c": {"type": "string"}},
        "required": ["a", "b"],
    }

    broken = [
        check.name
        for check in row_checks(RowSchema(document), dict(table.schema))
        if table.select(check.breaks).item(0, 0)
    ]

    assert broken == ["b: required"]


def test_an_optional_model_of_pydantic_may_have_null_fields() -> None:
    from pydantic import BaseModel

    class Meta(BaseModel):
        judge: str | None
        turns: int

    class Row(BaseModel):
        prompt: str
        meta: Meta | None

    table = pl.DataFrame(
        {"prompt": ["p", "p", "p"], "meta": [{"judge": None, "turns": 1}, None, {"judge": "x", "turns": None}]}
    )

    assert ours(RowSchema(Row.model_json_schema()), table) == [True, True, False]


def test_only_what_polars_cannot_say_is_asked_of_python() -> None:
    document = {
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]"},
            "reward": {"type": "number", "minimum": 0, "exclusiveMaximum": 1.5},
            "label": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 3},
            "meta": {"type": "object", "properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
        },
        "required": ["prompt", "reward"],
        "additionalProperties": False,
    }
    columns = {
        "prompt": pl.String(),
        "reward": pl.Float64(),
        "label": pl.String(),
        "tags": pl.List(pl.String()),
        "meta": pl.Struct({"n": pl.Int64}),
    }
    assert [check.name for check in row_checks(RowSchema(document), columns) if check.by_python] == []

    document["properties"]["prompt"]["pattern"] = "(?=a)b"
    assert [check.name for check in row_checks(RowSchema(document), columns) if check.by_python] == ["prompt: pattern"]


NO_SCHEMAS: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "true": b"true",
    "a row": b'{"prompt": "x", "reward": 1}',
    "no keyword": b"{}",
    "another draft": b'{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}',
    "a type that is none": b'{"type": "text"}',
    "a minimum that is text": b'{"properties": {"a": {"minimum": "1"}}}',
    "a pattern that is none": b'{"properties": {"a": {"pattern": "("}}}',
    "a pattern of a name that is none": b'{"patternProperties": {"(": {}}}',
    "another document": b'{"$ref": "https://example.com/schema.json"}',
    "a file": b'{"$ref": "other.json"}',
    "a reference to nowhere": b'{"$ref": "#/$defs/none"}',
    "itself": b'{"$ref": "#"}',
    "itself in an allOf": b'{"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}',
    "nested": b'{"not":' * 20_000 + b"{}" + b"}" * 20_000,
    "NaN": b'{"minimum": NaN}',
    "too large": b'{"title": "' + b"x" * 5_000_000 + b'"}',
}


@pytest.mark.parametrize("content", NO_SCHEMAS.values(), ids=NO_SCHEMAS)
def test_a_file_that_is_no_schema_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "schema.json").write_bytes(content)

    with pytest.raises(DataError, match="is no JSON Schema of rows"):
        read_schema(str(tmp_path / "schema.json"))


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_schema(str(tmp_path / "schema.json"))


def test_a_tree_of_references_is_followed(tmp_path: Path) -> None:
    node = {"type": "object", "properties": {"n": {"minimum": 0}, "next": {"$ref": "#/$defs/node"}}}
    (tmp_path / "schema.json").write_text(json.dumps({"$ref": "#/$defs/node", "$defs": {"node": node}}))
    table = pl.DataFrame({"n": [1, 1, -1], "next": [{"n": 2, "next": {"n": -1}}, {"n": 0, "next": None}, None]})

    assert ours(read_schema(str(tmp_path / "schema.json")), table) == [False, True, False]


def test_an_anchored_schema_is_asked_of_jsonschema_as_a_whole() -> None:
    document = {"$ref": "#row", "$defs": {"row": {"$anchor": "row", "properties": {"a": {"minimum": 2}}}}}

    assert ours(RowSchema(document), pl.DataFrame({"a": [1, 2, None]})) == [False, True, True]


DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}


@pytest.mark.parametrize(
    "text",
    [
        '{"properties": {"reward": {"minimum": 1e400}}}',
        '{"properties": {"reward": {"enum": [1e999]}}}',
        '{"properties": {"prompt": {"const": "\\ud800"}}}',
        '{"properties": {"reward": {"anyOf": [{"$ref": "#/properties/reward"}, {"type": "number"}]}}}',
        json.dumps({"$defs": {**DOUBLING, "d24": {}}, "$ref": "#/$defs/d0"}),
    ],
)
def test_a_schema_that_cannot_be_followed_is_65_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "row.schema.json").write_text(text)
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.1, 0.2]))

    outcome = gcsl_data("check", "log.jsonl", "--schema", "row.schema.json", "--json", cwd=tmp_path)

    assert outcome.status == 65, outcome.out


@pytest.mark.parametrize(("keyword", "holds"), [("minLength", False), ("maxLength", True)])
def test_a_length_beyond_any_text_has_a_verdict(tmp_path: Path, keyword: str, holds: bool) -> None:
    (tmp_path / "row.schema.json").write_text(json.dumps({"properties": {"prompt": {keyword: 10**300}}}))
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.1, 0.2]))

    outcome = gcsl_data("check", "log.jsonl", "--schema", "row.schema.json", "--json", cwd=tmp_path)

    assert outcome.status == (0 if holds else 1), outcome.out
