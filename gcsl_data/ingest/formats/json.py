"""JSON documents, turned into JSON lines once: an array, an array under a key, an object keyed by id, objects in a row.

What becomes a record:
    [{...}, {...}]                       each object
    {"data": [{...}, ...], ...}          each object of the one array of objects
    {"id1": {...}, "id2": {...}}         each value, with its key as the field `key`
    {"id1": [{...}, ...], ...}           each object of each array, with its key as the field `key`
    {...} {...}                          each object (pretty-printed ones, one after another)

Of a document that is one object, a path such as `data.items` names the list of records, wherever it is.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from gcsl_data.errors import DataError, shown

KEY_FIELD = "key"
_CHUNK = 1 << 20


def to_lines(source: BinaryIO, target: Path, name: str, records: str | None = None) -> bool:
    """Writes the document's records to `target` as JSON lines. Whether they stood at the path `records` is what it returns.

    Arrays and rows of objects are read a piece at a time; an object of records is read whole. Raises DataError (65), naming
    the place of what cannot be read.
    """
    text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="strict")
    try:
        number, found = 0, _Found(records)
        with target.open("x", encoding="utf-8") as file:
            for number, record in enumerate(_records(text, name, found), start=1):
                if not isinstance(record, dict):
                    raise DataError("GD1106", f"{name}: record {number} is not an object but {shown(record)}")
                file.write(json.dumps(record, ensure_ascii=True) + "\n")
        if number == 0:
            raise DataError("GD1207", f"{name}: no rows; give a log that has records")
        return found.is_followed
    except json.JSONDecodeError as error:
        raise DataError(
            "GD1107", f"{name}: not JSON near line {error.lineno}: {error.msg}; mend or remove it"
        ) from None
    except RecursionError:
        raise DataError("GD1107", f"{name}: nested too deeply; mend or remove it") from None
    except UnicodeDecodeError as error:
        raise DataError("GD1108", f"{name}: it is not UTF-8 at byte {error.start} of a piece; convert it") from None
    finally:
        text.detach()


class _Found:
    """The path that was asked for, and whether it was followed."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.is_followed = False

    def keys(self) -> list[str]:
        return [key.strip().strip('"') for key in (self.path or "").split(".")]


def _records(text: TextIO, name: str, found: _Found) -> Iterator[Any]:
    values = _Values(text)
    if values.peek() == "[":
        yield from values.array()
        return
    first = next(values.sequence(), None)
    later = values.sequence()
    second = next(later, None)
    if second is None:
        if isinstance(first, dict) and found.keys()[0] in first:
            found.is_followed = True
            yield from _at(first, found.keys(), name)
        else:
            yield from _records_of_object(first, name)
        return
    yield first
    yield second
    yield from later


def _at(value: Any, keys: list[str], name: str) -> list[Any]:
    """The list at the end of a path of keys."""
    at = value
    for n, key in enumerate(keys):
        if not isinstance(at, dict) or key not in at:
            here = ".".join(keys[:n]) or "the document"
            raise DataError(
                "GD1110", f"{name}: {here} has no {key!r}, so no records are at {'.'.join(keys)}; mend --records"
            )
        at = at[key]
    if not isinstance(at, list):
        raise DataError(
            "GD1110", f"{name}: {'.'.join(keys)} must be a list of records, found {shown(at)}; mend --records"
        )
    return at


def _records_of_object(value: Any, name: str) -> Iterator[Any]:
    if not isinstance(value, dict):
        yield value
        return
    arrays = {key: inner for key, inner in value.items() if _is_records(inner)}
    if value and len(arrays) == len(value) and len(value) > 1:
        yield from ({KEY_FIELD: key, **record} for key, inner in arrays.items() for record in inner)
    elif len(arrays) == 1:
        yield from next(iter(arrays.values()))
    elif arrays:
        raise DataError(
            "GD1109",
            f"{name}: several arrays of records ({', '.join(map(str, arrays))}); say --records {next(iter(arrays))}",
        )
    elif value and all(isinstance(inner, dict) for inner in value.values()):
        yield from ({KEY_FIELD: key, **inner} for key, inner in value.items())
    else:
        yield value


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


class _Values:
    """JSON values read one after another from a text stream, holding only the one that is being read."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._lines_before = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if not self._buffer[self._at].isspace():
                    return self._buffer[self._at]
                self._at += 1
            if not self._read():
                return ""

    def sequence(self) -> Iterator[Any]:
        """Values one after another, until the end."""
        while self.peek():
            yield self._value()

    def array(self) -> Iterator[Any]:
        """The elements of the array that starts here."""
        self._at += 1
        if self.peek() == "]":
            self._at += 1
        else:
            while True:
                self.peek()
                yield self._value()
                separator = self.peek()
                self._at += 1
                if separator == "]":
                    break
                if separator != ",":
                    raise self._error("expected ',' or ']'")
        if self.peek():
            raise self._error("more text after the array")

    def _value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._read():
                    continue
                raise self._error(error.msg, error.pos) from None
            # A number at the end of the buffer may go on in the next piece.
            if end == len(self._buffer) and self._read():
                continue
            self._at = end
            return value

    def _read(self) -> bool:
        """More text, in pieces that double, so that a long value is parsed again only a few times."""
        if self._ended:
            return False
        self._lines_before += self._buffer.count("\n", 0, self._at)
        self._buffer = self._buffer[self._at :]
        self._at = 0
        piece = self._text.read(max(_CHUNK, len(self._buffer)))
        self._ended = not piece
        self._buffer += piece
        return bool(piece)

    def _error(self, message: str, at: int | None = None) -> json.JSONDecodeError:
        place = self._at if at is None else at
        error = json.JSONDecodeError(message, self._buffer, min(place, len(self._buffer)))
        error.lineno += self._lines_before
        return error
