"""One shard as an Arrow file: parsed out of memory after its hash, with the columns and types of its kind of dataset."""

import contextlib
import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from gcsl_data.dataset.manifest import Manifest, Shard
from gcsl_data.errors import DataError, reading
from gcsl_train.goals import embeds_reward
from gcsl_train.kinds import LAYOUTS, Layout, Number

_RECORD = {"source": "text", "row": "a whole number", "part": "a whole number", "level": "a whole number"}
_EXTENSION = b"ARROW:extension:name"


def batches(reader: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of every record batch, whose offsets and UTF-8 are right. Raises pa.ArrowInvalid where they are not."""
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number).select(names)
        batch.validate(full=True)
        yield batch


@contextlib.contextmanager
def opened(path: Path, shard: Shard) -> Iterator[Any]:
    """A reader over the bytes of a shard, out of memory: what is parsed is what was hashed, whoever edits the file meanwhile.

    Raises DataError (65) for what is no Arrow file, or no longer the shard that was verified.
    """
    with reading(path):
        content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise DataError("GT6542", f"{path} was changed while it was read; restore it and leave it alone during a run")
    try:
        with pa.ipc.open_file(pa.BufferReader(content)) as reader:
            yield reader
    # A wrong footer is an OSError, and the name of a column may be no UTF-8.
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError("GT6503", f"{path} is not an Arrow IPC file ({error}); build the dataset again") from None


def checked_columns(schema: pa.Schema, path: Path, manifest: Manifest) -> list[str]:
    """The columns to read, after their types were found to be those of the manifest's kind and format."""
    layout, needed = layout_of(manifest), needed_columns(manifest)
    if foreign := next((field.name for field in schema if _is_extended(field)), None):
        raise DataError("GT6543", f"{path}: column {foreign!r} is of an extension type; write plain types only")
    for name in needed:
        if (count := schema.names.count(name)) != 1:
            found = f"{count} columns" if count else "no column"
            raise DataError("GT6504", f"{path} has {found} {name!r}; build the dataset again")
    fits = _is_text if manifest.format == "text" else _is_messages
    for name in ("prompt", *layout.responses):
        found = schema.field(name).type
        inner = found.value_type if name == layout.several and _is_list(found) else found
        if not fits(inner) or (name == layout.several and not _is_list(found)):
            raise DataError("GT6504", f"{path}: column {name!r} is {found}, but the manifest says {manifest.format}")
    optional = [name for name in ("goal", *layout.numbers) if name in schema.names and name not in needed]
    for name in (*needed, *optional):
        found = schema.field(name).type
        if name in ("id", "goal", layout.group) and not _is_text(found):
            raise DataError("GT6504", f"{path}: column {name!r} is {found}, expected text")
        if name in layout.numbers and not _is_number(found):
            raise DataError("GT6504", f"{path}: column {name!r} is {found}, expected a number")
    return [*needed, *optional]


def checked_record(schema: pa.Schema, path: Path) -> list[str]:
    """The columns that say which record is behind a row, after their types were found to be right."""
    for name, wanted in _RECORD.items():
        if name not in schema.names:
            raise DataError("GT6504", f"{path} has no column {name!r}; build the dataset again")
        found = schema.field(name).type
        if not (_is_text(found) if wanted == "text" else pa.types.is_integer(found)):
            raise DataError("GT6504", f"{path}: column {name!r} is {found}, expected {wanted}")
    return list(_RECORD)


def layout_of(manifest: Manifest) -> Layout:
    """The layout of the manifest's kind, with the reward among its numbers where that is to be embedded."""
    layout = LAYOUTS[manifest.kind]
    return (
        replace(layout, numbers={**layout.numbers, "reward": Number(holds=math.isfinite, wanted="a finite number")})
        if embeds_reward(manifest)
        else layout
    )


def needed_columns(manifest: Manifest) -> tuple[str, ...]:
    """The columns that a row cannot do without."""
    needed = layout_of(manifest).needed
    return (*needed, "goal") if manifest.fit.form == "token" else needed


def _is_extended(field: pa.Field) -> bool:
    """Whether a column, or anything inside it, is of an extension type: those may run code of their own when read."""
    kind = field.type
    inner = [kind.field(number) for number in range(kind.num_fields)]
    known = isinstance(kind, pa.BaseExtensionType) or _EXTENSION in (field.metadata or {})
    return known or any(_is_extended(each) for each in inner)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _is_messages(kind: pa.DataType) -> bool:
    if not _is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    fields = {field.name: field.type for field in kind.value_type}
    return all(name in fields and _is_text(fields[name]) for name in ("role", "content"))
