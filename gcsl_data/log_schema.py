"""The shape of a log as JSON Schema, and what differs between two shapes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import DataError, UsageError, reading
from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.schemas import DIALECT


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `field` with dots and [] for list items, what it was and is; `breaking` for readers of the old."""

    field: str
    before: str | None
    after: str | None
    breaking: bool


def infer(log: str) -> dict[str, Any]:
    """JSON Schema of the rows of a log. Raises InputError (66) and DataError (65) as reading it does."""
    found, *others = find_logs([log])
    if others:
        raise UsageError("GD0220", f"{log} names {1 + len(others)} logs, and a schema is of one; name one of them")
    try:
        schema = found.scanned.collect_schema()
    except UNREADABLE as error:
        raise explain(error, [found]) from error
    fields = {name: _of_type(dtype) for name, dtype in schema.items() if name != ROW_INDEX}
    return {"$schema": DIALECT, "title": found.uri, "type": "object", "properties": fields}


def shape(path: str) -> dict[str, Any]:
    """The JSON Schema in a .schema.json file, else that of the log at `path`."""
    if not path.endswith(".schema.json"):
        return infer(path)
    with reading(path):
        content = Path(path).read_bytes()
    try:
        document = json.loads(content)
    except (RecursionError, ValueError) as error:
        raise DataError("GD6514", f"{path} is no JSON Schema: {error}") from None
    if not isinstance(document, dict) or "properties" not in document:
        raise DataError("GD6514", f"{path} is no JSON Schema of rows: it has no properties")
    try:
        jsonschema.Draft202012Validator.check_schema(document)
    except jsonschema.SchemaError as error:
        raise DataError("GD6514", f"{path} is no JSON Schema: {error.json_path}: {error.message}") from None
    return document


def diff(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What changed from one shape to the other, by field. A field that goes or changes its type is breaking."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    changes = []
    for field in sorted({*old, *new}):
        was, now = old.get(field), new.get(field)
        if was != now:
            widened = was == "integer" and now == "number"
            changes.append(Change(field, was, now, breaking=was is not None and not widened))
    return changes


def _leaves(schema: dict[str, Any] | bool, at: str) -> list[tuple[str, str]]:
    """Field and type name of everything below `schema`, which may be `true` or `false` for anything or nothing."""
    if isinstance(schema, bool):
        return [(at, "any" if schema else "nothing")]
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
    found = [(at, "|".join(sorted(names)))] if at else []
    for name, inner in schema.get("properties", {}).items():
        found += _leaves(inner, f"{at}.{name}" if at else name)
    if isinstance(schema.get("items"), dict):
        found += _leaves(schema["items"], f"{at}[]")
    return found


def _of_type(dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.Struct):
        return {"type": ["object", "null"], "properties": {field.name: _of_type(field.dtype) for field in dtype.fields}}  # pyright: ignore[reportArgumentType]
    if isinstance(dtype, pl.List | pl.Array):
        return {"type": ["array", "null"], "items": _of_type(dtype.inner)}  # pyright: ignore[reportArgumentType]
    if dtype.is_integer():
        return {"type": ["integer", "null"]}
    if dtype.is_numeric():
        return {"type": ["number", "null"]}
    if dtype == pl.Boolean:
        return {"type": ["boolean", "null"]}
    if dtype == pl.Null:
        return {"type": "null"}
    if dtype.is_temporal():
        return {"type": ["string", "null"], "format": str(dtype).lower()}
    return {"type": ["string", "null"]}
