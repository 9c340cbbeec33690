"""What a reader of one schema would miss under another: each kind of change, our own schemas, and against jsonschema."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.schema_diff import diff
from gcsl_data.schemas import generate

from .support import gcsl_data

OURS = {name.removesuffix(".schema.json"): schema for name, schema in generate().items()}


def record(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def said(before: Any, after: Any) -> list[str]:
    """Each change as one line, those that break with an exclamation mark."""
    return [f"{'!' if c.breaking else ''}{c.field}: {c.before} -> {c.after}" for c in diff(before, after)]


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
NULLABLE = {"anyOf": [TEXT, {"type": "null"}]}
DEFINED = {"$defs": {"T": TEXT, "M": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (record(a=TEXT), record(), ["!a: string -> None"]),
        (record(), record(a=TEXT), ["a: None -> string"]),
        (record(a=WHOLE), record(a=TEXT), ["!a: integer -> string"]),
        (record(a=WHOLE), record(a={"type": "number"}), ["!a: integer -> number"]),
        (record(a={"type": "number"}), record(a=WHOLE), ["a: number -> integer"]),
        (record(a=TEXT), record(a=NULLABLE), ["!a: string -> string|null"]),
        (record(a=NULLABLE), record(a=TEXT), ["a: string|null -> string"]),
        (record(a=NULLABLE), record(a={"type": ["null", "string"]}), []),
        (record(a=NULLABLE), record(a={"type": "null"}), ["!a: string|null -> null"]),
        (record("a", a=TEXT), record(a=TEXT), ["!a: string -> string or absent"]),
        (record(a=TEXT), record("a", a=TEXT), ["a: string or absent -> string"]),
        (record(a={"enum": ["x"]}), record(a={"enum": ["x", "y"]}), ['!a: "x" -> "x"|"y"']),
        (record(a={"enum": ["x", "y"]}), record(a={"const": "x"}), ['a: "x"|"y" -> "x"']),
        (record(a={"enum": ["x"]}), record(a=TEXT), ['!a: "x" -> string']),
        (record(a={"enum": [*range(9)]}), record(a={"enum": [*range(10)]}), ["!a: … -> …|9"]),
        (
            record(a={**WHOLE, "minimum": 1}),
            record(a={**WHOLE, "minimum": 0}),
            ["!a: integer(minimum 1) -> integer(minimum 0)"],
        ),
        (record(a={**TEXT, "minLength": 2}), record(a=TEXT), ["!a: string(minLength 2) -> string"]),
        (
            record(a={**WHOLE, "minimum": 0}),
            record(a={**WHOLE, "minimum": 1, "maximum": 5}),
            ["a: integer(minimum 0) -> integer(minimum 1, maximum 5)"],
        ),
        (record(a=record(b=TEXT, c=WHOLE)), record(a=record(b=WHOLE)), ["!a.b: string -> integer", "!a.c: integer -> None"]),
        (record(a={"items": TEXT}), record(a={"items": WHOLE}), ["!a[]: string -> integer"]),
        (record(a={"items": record(b=TEXT)}), record(a={"items": record()}), ["!a[].b: string -> None"]),
        (
            record(a={"prefixItems": [TEXT, WHOLE]}),
            record(a={"items": TEXT}),
            ["!a[1]: integer -> string", "a[]: None -> string"],
        ),
        (record(a={"additionalProperties": WHOLE}), record(a={"additionalProperties": TEXT}), ["!a.*: integer -> string"]),
        (
            record(a={"additionalProperties": WHOLE}),
            record(a=record(b=TEXT)),
            ["!a.*: integer -> any", "!a.b: integer -> string"],
        ),
        (record(a={"type": "object"}), record(a={**record(b=TEXT), "additionalProperties": False}), ["a.b: any -> string"]),
        (record(a=TEXT), record(a=True), ["!a: string -> any"]),
        (record(a={}), record(a=TEXT), ["a: any -> string"]),
        ({**record(a={"$ref": "#/$defs/M"}), **DEFINED}, record(a=NULLABLE), []),
        ({**record(a={"$ref": "#/$defs/M"}), **DEFINED}, record(a=TEXT), ["a: string|null -> string"]),
        (record(a=TEXT), {"$ref": "#/$defs/R", "$defs": {"R": record(a=TEXT)}}, []),
        (record(**{"a.b": TEXT, "a": record(b=TEXT)}), record(a=record(b=TEXT)), ['!"a.b": string -> None']),
    ],
)  # fmt: skip
def test_each_change_is_named_by_its_field(before: Any, after: Any, expected: list[str]) -> None:
    assert said(before, after) == expected


def test_a_definition_that_holds_itself_is_compared_once() -> None:
    def tree(**extra: Any) -> dict[str, Any]:
        node = record(name=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/Node"}}, **extra)
        return {"$defs": {"Node": node}, **record(tree={"$ref": "#/$defs/Node"})}

    assert said(tree(size=WHOLE), tree(size=TEXT)) == ["!tree.size: integer -> string"]
    assert said(tree(), tree()) == []


@pytest.mark.parametrize("name", OURS)
def test_a_schema_of_ours_does_not_differ_from_itself(name: str) -> None:
    assert diff(OURS[name], json.loads(json.dumps(OURS[name]))) == []


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema that lists properties."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for value in inner:
        yield from objects(value)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield schema


@pytest.mark.parametrize("name", OURS)
def test_any_field_that_goes_from_a_schema_of_ours_is_breaking(name: str) -> None:
    for at, listed in enumerate(objects(OURS[name])):
        for field in listed["properties"]:
            after = copy.deepcopy(OURS[name])
            here = [*objects(after)][at]
            del here["properties"][field]
            here["required"] = [other for other in here.get("required", []) if other != field]
            gone = [change for change in diff(OURS[name], after) if change.breaking]
            assert gone, f"{field} of {name}"
            assert all(change.after is None and change.field.split(".")[-1] == field for change in gone)
            assert not any(change.breaking for change in diff(after, OURS[name]))


SCALARS = ["x", "yy", 1, 2, 0.5, None]
NAMES = st.sampled_from("abc")
_LEAVES = st.one_of(
    st.sampled_from([TEXT, WHOLE, {"type": "number"}, {"type": "null"}, True]),
    st.builds(dict, type=st.lists(st.sampled_from(["string", "integer", "null"]), min_size=1, unique=True)),
    st.builds(dict, enum=st.lists(st.sampled_from(SCALARS), min_size=1, unique=True)),
    st.builds(dict, type=st.just("integer"), minimum=st.integers(0, 2)),
    st.builds(dict, type=st.just("string"), minLength=st.integers(0, 2)),
)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields, required = st.dictionaries(NAMES, inner, max_size=3), st.lists(NAMES, max_size=2, unique=True)
    kind = st.just("object")
    return st.one_of(
        st.builds(dict, type=kind, properties=fields, required=required),
        st.builds(dict, type=kind, properties=fields, required=required, additionalProperties=inner | st.just(False)),
        st.builds(dict, type=kind, additionalProperties=inner),
        st.builds(dict, type=st.just("array"), items=inner),
        st.builds(dict, type=st.just("array"), prefixItems=st.lists(inner, min_size=1, max_size=2)),
        st.builds(dict, anyOf=st.tuples(inner, st.just({"type": "null"})).map(list)),
    )


SCHEMAS = st.recursive(_LEAVES, _around, max_leaves=6)


def edited(schema: Any) -> st.SearchStrategy[Any]:
    """The schema as it is, or changed here and there."""
    if not isinstance(schema, dict):
        return st.just(schema) | _LEAVES
    parts = {key: st.just(value) for key, value in schema.items()}
    if "properties" in schema:
        parts["properties"] = st.fixed_dictionaries({name: edited(s) for name, s in schema["properties"].items()})
        parts["required"] = st.just(schema["required"]) | st.lists(NAMES, max_size=2, unique=True)
    for key in {"items", "additionalProperties"} & schema.keys():
        parts[key] = edited(schema[key])
    if "enum" in schema:
        parts["enum"] |= st.lists(st.sampled_from(schema["enum"]), min_size=1, unique=True)
    return st.just(schema) | st.fixed_dictionaries(parts) | _LEAVES


def values(schema: Any) -> st.SearchStrategy[Any]:
    """Values of which many are valid, with fields and items that the schema does not name."""
    any_scalar = st.sampled_from([*SCALARS, 0, "", True])
    if isinstance(schema, bool):
        return any_scalar
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.none() | values(schema["anyOf"][0])
    if schema["type"] == "object":
        fields, others = schema.get("properties", {}), values(schema.get("additionalProperties", True))
        known = st.fixed_dictionaries({}, optional={name: values(inner) for name, inner in fields.items()})
        return st.builds(lambda more, ours: {**more, **ours}, st.dictionaries(NAMES, others, max_size=3), known)
    if schema["type"] == "array" and "prefixItems" in schema:
        return st.tuples(*[values(place) for place in schema["prefixItems"]]).map(list)
    return st.lists(values(schema["items"]), max_size=2) if schema["type"] == "array" else any_scalar


def opened(schema: Any) -> Any:
    """The schema as it binds a reader who leaves alone what it does not name."""
    if isinstance(schema, list):
        return [opened(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: opened(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}


@given(SCHEMAS)
def test_no_schema_differs_from_itself(schema: Any) -> None:
    assert diff(schema, copy.deepcopy(schema)) == []


@given(st.data())
def test_what_is_not_breaking_is_valid_for_whoever_reads_the_old(data: st.DataObject) -> None:
    before = data.draw(SCHEMAS)
    after = data.draw(edited(before) | SCHEMAS)
    old, new = (jsonschema.Draft202012Validator(schema) for schema in (opened(before), after))
    found = [value for value in data.draw(st.lists(values(after), min_size=4, max_size=8)) if new.is_valid(value)]
    is_breaking = any(change.breaking for change in diff(before, after))
    event(f"breaking: {is_breaking}, new values: {not all(old.is_valid(value) for value in found)}")

    assert is_breaking or all(old.is_valid(value) for value in found)


HOSTILE = {
    "nowhere": (record(a={"$ref": "#/$defs/None"}), "GD6561"),
    "a list": (record(a={"$ref": "#/required"}), "GD6561"),
    "no schema": (record(a={"$ref": "#/properties"}, type=TEXT), "GD6561"),
    "elsewhere": (record(a={"$ref": "https://example.org/x.json"}), "GD6561"),
    "itself": ({"$defs": {"A": {"$ref": "#/$defs/A"}}, **record(a={"$ref": "#/$defs/A"})}, "GD6561"),
    "two that lead to each other": (
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, **record(a={"$ref": "#/$defs/A"})},
        "GD6561",
    ),
    "not": (record(a={"not": {}}), "GD6562"),
    "beside": (record(a={"anyOf": [TEXT], "minLength": 3}), "GD6562"),
    "several at once": (record(a={"allOf": [TEXT, WHOLE]}), "GD6562"),
    "doubled thirty times": (
        {
            "$defs": {
                f"D{i}": record(x={"$ref": f"#/$defs/D{i + 1}"}, y={"$ref": f"#/$defs/D{i + 1}"}) for i in range(30)
            }
            | {"D30": TEXT},
            **record(a={"$ref": "#/$defs/D0"}),
        },
        "GD6563",
    ),
    "a chain of a thousand": (
        {
            "$defs": {f"D{i}": record(x={"$ref": f"#/$defs/D{i + 1}"}) for i in range(1000)} | {"D1000": TEXT},
            **record(a={"$ref": "#/$defs/D0"}),
        },
        "GD6563",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_compared_is_one_line(name: str, tmp_path: Path) -> None:
    schema, code = HOSTILE[name]
    (tmp_path / "x.schema.json").write_text(json.dumps(schema))

    with pytest.raises(DataError) as caught:
        diff(schema, schema)
    outcome = gcsl_data("schema", "diff", "x.schema.json", "x.schema.json", cwd=tmp_path)

    assert caught.value.code == code
    assert (outcome.status, len(outcome.errors), outcome.out) == (65, 1, "")
    assert "x.schema.json" in outcome.errors[0]


@pytest.mark.parametrize(
    "deep",
    [
        '{"type": "object", "properties": {"a": ' * 900 + "true" + "}}" * 900,
        '{"type": "object", "properties": {"a": {"const": ' + "[" * 90_000 + "]" * 90_000 + "}}}",
    ],
    ids=["fields", "a listed value"],
)
def test_what_is_nested_a_thousand_times_is_one_line(deep: str, tmp_path: Path) -> None:
    (tmp_path / "x.schema.json").write_text(deep)

    outcome = gcsl_data("schema", "diff", "x.schema.json", "manifest", cwd=tmp_path)

    assert (outcome.status, len(outcome.errors)) == (65, 1)


def test_the_name_of_a_schema_of_ours_stands_for_it(tmp_path: Path) -> None:
    older = copy.deepcopy(OURS["manifest"])
    older["$defs"]["Fit"]["properties"]["spread"] = {"type": "number"}
    del older["$defs"]["Goal"]["properties"]["text"]
    older["$defs"]["Goal"]["required"].remove("text")
    (tmp_path / "manifest.schema.json").write_text(json.dumps(older))

    outcome = gcsl_data("schema", "diff", "manifest.schema.json", "manifest", cwd=tmp_path)
    breaking = gcsl_data("schema", "diff", "manifest.schema.json", "manifest", "--breaking-only", cwd=tmp_path)

    assert outcome.status == breaking.status == 1
    assert outcome.out.splitlines() == [
        "breaking  fit.spread: number -> absent",
        "added     goals[].text: absent -> string|null",
    ]
    assert breaking.out.splitlines() == outcome.out.splitlines()[:1]
    assert gcsl_data("schema", "diff", "manifest", "manifest", cwd=tmp_path).status == 0
