"""The shape of a log as JSON Schema, and schemas that were kept in files."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import DataError, UsageError, reading
from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.schemas import DIALECT, generate


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


def schema_of(name: str) -> dict[str, Any]:
    """The schema of ours called `name`, else the JSON Schema in a .schema.json file, else that of the log at `name`.

    Raises InputError (66) for a file that cannot be read, DataError (65) for one that is no JSON Schema of rows.
    """
    if ours := generate().get(f"{name}.schema.json"):
        return ours
    return _kept(name) if name.endswith(".schema.json") else infer(name)


def _kept(path: str) -> dict[str, Any]:
    with reading(path):
        content = Path(path).read_bytes()
    try:
        document = json.loads(content)
        jsonschema.Draft202012Validator.check_schema(document)
    except jsonschema.SchemaError as error:
        raise DataError("GD6514", f"{path} is no JSON Schema: {error.json_path}: {error.message}") from None
    except RecursionError:
        raise DataError(
            "GD6560", f"{path} is nested too deeply to be read; say inner parts once, under $defs"
        ) from None
    except ValueError as error:
        raise DataError("GD6514", f"{path} is no JSON Schema: {error}") from None
    if not isinstance(document, dict) or not {"properties", "$ref"} & document.keys():
        raise DataError("GD6514", f"{path} is no JSON Schema of rows: it has no properties")
    return document


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
