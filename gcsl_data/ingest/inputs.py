"""The logs that were named: found, fetched, recognised, hashed, ordered. Here the plan touches the file system."""

import glob
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from gcsl_data.errors import DataError, InputError, UsageError, reading
from gcsl_data.fit import Direction
from gcsl_data.ingest.fault import Faults
from gcsl_data.ingest.formats import LOG_FORMATS, LogFormat
from gcsl_data.ingest.plain import copying, make_plain, temporary_folder
from gcsl_data.ingest.recognise import HEAD_BYTES, Recognised, recognise, suffix_lies
from gcsl_data.ingest.remote import fetch, is_remote
from gcsl_data.ingest.shapes.settings import ShapeStage

RECORDS_KEY, DIRECTION_KEY, ASPECTS_KEY = "gcsl.records", "gcsl.direction", "gcsl.aspects"
RECORDS_VERSION = "1"
STDIN = "-"
STDIN_NAME = "stdin"
_MIXED_TOLD = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """What `ingest` noted in a file of records: the direction of its rewards, and of each aspect that it carries."""

    direction: Direction
    aspects: dict[str, Direction]


@dataclass(frozen=True, slots=True)
class Log:
    """One log; `uri` is its name relative to the common parent of all inputs, the same on every machine.

    `plain` is the file that is scanned: the log itself, or a copy that is decompressed and free of its `faults`. `notes` say
    what a person should know about how it was read. `records` is for a file that `ingest` wrote, else None.
    """

    path: Path
    uri: str
    format: LogFormat
    bytes: int
    sha256: str
    plain: Path
    faults: Faults
    scanned: pl.LazyFrame = field(repr=False, compare=False)
    modified_ns: int
    notes: tuple[str, ...] = ()
    records: Origin | None = None
    items: "Log | None" = None
    has_records: bool = False

    def rows(self) -> int:
        """How many rows are scanned, usable or not."""
        return int(self.scanned.select(pl.len()).collect(engine="streaming").item())

    def require_unchanged(self) -> None:
        """Raises DataError (65) when the file was written to since it was found: what was read is neither old nor new."""
        try:
            now = self.path.stat()
        except OSError:
            now = None
        if self.items:
            self.items.require_unchanged()
        if now is None or (now.st_size, now.st_mtime_ns) != (self.bytes, self.modified_ns):
            raise DataError("GD1216", f"{self.uri} changed while it was read; try again when nobody writes to it")


def find_logs(patterns: Sequence[str], shape: ShapeStage | None = None) -> tuple[Log, ...]:
    """The logs that paths, globs and URIs name, in the order of their uri, whatever order they were given in; `-` is stdin.

    Of the `shape` it needs to know where rows stand inside a document, and which table of items goes with the log.

    Raises InputError (66) for a name that leads to no readable file, DataError (65) for a file that is no log, UsageError
    (2) for the same file twice.
    """
    if list(patterns).count(STDIN) > 1:
        raise UsageError("GD0203", "standard input is given twice; it can be read once")
    remote = [found for pattern in patterns if is_remote(pattern) for found in fetch(pattern)]
    local = [path for pattern in patterns if pattern != STDIN and not is_remote(pattern) for path in _matches(pattern)]
    named = [*_relative(remote), *_relative([(os.path.realpath(path), path) for path in local])]
    if STDIN in patterns:
        named.append((STDIN_NAME, _copied_stdin()))
    if twice := [uri for uri, count in Counter(uri for uri, _ in named).items() if count > 1]:
        raise UsageError("GD0218", f"two logs are both called {twice[0]}; rename one, or read them apart")
    empty = [(uri, path) for uri, path in named if _is_blank(path)]
    full = [entry for entry in named if entry not in empty]
    # An empty log among others is worth a word; alone it is an error, which reading it raises.
    records = shape.records if shape else None
    logs = sorted((_log(path, uri, records) for uri, path in full or empty), key=lambda log: log.uri)
    if shape and (shape.sequences or shape.trees):
        logs = [_with_items(_only(logs), shape)]
    notes = tuple(f"{uri} is empty and left out" for uri, _ in empty)
    return (replace(logs[0], notes=logs[0].notes + notes), *logs[1:])


def _only(logs: Sequence[Log]) -> Log:
    if len(logs) > 1:
        raise UsageError(
            "GD0263",
            f"histories and reply trees are made of one log, and there are {len(logs)} ({logs[0].uri}, {logs[1].uri} ...); "
            "put them into one file",
        )
    return logs[0]


