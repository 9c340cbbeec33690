"""Arrow IPC: the file format is scanned as it is, the stream format is copied into a file first."""

import glob
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import DataError
from gcsl_data.ingest.fault import Faults


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`."""
    return pl.scan_ipc(glob.escape(str(path)), row_index_name=ROW_INDEX, row_index_offset=1)


def find_faults(path: Path, scanned: pl.LazyFrame) -> Faults:
    """None: a damaged file is damaged as a whole, and reading it says so."""
    return Faults()


def to_file(source: BinaryIO, target: Path, name: str, records: str | None = None) -> bool:
    """Copies a stream into the file format, a batch at a time; there are no `records` inside it to be found.

    Raises DataError (65) for a damaged stream.
    """
    try:
        with pa.ipc.open_stream(source) as reader, pa.ipc.new_file(str(target), reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    except pa.ArrowException as error:
        raise DataError("GD1102", f"{name}: cannot be decoded: {error}; fetch it again") from None
    return False
