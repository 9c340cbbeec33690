"""JSON lines: one object per line. Every line is looked at for the schema, so a late column is not lost.

Polars reads at full speed but keeps quiet about some things (half surrogates become NUL, of two equal keys one is dropped)
and refuses a whole file for one bad line. So suspicious lines are picked out by patterns first, and only those, or all lines
of a file that Polars refused, are read by Python's own decoder, which says what is wrong.
"""

import glob
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import shown
from gcsl_data.ingest.fault import Fault, Faults
from gcsl_data.ingest.refused import COVER, Unreadable, doubtful_lines

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
PLACEHOLDER = b"{}"
_PROBE = 64 * 1024
MAX_INTEGER = 2**127 - 1
# What Polars would change without a word; a raw NUL, NaN or 1e400 it refuses, so those need no pattern. Letters, digits and
# underscores are escaped by nobody but one who hides a key.
_SUSPICIOUS = r"\\u(?:[dD][89a-fA-F]|0000|003[0-9]|00[46][1-9a-fA-F]|00[57][0-9aA]|005[fF])"
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


class _FaultyError(ValueError):
    """A line that cannot be used: the reason's name and more in words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def scan(path: Path) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX`, the line's number in a file without blank lines."""
    literal = glob.escape(str(path))  # scan_ndjson has no glob=False, and `[` may stand in a name
    return pl.scan_ndjson(literal, infer_schema_length=None, row_index_name=ROW_INDEX, row_index_offset=1)


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
            fault = _examined(line, number, start)
            if isinstance(fault, Fault):
                if len(content) < len(COVER):
                    return {}
                found[number] = Unreadable(fault, start, len(content))
    return found


def find_faults(path: Path, scanned: pl.LazyFrame) -> Faults:
    """Lines to set aside, and blank lines, by line number."""
    texts: set[str] = set()
    suspects = None
    # Polars would hold a line of any length, several times over.
    if not _may_have_long_line(path):
        with suppress(pl.exceptions.PolarsError):
            schema = scanned.collect_schema()
            texts = {name for name, dtype in schema.items() if dtype == pl.String}
            suspects = _suspicious_lines(path, schema)
    if suspects is not None and not suspects:
        return Faults()
    rows: dict[int, Fault] = {}
    nested: dict[str, int] = {}
    blank = []
    for number, start, line in _numbered_lines(path):
        if suspects is not None and number not in suspects:
            continue
        if not line.strip():
            blank.append(number)
            continue
        found = _examined(line, number, start)
        if isinstance(found, Fault):
            rows[number] = found
            continue
        for name, value in found.items():
            if isinstance(value, list | dict):
                nested.setdefault(name, number)
            elif isinstance(value, str) and suspects is None:
                texts.add(name)
    return Faults(rows, tuple(blank), mixed={name: row for name, row in nested.items() if name in texts})


def disagreement(path: Path) -> str | None:
    """The first field that has values of two kinds which no column holds, where they stand; None when there is none."""
    kinds: dict[str, dict[str, int]] = {}
    for number, _, line in _numbered_lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for field, kind in _kinds(value, ""):
            found = kinds.setdefault(field, {})
            found.setdefault(kind, number)
            if len(found) > 1 and set(found) != {"a number", "text"}:
                first = next(iter(found))
                return f"{field!r} is {first} on line {found[first]} and {kind} on line {number}"
    return None


