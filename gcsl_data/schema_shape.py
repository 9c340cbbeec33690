"""What a JSON Schema says of one value: its types, listed values and bounds, and what stands inside it.

References within the document are followed, and the alternatives of `anyOf` and `oneOf` are taken together: a field that only
some of them have may be absent. A keyword whose meaning would have to be guessed is an error, never passed over.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import jsonschema

from gcsl_data.errors import DataError, shown

Schema = dict[str, Any] | bool
Node = tuple[Schema, ...]  # the alternatives of one value, none of them a reference

ANYTHING = "any"
_BOUNDS: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
}
_BOUNDS |= {"integer": _BOUNDS["number"], ANYTHING: tuple(key for keys in _BOUNDS.values() for key in keys)}
_INSIDE = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems"),
}
_CHOICES = ("$ref", "allOf", "anyOf", "oneOf")
_UNREAD = {
    *("not", "if", "then", "else", "patternProperties", "propertyNames", "dependencies", "dependentRequired"),
    *("dependentSchemas", "contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"),
    *("additionalItems", "$dynamicRef", "$recursiveRef"),
}
_READ = {"type", "enum", "const", *_BOUNDS[ANYTHING], *_INSIDE["object"], *_INSIDE["array"]}
_SAYS_SOMETHING = {*_READ, *_CHOICES, *_UNREAD}  # all else only describes


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value of one JSON type may be: one of `values` (as JSON), or whatever keeps all bounds of one of `ranges`."""

    values: frozenset[str] = frozenset()
    ranges: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Inside:
    """What an object or an array holds: `named` fields or places, and all others.

    `always` are the fields that no object lacks. `rest` is None where other fields may not stand (`closed`), or may and
    nothing is said of them beside the named ones.
    """

    named: Mapping[str | int, Node]
    always: frozenset[str | int]
    rest: Node | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One value: what it may be by JSON type, and what it holds where it is an object or an array."""

    kinds: Mapping[str, Kind]
    inside: Mapping[str, Inside]


class Document:
    """A JSON Schema, valid against its dialect, with the name that errors give it."""

    def __init__(self, root: Schema, name: str) -> None:
        self._root = root
        self._name = name
        # By identity: the root holds every schema, and these hold every node, so an id stays what it is.
        self._targets: dict[str, Schema] = {}
        self._nodes: dict[tuple[int, ...], Node] = {}
        self._shapes: dict[int, Shape] = {}

    @property
    def root(self) -> Node:
        """The alternatives of the whole document."""
        return self.node(self._root)

    def node(self, *schemas: Schema) -> Node:
        """The alternatives of a value, each once; the same object for the same alternatives.

        Raises DataError (65) for a reference that cannot be followed.
        """
        asked = tuple(id(schema) for schema in schemas)
        if asked not in self._nodes:
            found = self._alternatives(schemas)
            self._nodes[asked] = self._nodes.setdefault(tuple(id(schema) for schema in found), found)
        return self._nodes[asked]

    def shape(self, node: Node) -> Shape:
        """What a node of this document says, all alternatives together."""
        if id(node) not in self._shapes:
            self._shapes[id(node)] = self._shape(node)
        return self._shapes[id(node)]

    def _alternatives(self, schemas: Node) -> Node:
        found: list[Schema] = []
        seen: set[int] = set()
        waiting = [*reversed(schemas)]
        while waiting:
            schema = waiting.pop()
            if id(schema) not in seen:
                seen.add(id(schema))
                further = self._further(schema)
                found += [schema] if further is None else []
                waiting += reversed(further or [])
        if not found:
            raise DataError("GD6561", f"{self._name}: a $ref leads to itself and says nothing; say what it stands for")
        return tuple(found)

    def _further(self, schema: Schema) -> list[Schema] | None:
        """The schemas that a reference or a choice stands for; None for a schema that speaks for itself."""
        if isinstance(schema, bool):
            return None
        said = _SAYS_SOMETHING.intersection(schema)
        if unread := sorted(said & _UNREAD):
            raise self._unread(unread[0])
        if "$id" in schema and schema is not self._root:
            raise self._unread("$id below the top")  # it would change what a $ref means
        elsewhere = sorted(said.intersection(_CHOICES))
        if not elsewhere:
            return None
        if others := sorted(said - {elsewhere[0]}):
            raise self._unread(f"{others[0]} beside {elsewhere[0]}")
        if elsewhere[0] == "$ref":
            if schema["$ref"] not in self._targets:
                self._targets[schema["$ref"]] = self._target(schema["$ref"])
            return [self._targets[schema["$ref"]]]
        if elsewhere[0] == "allOf" and len(schema["allOf"]) > 1:
            raise self._unread("several schemas in allOf")
        return schema[elsewhere[0]]

    def _unread(self, what: str) -> DataError:
        return DataError("GD6562", f"{self._name} uses {shown(what)}, which cannot be compared; write it without")

    def _astray(self, reference: str, how: str) -> DataError:
        return DataError("GD6561", f"{self._name}: $ref {shown(reference)} {how}")

    def _target(self, reference: str) -> Schema:
        if reference != "#" and not reference.startswith("#/"):
            raise self._astray(reference, "is no #/...; bring what it names in under $defs")
        steps = [unquote(step).replace("~1", "/").replace("~0", "~") for step in reference[1:].split("/")[1:]]
        at: Any = self._root
        for key in steps:
            if isinstance(at, dict) and key in at:
                at = at[key]
            elif isinstance(at, list) and key.isdecimal() and len(key) < 10 and int(key) < len(at):
                at = at[int(key)]
            else:
                raise self._astray(reference, "leads nowhere; mend it")
        is_definition = not steps or (len(steps) == 2 and steps[0] in ("$defs", "definitions"))
        if not is_definition and not _is_schema(at):  # definitions were checked with the document
            raise self._astray(reference, "leads to no schema; mend it")
        return at

    def _shape(self, node: Node) -> Shape:
        pools: dict[str, tuple[set[str], list[Mapping[str, Any]]]] = {}
        for schema in node:
            for kind, value in _possible(schema):
                values, ranges = pools.setdefault(kind, (set(), []))
                if value is not None:
                    values.add(value)
                elif (bounds := _bounds(schema, kind)) not in ranges:
                    ranges.append(bounds)
        inside = {}
        for kind, read in (("object", _fields), ("array", _places)):
            parts = [read(s) for s in node if isinstance(s, dict) and (kind, None) in _possible(s)]
            if parts:
                inside[kind] = self._together(parts)
        kinds = {kind: Kind(frozenset(v), tuple(sorted(r, key=json.dumps))) for kind, (v, r) in pools.items()}
        return Shape(kinds, inside)

    def _together(self, parts: list["_Part"]) -> Inside:
        """What several alternatives hold: a place that one of them leaves to its others is as those are."""
        labels = list(dict.fromkeys(label for part in parts for label in part.named))
        named = {}
        for label in labels:
            said = [part.named.get(label, part.rest) for part in parts]
            named[label] = self.node(*[schema for schema in said if schema is not None])
        always = frozenset(labels).intersection(*[part.always for part in parts])
        rests = [part.rest for part in parts if part.rest is not None]
        return Inside(named, always, self.node(*rests) if rests else None, all(part.closed for part in parts))


def _is_schema(part: Any) -> bool:
    try:
        jsonschema.Draft202012Validator.check_schema(part)
    except jsonschema.SchemaError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Part:
    named: Mapping[str | int, Schema]
    always: frozenset[str | int]
    rest: Schema | None
    closed: bool


def _fields(schema: dict[str, Any]) -> _Part:
    always = schema.get("required", [])
    named = {**dict.fromkeys(always, True), **schema.get("properties", {})}
    others = schema.get("additionalProperties", True)
    return _Part(named, frozenset(always), _said(others, "properties" in schema), others is False)


def _places(schema: dict[str, Any]) -> _Part:
    named: dict[str | int, Schema] = dict(enumerate(schema.get("prefixItems", ())))
    others = schema.get("items", True)
    return _Part(named, frozenset(), _said(others, "prefixItems" in schema), others is False)


def _said(others: Schema, some_are_listed: bool) -> Schema | None:
    """What is said of all others. Beside listed ones, that they may be anything says nothing."""
    return None if others is False or (some_are_listed and others in (True, {})) else others


def _possible(schema: Schema) -> Iterator[tuple[str, str | None]]:
    """Type and value, as JSON, of each listed value; type and None where a type is not held to listed values."""
    if isinstance(schema, bool):
        if schema:
            yield ANYTHING, None
        return
    said = schema.get("type", [])
    types = [said] if isinstance(said, str) else said
    if "const" in schema or "enum" in schema:
        listed = [schema["const"]] if "const" in schema else schema["enum"]
        for value in listed:
            kind = _type_of(value)
            if not types or kind in types or (kind == "integer" and "number" in types):
                whole = int(value) if kind == "integer" else value  # 1.0 is 1
                yield kind, None if kind == "null" else json.dumps(whole, sort_keys=True, ensure_ascii=False)
        return
    implied = [kind for kind, keys in _INSIDE.items() if any(key in schema for key in keys)]
    for kind in types or implied or [ANYTHING]:
        yield kind, None


def _type_of(value: Any) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _bounds(schema: Schema, kind: str) -> dict[str, Any]:
    said = schema if isinstance(schema, dict) else {}
    return {key: said[key] for key in _BOUNDS.get(kind, ()) if key in said and said[key] is not False}