def _with_items(log: Log, shape: ShapeStage) -> Log:
    if not shape.sequences or shape.sequences.items is None:
        return log
    named = Path(shape.sequences.items)
    beside = log.path.parent / named
    with reading(named):
        path = named if named.exists() or not beside.exists() else beside
        is_there = path.exists()
    if not is_there:
        raise InputError(
            "GD6611", f"{named}: no such table of items, from here or from {log.path.parent}; give --items PATH"
        )
    uri = path.name if path.name != log.uri else f"items/{path.name}"  # inputs are told apart by name
    return replace(log, items=_log(path, uri, None))


def _relative(found: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Names relative to their common parent. Raises UsageError (2) when one stands twice."""
    names = [name for name, _ in found]
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError("GD0203", f"{name} is given twice, so its rows would count twice; name it once")
    parent = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""  # noqa: PTH120 (names)
    return [(Path(os.path.relpath(name, parent or ".")).as_posix(), path) for name, path in found]


def _is_blank(path: Path) -> bool:
    """Whether a small file has nothing but white space in it."""
    try:
        return path.is_file() and path.stat().st_size <= HEAD_BYTES and not path.read_bytes().strip()
    except OSError:  # reading it says why
        return False


def _matches(pattern: str) -> list[Path]:
    with reading(pattern):
        if Path(pattern).exists():
            return [Path(pattern)]
    found = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (absolute patterns)
    if not found:
        raise InputError("GD6602", f"{pattern}: no such log; give the path or a quoted pattern of one")
    return found


def _copied_stdin() -> Path:
    if sys.stdin is None:
        raise InputError("GD6608", "standard input is closed; give a log, or open it")
    copy = temporary_folder() / STDIN_NAME
    with reading(STDIN_NAME), copying(STDIN_NAME), copy.open("xb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return copy


def _log(path: Path, uri: str, records: str | None) -> Log:
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise InputError("GD6605", f"{str(path)!r}: the name is not UTF-8; rename the log") from None
    with reading(path):
        is_file, is_folder = path.is_file(), path.is_dir()
    if not is_file:
        is_dangling = path.is_symlink() and not path.exists()
        kind = (
            "a folder; give a quoted pattern of logs" if is_folder
            else "a link that leads nowhere" if is_dangling
            else "not a regular file; use - for a stream"
        )  # fmt: skip
        raise InputError("GD6606", f"{path} is {kind}")
    modified_ns = path.stat().st_mtime_ns
    found = recognise(path, name=uri)
    with (
        copying(uri),
        ThreadPoolExecutor(1) as pool,
    ):  # hashing and looking through a log take about as long; neither holds the GIL
        hashed = pool.submit(_hash, path)
        plain = make_plain(path, found, name=uri, records=records)
        size, digest = hashed.result()
    return Log(
        path=path,
        uri=uri,
        format=LOG_FORMATS[found.format],
        bytes=size,
        sha256=digest,
        plain=plain.path,
        faults=plain.faults,
        scanned=plain.scanned,
        modified_ns=modified_ns,
        notes=(*_notes(path, uri, found), *_notes_on_mixed(uri, plain.faults, LOG_FORMATS[found.format].unit)),
        records=_ingested(plain.path) if found.format == "parquet" else None,
        has_records=plain.has_records,
    )


def _hash(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def _ingested(path: Path) -> Origin | None:
    """What `ingest` noted in the file's metadata; None for any other Parquet file, also a damaged one."""
    try:
        metadata = pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        return None
    if metadata.get(RECORDS_KEY) != RECORDS_VERSION:
        return None
    try:
        aspects = json.loads(metadata.get(ASPECTS_KEY, "{}"))
    except ValueError:
        return None
    if not isinstance(aspects, dict):
        return None
    return Origin(_direction(metadata.get(DIRECTION_KEY)), {name: _direction(value) for name, value in aspects.items()})


def _direction(noted: str | None) -> Direction:
    return "lower" if noted == "lower" else "higher"


def _notes(path: Path, uri: str, found: Recognised) -> tuple[str, ...]:
    notes = []
    if path.suffix and suffix_lies(path, found):
        packed = f"{found.codec}-compressed " if found.codec else ""
        notes.append(f"{uri} is read as {packed}{found.format}, whatever its name says")
    if found.has_bom:
        notes.append(f"{uri} starts with a byte order mark; it is left out")
    return tuple(notes)


def _notes_on_mixed(uri: str, faults: Faults, unit: str) -> list[str]:
    notes = [
        f"{uri}: {field.name} is of several types ({', '.join(field.places(unit))}); kept as JSON text"
        for field in faults.mixed[:_MIXED_TOLD]
    ]
    if more := len(faults.mixed) - len(notes):
        notes.append(f"{uri}: {more} more fields are of several types; kept as JSON text")
    return notes
