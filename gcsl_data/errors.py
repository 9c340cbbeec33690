"""Every error that gcsl raises on purpose, with the exit status the command line gives it.

    GcslError
    ├── UsageError        2   flags or values that contradict each other
    ├── DataError        65   rows, a manifest, a shard or a checkpoint that is wrong
    ├── InputError       66   an input that cannot be opened
    ├── TrainingError    70   training that went non-finite
    ├── ResourceError    71   out of memory or processes
    ├── OutputError      73   an output that cannot be created
    ├── WriteError       74   the disk said no while writing
    ├── BusyError        75   another process holds the lock
    └── RecipeError      78   a template or a recipe that is wrong

A message is one line with four parts: what was expected, what was found, where, and what to do next. `code` is stable
and searchable (`GD` from the data side, `GT` from the trainer); the words may improve. Exit 1 is not here: it is the
verdict of `check` and `diff`, not an error.
"""

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class GcslError(Exception):
    """Base of all errors raised on purpose: catch this one to catch them all."""

    exit_status: ClassVar[int] = 70

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = one_line(message)

    def __reduce__(self) -> tuple[type["GcslError"], tuple[str, str]]:
        return type(self), (self.code, self.message)

    def __str__(self) -> str:
        return f"error[{self.code}]: {self.message}"

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints for this error."""
        return {"ok": False, "exit_code": self.exit_status, "code": self.code, "message": self.message}


class UsageError(GcslError):
    """Values that are legal one by one and wrong together, or a name that does not exist."""

    exit_status = 2


class DataError(GcslError):
    """Rows, a manifest, a shard or a checkpoint that cannot be used as they are."""

    exit_status = 65


class InputError(GcslError):
    """An input that is missing, unreadable or of an unknown format."""

    exit_status = 66


class TrainingError(GcslError):
    """A loss or gradient that is not finite; raised before the weights change."""

    exit_status = 70


class ResourceError(GcslError):
    """Memory or processes ran out."""

    exit_status = 71


class OutputError(GcslError):
    """An output that exists already or whose folder cannot be written."""

    exit_status = 73


class WriteError(GcslError):
    """The disk refused a write, an fsync or a rename (full, quota, I/O error)."""

    exit_status = 74


class BusyError(GcslError):
    """Somebody else holds what is needed; try again."""

    exit_status = 75


class RecipeError(GcslError):
    """A template or a recipe file that is wrong."""

    exit_status = 78


def one_line(text: str, *, limit: int = 300) -> str:
    """`text` as one printable line of at most `limit` characters.

    Log text ends up in messages, so control characters (terminal escapes, bidirectional overrides) become U+FFFD.
    """
    flat = without_controls(" ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def without_controls(text: str) -> str:
    """`text` with U+FFFD in place of each control character, line ends among them; tabs stay."""
    return _CONTROL.sub("�", text)


def shown(value: object, *, limit: int = 40) -> str:
    """A value as a message quotes it: JSON-like, short, on one line."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return one_line(text, limit=limit)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that does not exist: the nearest known one, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


@contextmanager
def reading(name: object, error: type[GcslError] = InputError, code: str = "GD6604") -> Iterator[None]:
    """Raises `error` naming what could not be read when the operating system refuses: no permission, a name too long."""
    try:
        yield
    except OSError as refused:
        raise error(code, f"{name} cannot be read: {refused.strerror or refused}") from None


def from_os_error(error: OSError, path: str | os.PathLike[str]) -> GcslError:
    """The gcsl error for an operating-system error met while writing to `path`."""
    import errno

    reason = f"{os.fspath(path)}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return WriteError("GD7401", f"could not write {reason}; free some space or choose another place")
    return OutputError("GD7302", f"cannot create {reason}; choose another place")