def _kinds(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if at:
            yield at, "an object"
        for key, inner in value.items():
            yield from _kinds(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        yield at, "a list"
        for inner in value:
            yield from _kinds(inner, f"{at}[]")
    elif isinstance(value, bool):
        yield at, "true or false"
    elif value is not None:
        yield at, "text" if isinstance(value, str) else "a number"


def without(path: Path, faults: Faults, target: Path) -> None:
    """A copy of the file in which faulty and blank lines are empty objects, so that row numbers stay line numbers."""
    gone = {*faults.rows, *faults.blank}
    with target.open("xb") as file:
        for number, _, line in _numbered_lines(path):
            file.write(PLACEHOLDER if number in gone else line.rstrip(b"\r\n"))
            file.write(b"\n")


def _suspicious_lines(path: Path, schema: pl.Schema) -> set[int]:
    """Numbers of lines that are blank or match a pattern of what Polars would silently change."""
    line = pl.col("line")
    suspicious = line.str.contains(_SUSPICIOUS) | (line.str.len_bytes() > MAX_LINE_BYTES)
    suspicious |= ~(line.str.contains(r"^\s*\{") & line.str.contains(r"\}\s*$"))
    if texts := [pl.escape_regex(name) for name, dtype in schema.items() if dtype == pl.String]:
        suspicious |= line.str.contains(f'"(?:{"|".join(texts)})"\\s*:\\s*[\\[{{]')
    for repeated in _repeated_keys(line, schema):
        suspicious |= repeated
    lines = pl.scan_lines(glob.escape(str(path)), row_index_name="number", row_index_offset=1)
    return set(lines.filter(suspicious).select("number").collect(engine="streaming")["number"].to_list())


def _repeated_keys(line: pl.Expr, schema: pl.Schema) -> Iterator[pl.Expr]:
    """Whether a key stands more often in a line than the schema has it. Keys inside lists may repeat and are left out."""
    counts: Counter[str] = Counter()
    in_lists: set[str] = set()
    for name, dtype in schema.items():
        if name != ROW_INDEX:
            _count_keys(name, dtype, counts, in_lists)
    patterns = {name: f'"{pl.escape_regex(name)}"\\s*:' for name in counts if name not in in_lists}
    once = [pattern for name, pattern in patterns.items() if counts[name] == 1]
    if once:
        yield line.str.count_matches("|".join(once)) > pl.sum_horizontal(line.str.contains(p) for p in once)
    for name, pattern in patterns.items():
        if counts[name] > 1:
            yield line.str.count_matches(pattern) > counts[name]


def _count_keys(
    name: str, dtype: pl.DataType, counts: Counter[str], in_lists: set[str], *, listed: bool = False
) -> None:
    counts[name] += 1
    if listed:
        in_lists.add(name)
    inner = dtype
    while isinstance(inner, pl.List):
        inner, listed = inner.inner, True  # pyright: ignore[reportAssignmentType]
    if isinstance(inner, pl.Struct):
        for item in {item.name: item for item in inner.fields}.values():  # Polars keeps both of two equal keys
            _count_keys(item.name, item.dtype, counts, in_lists, listed=listed)  # pyright: ignore[reportArgumentType]


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


def _examined(line: bytes, number: int, start: int) -> Fault | dict[str, Any]:
    """What is wrong with a line, else its object."""
    if len(line) > MAX_LINE_BYTES + 1:
        return Fault("line_too_long", f"more than {MAX_LINE_BYTES} bytes", number, start)
    try:
        text = line.decode("utf-8")
        value = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite_float,
            parse_int=_readable_integer,
            object_pairs_hook=_unique_keys,
        )
        if not isinstance(value, dict):
            raise _FaultyError("not_object", f"found {shown(value)}")
        _check_texts(value)
    except _FaultyError as error:
        return Fault(error.reason, str(error), number, start)
    except UnicodeDecodeError as error:
        return Fault("bad_utf8", f"byte {line[error.start]:#04x}", number, start + error.start)
    except RecursionError:
        return Fault("too_deep", f"more than {MAX_DEPTH} levels", number, start)
    except ValueError as error:
        return Fault("bad_json", str(error), number, start)
    return value


def _no_constant(name: str) -> None:
    raise _FaultyError("nonfinite_number", f"found {name}")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _FaultyError("nonfinite_number", f"found {text}")
    return value


def _readable_integer(text: str) -> int:
    if len(text) > 40 or abs(int(text)) > MAX_INTEGER:
        raise _FaultyError("nonfinite_number", f"found {shown(text)}")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise _FaultyError("duplicate_key", f"key {shown(twice)}")
    return keys


def _check_texts(value: Any, depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise _FaultyError("too_deep", f"more than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise _FaultyError("nul_in_text", f"in {shown(value)}")
        if _HALF_SURROGATE.search(value):
            raise _FaultyError("bad_unicode", "half of a surrogate pair")
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key, depth + 1)
            _check_texts(item, depth + 1)
