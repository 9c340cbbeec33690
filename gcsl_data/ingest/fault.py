"""Rows of a log that cannot be decoded, or that a reader would silently change: where they are and why."""

import hashlib
from dataclasses import dataclass, field

EXCERPT_CHARACTERS = 80
FieldPath = tuple[str | None, ...]  # keys from the outside in; None stands for the items of a list

# Reason -> in words. A closed list, beside the rules of stages/checks.py.
DECODING_REASONS = {
    "bad_json": "the line is not JSON",
    "bad_utf8": "the line is not UTF-8",
    "bad_unicode": "a text holds half of a surrogate pair, which no reader keeps",
    "not_object": "the line is JSON but no object",
    "nonfinite_number": "it holds NaN, Infinity or a number too large to be read",
    "duplicate_key": "the same key stands twice in one object",
    "too_deep": "it is nested too deeply",
    "line_too_long": "the line is longer than the limit",
    "no_place": "the record does not say where it comes from (source, row, part and group)",
    "ragged": "the row has another number of fields than the header",
}

# The same for rows of a log that has a shape (ingest/shapes).
SHAPE_REASONS = {
    "no_user": "the row does not say whose choice it is",
    "no_title": "the item is missing, or the table of items has no title for it",
    "no_parent": "a message that it replies to is not in the log",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is set aside, with more in words; its line, and where that starts in bytes, in the decompressed file.

    `excerpt` is how the line begins, printable; `sha256` (hex) is of its bytes without the line end.
    """

    reason: str
    detail: str
    line: int
    byte: int | None = None
    excerpt: str | None = None
    sha256: str | None = None


def fault_in(raw: bytes, reason: str, detail: str, *, line: int, byte: int | None = None) -> Fault:
    """The fault of a line (or of a record of several lines) with these bytes."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    text = raw[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "surrogateescape")
    return Fault(reason, detail, line, byte, excerpt_of(text), hashlib.sha256(raw).hexdigest())


def excerpt_of(text: str) -> str:
    """How a text begins, with control characters, and bytes that are no text, as `\\x1b` or `\\u202e`."""
    return "".join(
        character if character.isprintable()
        else f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff"
        else character.encode("unicode_escape").decode()
        for character in text[:EXCERPT_CHARACTERS]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mixed:
    """A field of several types: its path, and the first row of each kind ("a number", "a list" ...), by row."""

    path: FieldPath
    rows: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """The path as a person writes it: `meta.tags[]`."""
        return "".join("[]" if key is None else f".{key}" for key in self.path).removeprefix(".")

    def places(self, unit: str) -> list[str]:
        """Each kind with the line or record (`unit`) that has it first."""
        return [f"{kind} on {unit} {row}" for kind, row in self.rows]


@dataclass(frozen=True, slots=True)
class Faults:
    """Faulty rows by number (1-based, as `ROW_INDEX` counts), and rows that are blank and count as nothing.

    `misread` says that Polars would refuse or misread the file although no row is at fault: it needs to be written anew.
    So it does for the fields that are `mixed`: they become JSON text.
    """

    rows: dict[int, Fault] = field(default_factory=dict)
    blank: tuple[int, ...] = ()
    misread: bool = False
    mixed: tuple[Mixed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.blank or self.misread or self.mixed)
