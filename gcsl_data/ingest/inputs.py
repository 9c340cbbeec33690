"""The logs that were named: found, ordered, hashed. The only part of the plan that touches the file system."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcsl_data.errors import InputError, UsageError
from gcsl_data.ingest.formats import LogFormat, format_of


@dataclass(frozen=True, slots=True)
class Log:
    """One log file; `uri` is its name relative to the common parent of all inputs, the same on every machine."""

    path: Path
    uri: str
    format: LogFormat
    bytes: int
    sha256: str


def find_logs(patterns: Sequence[str]) -> tuple[Log, ...]:
    """The logs that paths and globs name, in the order of their uri, whatever order they were given in.

    Raises InputError (66) for a path or pattern that leads to no readable file, UsageError (2) for the same file twice.
    """
    paths = [path for pattern in patterns for path in _matches(pattern)]
    real = [path.resolve() for path in paths]
    counts = Counter(real)
    for path, found in zip(paths, real, strict=True):
        if counts[found] > 1:
            raise UsageError("GD0203", f"{path} is given twice, so its rows would count twice; name it once")
    parent = Path(os.path.commonpath([path.parent for path in real]))
    logs = [_log(path, found.relative_to(parent).as_posix()) for path, found in zip(paths, real, strict=True)]
    return tuple(sorted(logs, key=lambda log: log.uri))


def _matches(pattern: str) -> list[Path]:
    if Path(pattern).exists():
        return [Path(pattern)]
    found = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (absolute patterns)
    if not found:
        raise InputError("GD6602", f"{pattern}: no such log; give the path or a quoted pattern of one")
    return found


def _log(path: Path, uri: str) -> Log:
    log_format = format_of(path)
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise InputError("GD6605", f"{path!r}: the name is not UTF-8; rename the log") from None
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise InputError("GD6604", f"{path} cannot be read: {error.strerror}") from None
    return Log(path, uri, log_format, size, digest)
