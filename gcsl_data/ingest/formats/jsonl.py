"""JSON lines: one object per line. Every line is looked at for the schema, so a late column is not lost.

Polars reads at full speed but keeps quiet about some things (half surrogates become NUL, of two equal keys one is dropped)
and refuses a whole file for one bad line. So suspicious lines are picked out by patterns first, and only those, or all lines
of a file that Polars refused, are read by Python's own decoder, which says what is wrong.
"""

import bisect
import functools
import glob
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.examine import MAX_LINE_BYTES, examined
from gcsl_data.ingest.fault import Fault, Faults, Mixed
from gcsl_data.ingest.mixed import Kinds, as_text
from gcsl_data.ingest.refused import COVER, Unreadable, doubtful_lines
from gcsl_data.ingest.suspicious import suspicious_lines

PLACEHOLDER = b"{}"
_PROBE = 64 * 1024
_BLOCK = 1024 * 1024


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`, the line's number in a file without blank lines."""
    literal = glob.escape(str(path))  # scan_ndjson has no glob=False, and `[` may stand in a name
    return pl.scan_ndjson(literal, infer_schema_length=None, row_index_name=ROW_INDEX, row_index_offset=1)


def some_rows(path: Path, scanned: pl.LazyFrame, start: int, rows: int | None) -> pl.LazyFrame:
    """A stretch of lines, read from where it begins; of a file without blank lines."""
    types = {name: dtype for name, dtype in scanned.collect_schema().items() if name != ROW_INDEX}
    info = path.stat()
    first = _byte_of_line(path, info.st_size, info.st_mtime_ns, start)
    after = info.st_size if rows is None else _byte_of_line(path, info.st_size, info.st_mtime_ns, start + rows)
    with path.open("rb") as file:
        file.seek(first)
        content = file.read(after - first)
    return pl.scan_ndjson(content, schema=types, row_index_name=ROW_INDEX, row_index_offset=start + 1)


def _byte_of_line(path: Path, size: int, modified_ns: int, line: int) -> int:
    """Where a line begins, counted from 0; the end of the file where it has fewer."""
    before = _lines_before_blocks(path, size, modified_ns)
    block = max(0, bisect.bisect_left(before, line) - 1)
    at, found = block * _BLOCK, before[block]
    with path.open("rb") as file:
        file.seek(at)
        content = file.read(_BLOCK)
    place = 0
    for _ in range(line - found):
        place = content.find(b"\n", place) + 1
        if place == 0:
            return size
    return at + place


@functools.lru_cache(maxsize=256)
def _lines_before_blocks(path: Path, _size: int, _modified_ns: int) -> list[int]:
    """How many lines end before each block of the file."""
    counts = [0]
    with path.open("rb") as file:
        while content := file.read(_BLOCK):
            counts.append(counts[-1] + content.count(b"\n"))
    return counts


def find_unreadable(path: Path, scanned: pl.LazyFrame) -> dict[int, Unreadable]:
    """The lines, by number, for which Polars refuses the file; none where it does not refuse.

    None as well where it refuses for another reason, or a line is too short to be covered: `find_faults` looks at all lines
    then.
    """
    if _may_have_long_line(path):
        return {}
    with suppress(pl.exceptions.PolarsError):
        scanned.collect_schema()
        return {}
    found: dict[int, Unreadable] = {}
    with suppress(pl.exceptions.PolarsError):
        doubtful = doubtful_lines(path)
        for number, start, line in _numbered_lines(path):
            if number not in doubtful or not (content := line.rstrip(b"\r\n")).strip():
                continue
            fault = examined(line, number, start)
            if isinstance(fault, Fault):
                if len(content) < len(COVER):
                    return {}
                found[number] = Unreadable(fault, start, len(content))
    return found


def find_faults(path: Path, scanned: pl.LazyFrame) -> Faults:
    """Lines to set aside, blank lines, by line number, and fields of several types."""
    schema: pl.Schema | None = None
    suspects = None
    # Polars would hold a line of any length, several times over.
    if not _may_have_long_line(path):
        with suppress(pl.exceptions.PolarsError):
            schema = scanned.collect_schema()
            suspects = suspicious_lines(path, schema)
    if suspects is not None and not suspects:
        return Faults()
    rows: dict[int, Fault] = {}
    kinds = Kinds()
    blank = []
    if schema is not None and suspects is not None:
        for name, dtype in schema.items():
            kinds.below[name] = Kinds()
            kinds.below[name].see_type(dtype)
    for number, start, line in _numbered_lines(path):
        if suspects is not None and number not in suspects:
            continue
        if not line.strip():
            blank.append(number)
            continue
        found = examined(line, number, start)
        if not isinstance(found, Fault):
            kinds.see(found, number)
        elif found.reason == "line_too_long":
            rows[number] = replace(found, sha256=_hash_of_line(path, start))
        else:
            rows[number] = found
    mixed = tuple(kinds.mixed())
    if mixed and suspects is not None:
        mixed = _located(path, mixed, {*rows, *blank})
    return Faults(rows, tuple(blank), mixed=mixed)


def _located(path: Path, mixed: tuple[Mixed, ...], gone: set[int]) -> tuple[Mixed, ...]:
    """These fields with the first line of each of their kinds, without those that only faulty lines made mixed."""
    kinds = Kinds()
    for number, _, line in _numbered_lines(path):
        if number not in gone:
            kinds.see(json.loads(line), number)
            if all(map(kinds.has, mixed)):
                break
    paths = {field.path for field in mixed}
    return tuple(field for field in kinds.mixed() if field.path in paths)


def disagreement(path: Path) -> str | None:
    """The first field that has values of several kinds, and where they stand; None when there is none."""
    kinds = Kinds()
    for number, _, line in _numbered_lines(path):
        with suppress(ValueError, RecursionError):
            kinds.see(json.loads(line), number)
    first = next(kinds.mixed(), None)
    return first and f"{first.name!r} is {' and '.join(first.places('line'))}"


def without(path: Path, faults: Faults, target: Path) -> None:
    """A copy of the file in which faulty and blank lines are empty objects, so that row numbers stay line numbers.

    Fields of several types are JSON text in it.
    """
    gone = {*faults.rows, *faults.blank}
    mixed = [field.path for field in faults.mixed]
    with target.open("xb") as file:
        for number, _, line in _numbered_lines(path):
            if number in gone:
                line = PLACEHOLDER
            elif mixed:
                line = json.dumps(as_text(json.loads(line), mixed), ensure_ascii=False).encode()
            file.write(line.rstrip(b"\r\n") + b"\n")


def _may_have_long_line(path: Path) -> bool:
    """Whether a line may be over the limit: one that is fills at least one half of the limit, counted from the start."""
    step = MAX_LINE_BYTES // 2
    with path.open("rb") as file:
        for start in range(0, path.stat().st_size - step, step):
            file.seek(start)
            if b"\n" not in file.read(_PROBE) and b"\n" not in file.read(step - _PROBE):
                return True
    return False


def _numbered_lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Line number, byte at which it starts, and the line; of a line over the limit only the beginning."""
    with path.open("rb") as file:
        number = start = 0
        while line := file.readline(MAX_LINE_BYTES + 2):
            number += 1
            length = len(line)
            while not line.endswith(b"\n") and (more := file.readline(MAX_LINE_BYTES)):
                length += len(more)
                if more.endswith(b"\n"):
                    break
            yield number, start, line
            start += length


def _hash_of_line(path: Path, start: int) -> str:
    """SHA-256 in hex of the line at a byte, without its line end, whatever its length."""
    digest = hashlib.sha256()
    held = b""  # the last bytes may be the line end, in two pieces
    with path.open("rb") as file:
        file.seek(start)
        while not held.endswith(b"\n") and (piece := file.readline(_PROBE)):
            digest.update((held + piece)[:-2])
            held = (held + piece)[-2:]
    digest.update(held.removesuffix(b"\n").removesuffix(b"\r"))
    return digest.hexdigest()
