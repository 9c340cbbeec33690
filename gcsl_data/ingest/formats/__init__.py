"""The log formats, one small file each; adding one is a file, a line here and a line in `recognise.SUFFIXES`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl

from gcsl_data.ingest.fault import Faults
from gcsl_data.ingest.formats import arrow, csv, json, jsonl, parquet
from gcsl_data.ingest.recognise import FormatName
from gcsl_data.ingest.refused import Unreadable


def _size_on_disk(path: Path) -> int:
    return path.stat().st_size


def _slice(_path: Path, scanned: pl.LazyFrame, start: int, rows: int | None) -> pl.LazyFrame:
    return scanned.slice(start, rows)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """How one format is read.

    `scan(path)` gives the log's columns plus `ROW_INDEX` (1-based), lazily. `find_faults(path, scanned)` looks for rows
    that a scan would refuse or silently change; `without(path, faults, target)` writes a copy with a placeholder for each
    of them. `find_unreadable(path, scanned)` comes before: rows that can be covered up where they stand, so that the rest
    is looked through as fast as a file without them. `to_plain(source, target, name, records)` turns what Polars does not
    scan into a file that it does, and says whether the rows stood at the path `records` inside it. `disagreement(path)`
    says what keeps the values of one field from being a column. `has_lines` says that a row of what is scanned is a line
    (or some) of the log itself, and not of a copy.

    `size(path)` is in bytes, of what Polars decodes. `some_rows(path, scanned, start, rows)` scans a stretch of rows;
    `is_indexed` says that it need not read those before.
    """

    scan: Callable[[Path], pl.LazyFrame]
    find_faults: Callable[[Path, pl.LazyFrame], Faults]
    without: Callable[[Path, Faults, Path], None] | None = None
    to_plain: Callable[[BinaryIO, Path, str, str | None], bool] | None = None
    disagreement: Callable[[Path], str | None] | None = None
    find_unreadable: Callable[[Path, pl.LazyFrame], dict[int, Unreadable]] | None = None
    has_lines: bool = True
    size: Callable[[Path], int] = _size_on_disk
    some_rows: Callable[[Path, pl.LazyFrame, int, int | None], pl.LazyFrame] = _slice
    is_indexed: bool = True

    @property
    def unit(self) -> str:
        """What a row number counts."""
        return "line" if self.has_lines else "record"


def _separated(separator: str) -> LogFormat:
    return LogFormat(
        partial(csv.scan, separator=separator),
        partial(csv.find_faults, separator=separator),
        partial(csv.without, separator=separator),
        is_indexed=False,
    )


LOG_FORMATS: dict[FormatName, LogFormat] = {
    "parquet": LogFormat(parquet.scan, parquet.find_faults, size=parquet.size),
    "arrow": LogFormat(arrow.scan, arrow.find_faults),
    "arrow-stream": LogFormat(arrow.scan, arrow.find_faults, to_plain=arrow.to_file),
    "jsonl": LogFormat(
        jsonl.scan,
        jsonl.find_faults,
        jsonl.without,
        disagreement=jsonl.disagreement,
        find_unreadable=jsonl.find_unreadable,
        some_rows=jsonl.some_rows,
    ),
    "json": LogFormat(
        jsonl.scan,
        jsonl.find_faults,
        jsonl.without,
        to_plain=json.to_lines,
        disagreement=jsonl.disagreement,
        has_lines=False,
        some_rows=jsonl.some_rows,
    ),
    "csv": _separated(","),
    "csv-semicolon": _separated(";"),  # as spreadsheets write it where the comma is in numbers
    "tsv": _separated("\t"),
}
