"""The log formats, one small file each. A format scans a file lazily, and can find the fault when scanning fails."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gcsl_data.errors import InputError
from gcsl_data.ingest.formats import csv, jsonl, parquet


@dataclass(frozen=True, slots=True)
class LogFormat:
    """`scan(path)` gives the log's columns plus `ROW_INDEX` (1-based); `find_fault(path)` says in words where the
    first undecodable place is, or None. `suffixes` are the file name endings, lower case.
    """

    scan: Callable[[Path], pl.LazyFrame]
    find_fault: Callable[[Path], str | None]
    suffixes: tuple[str, ...]


LOG_FORMATS = {
    "parquet": LogFormat(parquet.scan, parquet.find_fault, (".parquet", ".pq")),
    "jsonl": LogFormat(jsonl.scan, jsonl.find_fault, (".jsonl", ".ndjson")),
    "csv": LogFormat(csv.scan, csv.find_fault, (".csv",)),
}


def format_of(path: Path) -> LogFormat:
    """The format of a log, by its name's ending. Raises InputError (66) for one that we do not read."""
    for log_format in LOG_FORMATS.values():
        if path.name.lower().endswith(log_format.suffixes):
            return log_format
    known = ", ".join(suffix for log_format in LOG_FORMATS.values() for suffix in log_format.suffixes)
    raise InputError("GD6603", f"{path}: unknown kind of log; expected a name ending in {known}")
