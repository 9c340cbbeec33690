"""JSON lines: one object per line. Every line is looked at for the schema, so a late column is not lost."""

import glob
import json
from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import shown


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX` (blank lines are not counted)."""
    literal = glob.escape(str(path))  # scan_ndjson has no glob=False, and `[` may stand in a name
    return pl.scan_ndjson(literal, infer_schema_length=None, row_index_name=ROW_INDEX, row_index_offset=1)


def find_fault(path: Path) -> str | None:
    """The first line that is not a JSON object, in words; None when all are.

    Runs only after Polars refused the file, whose own message names no line.
    """
    is_empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and (problem := _problem(line)):
                return f"line {number} {problem}"
            is_empty = is_empty and not line.strip()
    return "it has no records" if is_empty else None


def _problem(line: bytes) -> str | None:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at byte {error.start}"
    except RecursionError:
        return "is nested too deeply"
    except ValueError as error:
        return f"is not JSON: {error}"
    return None if isinstance(value, dict) else f"is not an object but {shown(value)}"


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")
