"""Parquet: one row group after another, typed by the file itself."""

from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`."""
    return pl.scan_parquet(path, glob=False, row_index_name=ROW_INDEX, row_index_offset=1)


def find_fault(path: Path) -> str | None:
    """What is wrong with the file as a whole: Parquet has no lines."""
    with path.open("rb") as file:
        head = file.read(4)
    return None if head == b"PAR1" else f"it does not start with PAR1 but with {head!r}, so it is not Parquet"
