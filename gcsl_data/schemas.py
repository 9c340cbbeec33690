"""The JSON Schemas in `schemas/`, generated from the code; a test holds the files equal to this."""

from typing import Any

import polars as pl
from pydantic import TypeAdapter

from gcsl_data.columns import EXAMPLE, MESSAGES, RECORD, Column
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {pl.String(): "string", pl.Float64(): "number", pl.Int32(): "integer", pl.Int64(): "integer"}


def generate() -> dict[str, dict[str, Any]]:
    """File name to schema, for every file in `schemas/` that is generated."""
    return {
        "record.schema.json": _row_schema("record", "One row of a log, in our names.", RECORD),
        "example.schema.json": _row_schema("example", "One training row: a record that demonstrates a goal.", EXAMPLE),
        "manifest.schema.json": {"$schema": DIALECT, **_strict(TypeAdapter(Manifest).json_schema())},
        "recipe.schema.json": {"$schema": DIALECT, **TypeAdapter(Recipe).json_schema()},
    }


def _row_schema(title: str, about: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "title": title,
        "description": about,
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in columns},
        "required": [column.name for column in columns],
    }


def _column_schema(column: Column) -> dict[str, Any]:
    if column.dtype == MESSAGES:
        turn = {
            "type": "object",
            "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
            "required": ["role", "content"],
        }
        kinds: dict[str, Any] = {"anyOf": [{"type": "array", "items": turn}, {"type": "string"}]}
    else:
        name = _TYPES[column.dtype]
        kinds = {"type": [name, "null"] if column.nullable else name}
    return {**kinds, "description": column.about}


def _strict(schema: Any) -> Any:
    """Every object with listed properties refuses others, as `manifest.load` does."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _strict(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema and "type" in schema else inner
