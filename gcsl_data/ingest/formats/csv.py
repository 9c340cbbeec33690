"""CSV with a header line. Every row is looked at for the column types."""

from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX` (records are counted, not lines: a quoted field may hold line ends)."""
    return pl.scan_csv(path, glob=False, infer_schema_length=None, row_index_name=ROW_INDEX, row_index_offset=1)


def find_fault(path: Path) -> str | None:
    """What is wrong with the file as a whole, where it can be told."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 at byte {error.start}"
    return None if text.strip() else "it is empty, without even a header line"
