"""A file of JSON lines that Polars refuses as a whole: the lines that may be why, and a way to cover them up.

Polars parses each line apart here, which is some twenty times as fast as Python's decoder; only lines that fail it need
Python, to say what is wrong.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from gcsl_data.ingest.fault import Fault

COVER = b"{}"
# What a line never has unescaped: so no line is cut into fields. (One that has it nevertheless is refused later on.)
_NO_SEPARATOR = "\x01"
_REPLACED_BYTE = "\ufffd"


class Unreadable(NamedTuple):
    """What is wrong with a line, and where it stands: `start` and `length` in bytes, without its line end."""

    fault: Fault
    start: int
    length: int


def doubtful_lines(path: Path) -> set[int]:
    """Numbers (1-based) of the lines that Polars may refuse: no JSON, no object, not UTF-8. Blank lines are among them.

    (An integer beyond 128 bits is not, though Polars refuses it.) Raises PolarsError when lines cannot be told apart.
    """
    line = pl.col("line")
    parsed = line.str.json_path_match("$")
    doubtful = parsed.is_null() | ~line.str.contains(r"^\s*\{")
    doubtful |= line.str.contains(_REPLACED_BYTE, literal=True)
    # `scan_lines` gives up on bytes that are no UTF-8.
    lines = pl.scan_csv(
        path,
        glob=False,
        schema={"line": pl.String},
        has_header=False,
        separator=_NO_SEPARATOR,
        quote_char=None,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        row_index_name="number",
        row_index_offset=1,
    )
    return set(lines.filter(doubtful).select("number").collect(engine="streaming")["number"])


def cover(path: Path, lines: Iterable[Unreadable]) -> None:
    """Writes an empty object and spaces over these lines, in place: rows stay lines, and every other byte is where it was."""
    with path.open("rb+") as file:
        for _, start, length in lines:
            file.seek(start)
            file.write(COVER.ljust(length))
