"""Lines that Polars reads without a word, and reads wrongly, or that it refuses only once it reads: found by patterns.

Polars looks for the patterns at full speed; what they find may be sound, and Python's own decoder says what it is.
"""

import glob
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.examine import MAX_LINE_BYTES
from gcsl_data.ingest.mixed import other_type, written_forms

_MANY_KEYS = 64  # up to here it is faster to look for each key by itself
# What Polars would change without a word; a raw NUL, NaN or 1e400 it refuses, so those need no pattern. Letters, digits and
# underscores are escaped by nobody but one who hides a key.
_SUSPICIOUS = r"\\u(?:[dD][89a-fA-F]|003[0-9]|00[46][1-9a-fA-F]|00[57][0-9aA]|005[fF])"


def suspicious_lines(path: Path, schema: pl.Schema) -> set[int]:
    """Numbers of lines that are blank, may hold a value of another type, or match what Polars would silently change."""
    line = pl.col("line")
    suspicious = line.str.contains(_SUSPICIOUS) | (line.str.len_bytes() > MAX_LINE_BYTES)
    suspicious |= ~(line.str.contains(r"^\s*\{") & line.str.contains(r"\}\s*$"))
    if _holds(pl.Int128, schema):  # the schema is found with 128 bits and no sign, the values are read with one
        suspicious |= line.str.contains("[0-9]{39}")
    if pattern := other_type(schema):
        suspicious |= line.str.contains(pattern)
    for repeated in _repeated_keys(line, schema):
        suspicious |= repeated
    lines = pl.scan_lines(glob.escape(str(path)), row_index_name="number", row_index_offset=1)
    return set(lines.filter(suspicious).select("number").collect(engine="streaming")["number"].to_list())


def _holds(kind: type[pl.DataType], schema: pl.Schema) -> bool:
    """Whether a column, or something in it, is of this kind."""
    inner = [dtype for name, dtype in schema.items() if name != ROW_INDEX]
    while inner:
        dtype = inner.pop()
        if isinstance(dtype, kind):
            return True
        if isinstance(dtype, pl.List):
            inner.append(dtype.inner)  # pyright: ignore[reportArgumentType]
        elif isinstance(dtype, pl.Struct):
            inner += [field.dtype for field in dtype.fields]  # pyright: ignore[reportAssignmentType]
    return False


def _repeated_keys(line: pl.Expr, schema: pl.Schema) -> Iterator[pl.Expr]:
    """Whether a key stands more often in a line than the schema has it. Keys inside lists may repeat and are left out."""
    counts: Counter[str] = Counter()
    in_lists: set[str] = set()
    for name, dtype in schema.items():
        if name != ROW_INDEX:
            _count_keys(name, dtype, counts, in_lists)
    names = [name for name in counts if name not in in_lists]
    once = [name for name in names if counts[name] == 1]
    if len(once) > _MANY_KEYS:
        keys = line.str.extract_all(_key(*once)).list.eval(pl.element().str.extract(r'^(.*")\s*:$'))
        yield keys.list.n_unique() < keys.list.len()
    elif once:
        yield line.str.count_matches(_key(*once)) > pl.sum_horizontal(line.str.contains(_key(name)) for name in once)
    for name in names:
        if counts[name] > 1:
            yield line.str.count_matches(_key(name)) > counts[name]


def _key(*names: str) -> str:
    """A pattern for any of these keys. (One pattern for each with `|` between them takes seconds for a thousand.)"""
    written = sorted({form for name in names for form in written_forms(name)})
    return f'"(?:{"|".join(map(pl.escape_regex, written))})"\\s*:'


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
