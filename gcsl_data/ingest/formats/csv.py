"""CSV and TSV with a header line. Every row is looked at for the column types.

Polars fills a missing field with null without a word, takes a blank line for a row of nulls, and refuses a file for one field
too many. Where it refuses, or a last column holds a null, Python's own reader counts the fields of each row.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.fault import Fault, Faults, fault_in

MAX_FIELD_CHARACTERS = 64 * 1024 * 1024
HEAD_ROWS = 10_000
# Cells of each type that Polars takes for nothing else, whichever way it comes to the type.
_PLAIN: dict[pl.DataType, str] = {
    pl.Int64(): "^-?[0-9]{1,18}$",
    pl.Float64(): r"^-?[0-9]{1,15}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?$",
    pl.Boolean(): "^(?:true|false)$",
}
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # as `surrogateescape` decodes such bytes


class _Record(NamedTuple):
    """Number (0 is the header), the line it starts on, its fields (none for a blank line), its text as it stands there."""

    number: int
    line: int
    fields: list[str]
    text: str


def scan(path: Path, *, separator: str) -> pl.LazyFrame:
    """The log's columns plus `ROW_INDEX` (records are counted, not lines: a quoted field may hold line ends).

    A blank line counts as a record, so that a row's number does not depend on how the file is read.
    """
    scanned = partial(pl.scan_csv, path, glob=False, separator=separator, row_index_name=ROW_INDEX, row_index_offset=1)
    types = _types(scanned)
    return scanned(schema=types) if types else _scan_of_all_rows(scanned)


def _scan_of_all_rows(scanned: Callable[..., pl.LazyFrame]) -> pl.LazyFrame:
    """The types are found from every row. Whole numbers too long for 128 bits, which Polars would refuse later, stay text."""
    found = scanned(infer_schema_length=None)
    long: list[str] = []
    try:
        long = [name for name, dtype in found.collect_schema().items() if dtype == pl.Int128]
        if long:
            found.select(pl.col(long).is_null().any()).collect(engine="streaming")
    except pl.exceptions.PolarsError:
        return scanned(infer_schema_length=None, schema_overrides=dict.fromkeys(long, pl.String)) if long else found
    return found


def _types(scanned: Callable[..., pl.LazyFrame]) -> pl.Schema | None:
    """The types that a look at every row would give, if that is certain from the first rows and a match of all the others.

    The look at every row is one thread's work, which Polars does again for each query that reads the file; the match is not.
    """
    with suppress(pl.exceptions.PolarsError):
        head = scanned(infer_schema_length=HEAD_ROWS).head(HEAD_ROWS).drop(ROW_INDEX).collect()
        types = head.schema
        patterns = {name: _PLAIN.get(dtype) for name, dtype in types.items() if dtype != pl.String}
        if not all(patterns.values()) or any(column.null_count() == len(column) for column in head):
            return None
        odd = [(~pl.col(name).str.contains(pattern)).any() for name, pattern in patterns.items() if pattern]
        cells = scanned(schema=dict.fromkeys(types, pl.String))
        if not odd or not any(cells.select(odd).collect(engine="streaming").row(0)):
            return types
    return None


def find_faults(path: Path, scanned: pl.LazyFrame, *, separator: str) -> Faults:
    """Rows with another number of fields than the header, rows that are not UTF-8, and blank ones.

    Raises DataError (65) for a header that names a column twice or is not UTF-8, and for a quote that is never closed: after
    it rows cannot be told apart.
    """
    header = _header(path, separator)
    refused = False
    try:
        names = [name for name in scanned.collect_schema() if name != ROW_INDEX]
        refused = names != header and all(header)
        # All columns are looked at: Polars parses no more than it is asked for, and refuses nothing else.
        has_null = scanned.select(pl.col(names).is_null().any()).collect(engine="streaming")
        if not refused and not has_null[names[-1]].item():
            return Faults()
    except pl.exceptions.PolarsError:
        refused = True
    rows: dict[int, Fault] = {}
    blank = []
    for number, line, fields, text in _records(path, separator):
        if not fields:
            blank.append(number)
        elif bad := _NO_UTF8.search(text):
            detail = f"byte {ord(bad[0]) - 0xDC00:#04x}"
            rows[number] = fault_in(_raw(text), "bad_utf8", detail, line=line + text.count("\n", 0, bad.start()))
        elif len(fields) != len(header):
            detail = f"{len(fields)} fields, the header has {len(header)}"
            rows[number] = fault_in(_raw(text), "ragged", detail, line=line)
    return Faults(rows, tuple(blank), misread=refused)


def without(path: Path, faults: Faults, target: Path, *, separator: str) -> None:
    """A copy in which faulty and blank rows are empty, so that row numbers stay."""
    header = _header(path, separator)
    with target.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        for number, _, fields, _ in _records(path, separator):
            writer.writerow(fields if fields and number not in faults.rows else [""] * len(header))


def _records(path: Path, separator: str) -> Generator[_Record]:
    """All records, one after another. Blank lines before the header are left out."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    number = -1
    start = 1
    read: list[str] = []  # the lines of the record at hand
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(_noted(file, read), delimiter=separator, strict=True)
            for fields in reader:
                if fields or number >= 0:
                    number += 1
                    yield _Record(number, start, fields, "".join(read))
                start = reader.line_num + 1
                read.clear()
    except csv.Error as error:
        text = "".join(read)
        opened = start + text.count("\n", 0, _open_quote(text, separator))
        if "unexpected end" in str(error) or "field limit" in str(error):
            raise DataError(
                "GD1110", f"{path.name}: the quote that opens on line {opened} is never closed; close it"
            ) from None
        raise DataError(
            "GD1110", f"{path.name}: the record that starts on line {start}: {error}; close its quote"
        ) from None


def _noted(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _open_quote(text: str, separator: str) -> int:
    """Where the first field starts that does not end, in the text of a record that does not."""
    whole = re.compile(rf'(?:"[^"]*(?:""[^"]*)*"|[^"{separator}\r\n][^{separator}\r\n]*|)(?:{separator}|\r?\n)')
    at = 0
    while (field := whole.match(text, at)) and field.end() > at:
        at = field.end()
    return at


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _header(path: Path, separator: str) -> list[str]:
    with closing(_records(path, separator)) as records:
        _, line, names, text = next(records, _Record(0, 1, [], ""))
    if _NO_UTF8.search(text):
        raise DataError("GD1108", f"{path.name}:{line}: the header is not UTF-8; convert the log to UTF-8")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError("GD1111", f"{path.name}: the header names {shown(twice[0])} twice; rename one of them")
    return names
