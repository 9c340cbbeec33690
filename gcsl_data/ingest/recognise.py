"""What a log really is, told by its first bytes: compression, then format. Its name decides only between CSV and TSV.

Looks at `HEAD_BYTES` after decompression; nothing is parsed.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import pyarrow as pa

from gcsl_data.errors import DataError, InputError

Codec = Literal["gzip", "zstd", "bz2"]
FormatName = Literal["parquet", "arrow", "arrow-stream", "jsonl", "json", "csv", "csv-semicolon", "tsv"]

HEAD_BYTES = 256 * 1024
SUFFIXES: dict[FormatName, tuple[str, ...]] = {
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".ipc", ".feather"),
    "arrow-stream": (".arrows", ".arrow", ".ipc"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "json": (".json",),
    "csv": (".csv", ".txt"),
    "csv-semicolon": (".csv", ".txt"),
    "tsv": (".tsv", ".tab", ".txt"),
}
CODEC_SUFFIXES: dict[Codec, tuple[str, ...]] = {"gzip": (".gz",), "zstd": (".zst", ".zstd"), "bz2": (".bz2",)}

_CODECS: tuple[tuple[bytes, Codec], ...] = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))
_BINARY: tuple[tuple[bytes, FormatName], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow-stream"),
)
_UTF8_BOM = b"\xef\xbb\xbf"
_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"version https://git-lfs"), "it is a Git LFS pointer, not the log; fetch it with `git lfs pull`"),
    (re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE), "it is a web page, not a log; download the file itself"),
    (
        re.compile(rb"\xff\xfe|\xfe\xff|[\t -~]\0[\t -~]\0|\0[\t -~]\0[\t -~]"),
        "it is UTF-16; convert it to UTF-8 (iconv -f utf-16 -t utf-8)",
    ),
    (re.compile(rb"PK\x03\x04"), "it is a zip archive or an Excel workbook; unpack it, or export the sheet as CSV"),
    (re.compile(rb"%PDF"), "it is a PDF, not a log"),
    (re.compile(rb"SQLite format 3"), "it is a SQLite file; export the table to CSV or Parquet"),
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """`codec` is None when the file is not compressed; `has_bom` says that UTF-8 text starts with a byte order mark."""

    codec: Codec | None
    format: FormatName
    has_bom: bool


def recognise(path: Path, *, name: str) -> Recognised:
    """What stands in the file at `path`, which messages call `name`.

    Raises InputError (66) when it cannot be opened, DataError (65) when it is empty, damaged, or of a kind that is no log.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        codec = _codec(head)
        if codec is not None:
            with open_plain(path, codec) as plain:
                head = plain.read(HEAD_BYTES)
    except pa.ArrowInvalid as error:
        raise DataError("GD1103", f"{name} is damaged: {error}; fetch it again") from None
    except OSError as error:
        if codec_error := _is_decoding(error):
            raise DataError("GD1103", f"{name} is damaged: {codec_error}; fetch it again") from None
        raise InputError("GD6604", f"{name} cannot be read: {error.strerror or error}") from None
    if codec is not None and _codec(head) is not None:
        raise DataError("GD1104", f"{name} is compressed twice; unpack it once and give that")
    has_bom = head.startswith(_UTF8_BOM)
    return Recognised(codec, _format(path, head.removeprefix(_UTF8_BOM), name), has_bom)


def open_plain(path: Path, codec: Codec | None) -> BinaryIO:
    """The file's bytes, decompressed as they are read."""
    if codec is None:
        return path.open("rb")
    return pa.input_stream(str(path), compression=codec)


def suffix_lies(path: Path, found: Recognised) -> bool:
    """Whether the file's name says something else than its content."""
    name = path.name.lower()
    if found.codec is not None:
        ending = next((s for s in CODEC_SUFFIXES[found.codec] if name.endswith(s)), None)
        if ending is None:
            return True
        name = name.removesuffix(ending)
    return not name.endswith(SUFFIXES[found.format])


def _codec(head: bytes) -> Codec | None:
    for magic, codec in _CODECS:
        if head.startswith(magic):
            return codec
    return None


def _format(path: Path, head: bytes, name: str) -> FormatName:
    for magic, found in _BINARY:
        if head.startswith(magic):
            return found
    for pattern, reason in _REFUSED:
        if pattern.match(head):
            raise DataError("GD1105", f"{name}: {reason}")
    text = head.lstrip()
    if not text:
        raise DataError("GD1207", f"{name} is empty; give a log that has records")
    if _mostly_objects(text):
        return "jsonl"
    if text[:1] == b"[":
        return "json"
    if text[:1] == b"{":
        return _lines_or_document(path, text)
    if _looks_tab_separated(path, text):
        return "tsv"
    header = text.partition(b"\n")[0]
    return "csv-semicolon" if header.count(b";") > header.count(b",") else "csv"


def _lines_or_document(path: Path, text: bytes) -> FormatName:
    """JSON lines when the first line is a whole object and not the only one; else a document.

    A lone object on one line may be either: its name decides, else whether its values are records.
    """
    first, newline, rest = text.partition(b"\n")
    is_lone = not rest.strip()
    if is_lone and ".json" in path.suffixes:
        return "json"
    if is_lone and {".jsonl", ".ndjson"} & set(path.suffixes):
        return "jsonl"
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        # Longer than the head, or broken: a line of JSON lines is followed by another object, one of a document goes on.
        goes_on = first.strip() == b"{" or first.rstrip().endswith((b",", b"["))
        is_document = goes_on or (newline and rest.lstrip()[:1] not in (b"{", b""))
        return "json" if is_document else "jsonl"
    holds_records = isinstance(value, dict) and any(_is_records(inner) for inner in value.values())
    return "json" if holds_records and is_lone else "jsonl"


def _mostly_objects(text: bytes) -> bool:
    """Whether more than half of several lines are objects, whatever garbage the first of them is."""
    lines = [line for line in text[:HEAD_BYTES].split(b"\n")[:20] if line.strip()]
    return len(lines) > 1 and 2 * sum(map(_is_object, lines)) > len(lines)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _looks_tab_separated(path: Path, text: bytes) -> bool:
    header = text.partition(b"\n")[0]
    name = path.name.lower()
    if any(suffix in name for suffix in (".tsv", ".tab")):
        return True
    return header.count(b"\t") > header.count(b",")


def _is_decoding(error: OSError) -> str | None:
    """Arrow reports a broken compressed stream as OSError without an errno."""
    return str(error) if error.errno is None else None
