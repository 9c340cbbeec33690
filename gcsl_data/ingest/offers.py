"""What an error about a log's columns offers: the names that are there and may be meant. They are offered, never picked."""

import difflib
import re

import polars as pl

from gcsl_data.columns import OURS
from gcsl_data.errors import shown
from gcsl_data.ingest.conversations import is_messages
from gcsl_data.presets import presets

# What other logs call our fields; used to offer a name in an error, never to pick a column silently.
_SYNONYMS = {
    "prompt": ("instruction", "question", "input", "query", "messages"),
    "response": ("completion", "output", "answer", "continuation", "solution", "generation", "chosen"),
    "reward": ("score", "rating", "grade", "label", "value", "toxicity"),
    "time": ("timestamp", "created_at", "date"),
}
_NEEDS = {
    "prompt": "a log that can be used says what was asked",
    "response": "a log that can be used says what was answered",
    "reward": "a log that can be used grades each response",
}


def offer(field: str, column: str, schema: pl.Schema, frame: pl.LazyFrame, *, flag: str) -> str:
    """The likeliest columns, each with values of the first three rows, and the flag to say it with."""
    names = [name for name in schema if not name.startswith(OURS)]
    known = [preset.name for preset in presets() if preset.is_of({*names})]
    is_of_shape = flag.startswith("shape.") and field not in ("item_key", "title")
    if known and (column == field or is_of_shape):  # nobody said what it is, or said it of another log
        return f"it looks like a log for --preset {known[0]}"
    chats = [name for name in names if is_messages(schema[name])]
    if field in ("prompt", "response") and chats:
        return f"say --map messages={chats[0]} (its last assistant turn is the response)"
    lower = {name.lower(): name for name in names}
    close = [lower[c] for c in difflib.get_close_matches(column.lower(), lower, n=3, cutoff=0.6)]
    close += [lower[s] for s in _SYNONYMS.get(field, ()) if s in lower and lower[s] not in close]
    one = _in_sql(close[0]) if close else "COLUMN"
    how = f"say {flag} {field}={one}" if flag.startswith("--") else f"name one in {flag}.{field}"
    if not close:
        nested = next((name for name in names if _holds_objects(schema[name])), None)
        if nested and field in _NEEDS:
            how = f"if the rows are in a list in {nested!r}, say --records with its path from the outside, such as data.items"
        needed = f"; {_NEEDS[field]}" if column == field in _NEEDS else ""
        return f"it has {', '.join(names[:12]) or 'none'}{needed}; {how}"
    return f"{how}; nearest: {', '.join(_with_samples(close[:3], frame))}"


def _holds_objects(dtype: object) -> bool:
    """Whether there is a list of objects in such a column."""
    if isinstance(dtype, pl.Struct):
        return any(_holds_objects(field.dtype) for field in dtype.fields)
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)


def nearest_columns(column: str, schema: pl.Schema) -> str:
    """The columns that are called most like it, else all of them."""
    names = [name for name in schema if not name.startswith(OURS)]
    close = difflib.get_close_matches(column, names, n=3, cutoff=0.6)
    return f"nearest: {', '.join(close)}" if close else f"it has {', '.join(names[:12]) or 'none'}"


def missing_field(reason: str, schema: pl.Schema) -> str:
    """Polars names just the missing field of a struct; here with the nearest ones that exist, as one writes them."""
    fields = [path for name, dtype in schema.items() if not name.startswith(OURS) for path in _paths(name, dtype)]
    last = {path.rpartition(".")[2]: path for path in fields}
    wanted = re.sub(r"[^\w]", "", reason.rpartition(" ")[2])
    close = difflib.get_close_matches(wanted, last, n=3, cutoff=0.5)
    if close:
        return f"no field {wanted!r}; nearest: {', '.join(last[name] for name in close)}"
    if re.fullmatch(r"[\w\"'`]+", reason):
        return f"no field {wanted!r}; it has {', '.join(fields[:12]) or 'none'}"
    return reason


def _paths(at: str, dtype: pl.DataType) -> list[str]:
    if not isinstance(dtype, pl.Struct):
        return [at]
    return [path for field in dtype.fields for path in _paths(f"{at}.{field.name}", field.dtype)]  # pyright: ignore[reportArgumentType]


def _in_sql(column: str) -> str:
    """A column as one writes it on the command line."""
    if re.fullmatch(r"[A-Za-z_]\w*", column):
        return column
    quoted = column.replace('"', '""')
    return f"'\"{quoted}\"'"


def _with_samples(names: list[str], frame: pl.LazyFrame) -> list[str]:
    rows = frame.select(names).head(3).collect()
    return [f"{name} ({', '.join(shown(value, limit=18) for value in rows[name].to_list())})" for name in names]
