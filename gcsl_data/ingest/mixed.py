"""Fields of JSON rows whose values are of several types: a number here, a list there. No column holds both.

Polars refuses a whole file for most of them, and makes JSON text of lists and objects where other rows have text. Here they
are found, told, and written as JSON text, so that they lose nobody a log. Numbers, true and false beside text are no
trouble: they are read as text.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.fault import FieldPath, Mixed

_TEXT, _NUMBER, _BOOLEAN, _LIST, _OBJECT = "text", "a number", "true or false", "a list", "an object"
_KINDS = {str: _TEXT, int: _NUMBER, float: _NUMBER, bool: _BOOLEAN, list: _LIST, dict: _OBJECT}
_STRING = r'"(?:[^"\\]|\\.)*"'


class Kinds:
    """Which kinds of values a field and the fields below it have, and the first row of each kind; null is no kind."""

    __slots__ = ("below", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.below: dict[str | None, Kinds] = {}  # by key; None stands for the items of a list

    def see(self, value: Any, row: int) -> None:
        """Counts in a decoded value."""
        if value is None:
            return
        self.rows.setdefault(_KINDS[type(value)], row)
        if isinstance(value, dict):
            for key, inner in value.items():
                self._at(key).see(inner, row)
        elif isinstance(value, list):
            for inner in value:
                self._at(None).see(inner, row)

    def see_type(self, dtype: Any) -> None:
        """Counts in what Polars made of all rows; where such a value stands is not known (row 0)."""
        if isinstance(dtype, pl.Struct):
            self.rows[_OBJECT] = 0
            for field in dtype.fields:
                self._at(field.name).see_type(field.dtype)
        elif isinstance(dtype, pl.List):
            self.rows[_LIST] = 0
            self._at(None).see_type(dtype.inner)
        elif dtype != pl.Null:
            self.rows[_TEXT if dtype == pl.String else _BOOLEAN if dtype == pl.Boolean else _NUMBER] = 0

    def mixed(self, at: FieldPath = ()) -> Iterator[Mixed]:
        """The fields of several kinds, the outermost only."""
        kinds = self.rows.keys()
        if len(kinds) > 1 and not (_TEXT in kinds and kinds <= {_TEXT, _NUMBER, _BOOLEAN}):
            yield Mixed(at, tuple(sorted(self.rows.items(), key=lambda found: found[1])))
            return
        for key, inner in self.below.items():
            yield from inner.mixed((*at, key))

    def has(self, mixed: Mixed) -> bool:
        """Whether all kinds of that field were seen here."""
        node = self
        for key in mixed.path:
            if key not in node.below:
                return False
            node = node.below[key]
        return dict(mixed.rows).keys() <= node.rows.keys()

    def _at(self, key: str | None) -> "Kinds":
        found = self.below.get(key)
        if found is None:
            found = self.below[key] = Kinds()
        return found


def as_text(value: Any, paths: Iterable[FieldPath]) -> Any:
    """A decoded value in which what stands at these paths is JSON text; texts and nulls stay as they are."""
    paths = list(paths)
    if () in paths:
        return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        heads = {path[0] for path in paths}
        return {
            key: as_text(inner, [path[1:] for path in paths if path[0] == key]) if key in heads else inner
            for key, inner in value.items()
        }
    if isinstance(value, list):
        inside = [path[1:] for path in paths if path[0] is None]
        return [as_text(inner, inside) for inner in value] if inside else value
    return value


def other_type(schema: pl.Schema) -> str | None:
    """A pattern for JSON lines that may hold a value of another type than the schema's; None when there cannot be one.

    It looks for what Polars takes in without a word, or refuses only once it reads: a list or an object for a text, true or
    false for a number, a number for an object, no list for a list, anything for a list in a list. (The rest it refuses when
    it makes the schema.)
    """
    names: dict[str, set[str]] = {}
    for name, dtype in schema.items():
        if name != ROW_INDEX:
            _sort(name, dtype, names)
    values = {
        "text": r"\s*[\[{]",
        "texts": rf'\s*\[(?:[^"\[\]{{}}]|{_STRING})*[\[{{]',
        "number": r'[^"{]*[tf]',
        "object": r'(?:\s*\[[^"{]*|\s*)[-0-9]',
        "list": r"\s*[^\s\[n]",
        "lists": r"\s*\[\s*[^\s\]]",  # an item that is no list may stand anywhere in it
    }
    patterns = [f'"(?:{"|".join(sorted(names[kind]))})"\\s*:{value}' for kind, value in values.items() if kind in names]
    return "|".join(patterns) or None


def _sort(name: str, dtype: Any, names: dict[str, set[str]]) -> None:
    depth = 0
    while isinstance(dtype, pl.List):
        dtype, depth = dtype.inner, depth + 1
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _sort(field.name, field.dtype, names)
    if depth:
        names.setdefault("list", set()).update(map(pl.escape_regex, written_forms(name)))
    kind = (
        "lists" if depth > 1
        else "object" if isinstance(dtype, pl.Struct)
        else ("texts" if depth else "text") if dtype == pl.String
        else "number" if dtype.is_numeric()
        else None
    )  # fmt: skip
    if kind:
        names.setdefault(kind, set()).update(map(pl.escape_regex, written_forms(name)))


def written_forms(key: str) -> set[str]:
    """How JSON writes a key, without its quotes: with all that is not ASCII escaped, or nothing but what must be."""
    return {json.dumps(key)[1:-1], json.dumps(key, ensure_ascii=False)[1:-1]}
