"""Parquet: typed by the file itself; it has no lines that could be set aside."""

from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.fault import Faults


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`."""
    return pl.scan_parquet(path, glob=False, row_index_name=ROW_INDEX, row_index_offset=1)


def size(path: Path) -> int:
    """Bytes of all columns before they are compressed."""
    with suppress(pa.ArrowException, OSError):
        found = pq.read_metadata(path)
        return sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    return path.stat().st_size  # what is wrong with it is said when it is read


def find_faults(path: Path, scanned: pl.LazyFrame) -> Faults:
    """None: a damaged file is damaged as a whole, and reading it says so."""
    return Faults()
