"""The JSON Schemas in `schemas/`, generated from the code and written; a test holds the files equal to this."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
from pydantic import TypeAdapter

from gcsl_data.columns import KINDS, MESSAGES, RECORD, Column
from gcsl_data.dataset import files
from gcsl_data.dataset.manifest import Kind, Manifest
from gcsl_data.errors import OutputError
from gcsl_data.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: dict[pl.DataType, str] = {
    pl.String(): "string",
    pl.Float64(): "number",
    pl.Int32(): "integer",
    pl.Int64(): "integer",
    pl.Boolean(): "boolean",
}
# Kind of dataset -> the title and the words of its row.
_ROWS: dict[Kind, tuple[str, str]] = {
    "examples": ("example", "One training row: a record that demonstrates a goal."),
    "pairs": ("pair", "One training row: a better and a worse response to a prompt."),
    "unpaired": ("unpaired", "One training row: a response that is a good one, or not."),
    "multi-negative": ("multi-negative", "One training row: a good response to a prompt and several worse ones."),
    "groups": ("group-member", "One training row: a response, and how much better it is than its group."),
}


def generate() -> dict[str, dict[str, Any]]:
    """File name to schema, for every file in `schemas/` that is generated."""
    return {
        "record.schema.json": _row_schema("record", "One row of a log, in our names.", RECORD),
        **{f"{title}.schema.json": _row_schema(title, about, KINDS[kind]) for kind, (title, about) in _ROWS.items()},
        "manifest.schema.json": {"$schema": DIALECT, **_strict(TypeAdapter(Manifest).json_schema())},
        "recipe.schema.json": {"$schema": DIALECT, **TypeAdapter(Recipe).json_schema()},
    }


@dataclass(frozen=True, slots=True)
class Exported:
    """Names of the files that were written, and of those that stood there already as they are to be."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def export(folder: Path, *, overwrite: bool = False) -> Exported:
    """Writes all schemas into `folder`, a file each. Files that hold the same already are left alone.

    Raises OutputError (73), before anything is written, when a file holds something else and is not to be overwritten;
    WriteError (74) when the disk refuses.
    """
    texts = {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in generate().items()}
    written = []
    for name, text in texts.items():
        files.require_file_or_nothing(folder / name)
        if not _holds(folder / name, text):
            written.append(name)
    others = [name for name in written if (folder / name).exists()]
    if others and not overwrite:
        text = f"{folder / others[0]} holds something else; pass --overwrite, or name another folder"
        raise OutputError("GD7305", text)
    for name in written:
        with files.staged_file(folder / name, overwrite=overwrite) as file:
            files.write_bytes(file, texts[name].encode())
    return Exported(tuple(written), tuple(name for name in texts if name not in written))


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:  # absent, or not to be read, and then not to be taken for the same
        return False


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
    kinds = _value_schema(column.dtype)
    if column.nullable:
        kinds["type"] = [kinds["type"], "null"]
    return {**kinds, "description": column.about}


def _value_schema(dtype: pl.DataType) -> dict[str, Any]:
    if dtype == MESSAGES:
        turn = {
            "type": "object",
            "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
            "required": ["role", "content"],
        }
        return {"anyOf": [{"type": "array", "items": turn}, {"type": "string"}]}
    if isinstance(dtype, pl.List):
        return {"type": "array", "items": _value_schema(cast("pl.DataType", dtype.inner))}
    return {"type": _TYPES[dtype]}


def _strict(schema: Any) -> Any:
    """Every object with listed properties refuses others, as `manifest.load` does."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _strict(value) for key, value in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema and "type" in schema else inner
