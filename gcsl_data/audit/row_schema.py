"""A JSON Schema (draft 2020-12) for the rows of a log: read, taken apart, and what a row is as a document.

A table has a value for every column, so a field that was never written and one that is null look alike in it. A null
counts as the JSON null where the schema of its field takes one, and as a field that is absent everywhere else.
A float that is not finite is no JSON number.
"""

import datetime
import decimal
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators
import referencing
import referencing.exceptions
from referencing.jsonschema import DRAFT202012

from gcsl_data.errors import DataError, reading, shown
from gcsl_data.schemas import DIALECT

Schema = dict[str, Any] | bool
MOST_BYTES = 4 * 1024 * 1024
MOST_PARTS = 100_000  # jsonschema follows each of them for every row
_VALUES = ("const", "enum", "default", "examples")  # keywords that hold no schema
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")  # whose keys are no keywords
NEVER: dict[str, Any] = {"not": {}}
EITHER = "x-gcsl-either"  # no keyword: schemas of which any may hold
_ANCHORED = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$id")


def _is_number(_checker: object, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(_checker: object, value: object) -> bool:
    return _is_number(_checker, value) and float(value).is_integer() if isinstance(value, float) else _is_int(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_CHECKER = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
Validator: Any = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_CHECKER)


class RowSchema:
    """One schema and the questions that are asked of it; all its references lead into itself."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.validator = Validator(document, registry=referencing.Registry())
        self.is_anchored = any(name in node for node in _nodes(document, is_root=False) for name in _ANCHORED)
        self._takes_null: dict[int, bool] = {}
        self._eithers: dict[tuple[int, ...], dict[str, Any]] = {}

    def spread(self, schema: Schema, seen: set[int] | None = None) -> Iterator[dict[str, Any]]:
        """The schemas that hold at once where this one does: itself, what it refers to, and its allOf; each once."""
        seen = set() if seen is None else seen
        if schema is False:
            schema = NEVER
        if isinstance(schema, bool) or id(schema) in seen:
            return
        yield schema
        seen.add(id(schema))
        if isinstance(reference := schema.get("$ref"), str) and (target := self.target(reference)) is not None:
            yield from self.spread(target, seen)
        for part in schema.get("allOf", ()):
            yield from self.spread(part, seen)

    def target(self, reference: str) -> Schema | None:
        """What a reference into this document leads to; None for one that goes by an anchor."""
        if reference != "#" and not reference.startswith("#/"):
            return None
        found: Any = self.document
        for part in reference[2:].split("/") if reference != "#" else ():
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found

    def fields(self, schemas: Iterable[Schema], name: str, seen: frozenset[int] = frozenset()) -> list[Schema]:
        """What these schemas say of one field of an object; what only some alternatives say of it is marked as such."""
        found: list[Schema] = []
        for part in self._parts(schemas, seen):
            extra = part.get("additionalProperties")
            if name in part.get("properties", {}):
                found.append(part["properties"][name])
            elif isinstance(extra, dict) and "patternProperties" not in part:
                found.append(extra)
            found += self._either(self.fields(_alternatives(part), name, seen | {id(part)}))
        return found

    def items(self, schemas: Iterable[Schema], seen: frozenset[int] = frozenset()) -> list[Schema]:
        """What these schemas say of every item of an array."""
        found: list[Schema] = []
        for part in self._parts(schemas, seen):
            if "items" in part and "prefixItems" not in part:
                found.append(part["items"])
            found += self._either(self.items(_alternatives(part), seen | {id(part)}))
        return found

    def _parts(self, schemas: Iterable[Schema], seen: frozenset[int]) -> list[dict[str, Any]]:
        return [part for schema in schemas for part in self.spread(schema, {*seen})]

    def _either(self, schemas: list[Schema]) -> list[Schema]:
        """Schemas of which any may hold, as one that says so; none for none."""
        if not schemas:
            return []
        key = tuple(map(id, schemas))
        if key not in self._eithers:
            self._eithers[key] = {EITHER: schemas}  # kept, because schemas are known by their id
        return [self._eithers[key]]

    def takes_null(self, schemas: list[Schema]) -> bool:
        """Whether a field with these schemas may be null; one that they say nothing of is absent instead."""
        return bool(schemas) and all(self._one_takes_null(schema) for schema in schemas)

    def _one_takes_null(self, schema: Schema) -> bool:
        if isinstance(schema, bool):
            return schema
        if EITHER in schema:
            return any(self._one_takes_null(one) for one in schema[EITHER])
        if id(schema) not in self._takes_null:
            self._takes_null[id(schema)] = self.part(schema).is_valid(None)
        return self._takes_null[id(schema)]

    def part(self, schema: Schema) -> Any:
        """A validator for a part of this schema, with the same references."""
        return self.validator.evolve(schema=schema)

    def as_document(self, value: Any, schemas: list[Schema]) -> Any:
        """A value of a table as JSON has it; see above for what becomes of nulls."""
        if isinstance(value, dict):
            said = {name: self.fields(schemas, name) for name in value}
            return {
                name: self.as_document(inner, said[name])
                for name, inner in value.items()
                if inner is not None or self.takes_null(said[name])
            }
        if isinstance(value, list):
            inside = self.items(schemas)
            return [self.as_document(item, inside) for item in value]
        return plain(value)


def _alternatives(part: dict[str, Any]) -> list[Schema]:
    """Schemas that may hold where this one does."""
    branches = [part[name] for name in ("if", "then", "else") if name in part]
    return [*part.get("anyOf", ()), *part.get("oneOf", ()), *branches, *part.get(EITHER, ())]


def plain(value: Any) -> Any:
    """A scalar of a table as JSON has it: times as ISO 8601 text, decimals as numbers, bytes as text."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def read_schema(path: str) -> RowSchema:
    """The schema in a file. Raises InputError (66), and DataError (65) for a file that is no JSON Schema of rows."""
    with reading(path), Path(path).open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES} bytes")
        document = json.loads(content, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        if not isinstance(document, dict):
            raise ValueError(f"it is {shown(document)}, not an object")
        _require_ours(document)
        Validator.check_schema(document)
        _require_sound(document)
        schema = RowSchema(document)
        if _parts_of(schema, document, {}) > MOST_PARTS:
            raise ValueError(f"its references spread to more than {MOST_PARTS:,} parts")
        schema.validator.is_valid({})  # a schema that refers to itself without end has no verdict
    except RecursionError:
        raise _no_schema(path, "it is nested, or refers to itself, without end") from None
    except jsonschema.SchemaError as error:
        raise _no_schema(path, f"{error.json_path}: {error.message}") from None
    except (ValueError, referencing.exceptions.Unresolvable) as error:
        raise _no_schema(path, str(error)) from None
    return schema


def _no_schema(path: str, why: str) -> DataError:
    return DataError("GD6550", f"{path} is no JSON Schema of rows: {why}; gcsl-data schema infer LOG prints one")


def _parts_of(schema: RowSchema, node: Any, known: dict[int, int]) -> int:
    """How many parts a schema has when every reference is followed; one that is being followed already counts once."""
    if not isinstance(node, dict | list):
        return 0
    if id(node) not in known:
        known[id(node)] = 1
        inner = [value for key, value in node.items() if key != "$defs"] if isinstance(node, dict) else node
        parts = 1 + sum(_parts_of(schema, value, known) for value in inner)
        if isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
            parts += _parts_of(schema, schema.target(reference), known)
        known[id(node)] = parts
    return known[id(node)]


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the number {shown(number)} is too large")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _require_ours(document: dict[str, Any]) -> None:
    dialect = document.get("$schema", DIALECT)
    if not isinstance(dialect, str) or dialect.rstrip("#") != DIALECT:
        raise ValueError(f"it is written in {shown(dialect, limit=60)}, and draft 2020-12 is read")
    if not set(document) & {*Validator.VALIDATORS, "$defs"}:
        raise ValueError(f"no keyword of JSON Schema stands in it, only {shown(', '.join(document), limit=60)}")


def _require_sound(document: dict[str, Any]) -> None:
    """Raises ValueError for a pattern that is none and for a reference that leads out of the document or nowhere."""
    root = DRAFT202012.create_resource(document)
    resolver: Any = referencing.Registry().with_resource("", root).resolver()
    for node in _nodes(document, is_root=True):
        patterns = [node.get("pattern"), *node.get("patternProperties", {})]
        for pattern in (pattern for pattern in patterns if isinstance(pattern, str)):
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"the pattern {shown(pattern)} is none ({error})") from None
        for name in ("$ref", "$dynamicRef"):
            if isinstance(reference := node.get(name), str):
                if not reference.startswith("#"):
                    raise ValueError(f"{name} {shown(reference)} leads to another document; put it into $defs")
                resolver.lookup(reference)


def _nodes(schema: Any, *, is_root: bool) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, and itself if it `is_root`."""
    if not isinstance(schema, dict):
        return
    if is_root:
        yield schema
    for keyword, argument in schema.items():
        if keyword in _VALUES:
            continue
        inner: Iterable[Any] = (
            argument.values() if keyword in _NAMED and isinstance(argument, dict)
            else argument if isinstance(argument, list)
            else [argument]
        )  # fmt: skip
        for one in inner:
            yield from _nodes(one, is_root=True)
