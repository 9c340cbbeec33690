"""Parquet: typed by the file itself; it has no lines that could be set aside."""

from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.fault import Faults


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`."""
    return pl.scan_parquet(path, glob=False, row_index_name=ROW_INDEX, row_index_offset=1)


def find_faults(path: Path, scanned: pl.LazyFrame) -> Faults:
    """None: a damaged file is damaged as a whole, and reading it says so."""
    return Faults()
