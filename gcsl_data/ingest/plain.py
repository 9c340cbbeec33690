"""From what a team has to what Polars scans: decompress, rewrite documents as lines, put faulty rows aside.

Most logs are scanned where they lie. The others are copied into a temporary folder, a piece at a time; it goes away when the
process ends, because a lazy frame that reads it may outlive everything else.
"""

import atexit
import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from gcsl_data.dataset.files import new_locked_folder, remove_abandoned
from gcsl_data.errors import DataError, WriteError
from gcsl_data.ingest.fault import Faults
from gcsl_data.ingest.formats import LOG_FORMATS
from gcsl_data.ingest.recognise import Recognised, open_plain
from gcsl_data.ingest.refused import cover

_TEMPORARY = "gcsl-copies-"
_UTF8_BOM = b"\xef\xbb\xbf"


class Plain(NamedTuple):
    """A file that Polars scans, its scan (whose schema is known where that took a look at every row), and faulty rows."""

    path: Path
    scanned: pl.LazyFrame
    faults: Faults
    has_records: bool


def make_plain(path: Path, found: Recognised, *, name: str, records: str | None = None) -> Plain:
    """The log at `path` as a file ready to be scanned. `records` is where rows stand inside a document that is one object;
    `has_records` says that they were found there.

    Raises DataError (65) when it cannot be decoded.
    """
    log_format = LOG_FORMATS[found.format]
    copied = found.codec is not None or log_format.to_plain is not None or (found.has_bom and found.format == "jsonl")
    has_records = False
    if copied:
        copy = temporary_folder() / Path(name).name  # messages name it
        has_records = _copy(path, found, copy, name, records)
        path = copy
    scanned = log_format.scan(path)
    unreadable = log_format.find_unreadable(path, scanned) if log_format.find_unreadable else {}
    if unreadable:
        path = path if copied else shutil.copyfile(path, temporary_folder() / "covered")
        copied = True
        cover(path, unreadable.values())
        scanned = log_format.scan(path)
    rest = log_format.find_faults(path, scanned)
    rows = rest.rows | {number: line.fault for number, line in unreadable.items()}
    faults = replace(rest, rows=dict(sorted(rows.items())))
    if not (rest and log_format.without):
        return Plain(path, scanned, faults, has_records)
    cleaned = temporary_folder() / "cleaned"
    log_format.without(path, rest, cleaned)
    if copied:
        path.unlink()
    return Plain(cleaned, log_format.scan(cleaned), faults, has_records)


def temporary_folder() -> Path:
    """A new folder that is removed when the process ends."""
    return Path(tempfile.mkdtemp(dir=_own_folder(os.getpid())))


@functools.cache
def _own_folder(_process: int) -> Path:
    """The folder of this process for all its copies. Those that killed processes left are removed first."""
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent, _TEMPORARY)
    folder, _ = new_locked_folder(parent, _TEMPORARY, mode=0o700)  # the lock is let go when the process ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_temporary(path: Path) -> bool:
    """Whether a file stands in one of our temporary folders, so that its place says nothing to a person."""
    ours = Path(tempfile.gettempdir())
    return any(above.name.startswith(_TEMPORARY) and above.parent == ours for above in path.parents)


@contextmanager
def copying(name: str) -> Iterator[None]:
    """Raises WriteError (74) when the disk has no room for a copy of the log that is called `name`."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        folder = tempfile.gettempdir()
        raise WriteError(
            "GD7403",
            f"{name}: no room for a copy of it in {folder} ({error.strerror}); free some space there, or set TMPDIR",
        ) from None


def _copy(path: Path, found: Recognised, target: Path, name: str, records: str | None) -> bool:
    """Whether the rows were found at `records` inside a document."""
    to_plain = LOG_FORMATS[found.format].to_plain
    try:
        with open_plain(path, found.codec) as source:
            if to_plain:
                return to_plain(source, target, name, records)
            if found.has_bom:
                source.read(len(_UTF8_BOM))
            with target.open("xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            return False
    except pa.ArrowException as error:
        raise DataError("GD1103", f"{name} is damaged: {error}; fetch it again") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError("GD1103", f"{name} is damaged: {error}; fetch it again") from None
