"""Rows of a log that cannot be decoded, or that a reader would silently change: where they are and why."""

from dataclasses import dataclass, field

# Reason -> in words. A closed list, beside the rules of stages/checks.py.
DECODING_REASONS = {
    "bad_json": "the line is not JSON",
    "bad_utf8": "the line is not UTF-8",
    "bad_unicode": "a text holds half of a surrogate pair, which no reader keeps",
    "nul_in_text": "a text holds a NUL character",
    "not_object": "the line is JSON but no object",
    "nonfinite_number": "it holds NaN, Infinity or a number too large to be read",
    "duplicate_key": "the same key stands twice in one object",
    "too_deep": "it is nested too deeply",
    "line_too_long": "the line is longer than the limit",
    "ragged": "the row has another number of fields than the header",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is set aside, with more in words; its line, and where that starts in bytes, in the decompressed file."""

    reason: str
    detail: str
    line: int
    byte: int | None = None


@dataclass(frozen=True, slots=True)
class Faults:
    """Faulty rows by number (1-based, as `ROW_INDEX` counts), and rows that are blank and count as nothing.

    `misread` says that Polars would refuse or misread the file although no row is at fault: it needs to be written anew.
    `mixed` maps columns that are text in some rows and a list or an object in others to the first row of the latter: Polars
    would make JSON text of those.
    """

    rows: dict[int, Fault] = field(default_factory=dict)
    blank: tuple[int, ...] = ()
    misread: bool = False
    mixed: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows or self.blank or self.misread)
