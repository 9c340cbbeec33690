"""One shard as a stranger may have made it: parsed out of memory after its hash, validated, of plain types."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from gcsl_data.dataset.manifest import Shard
from gcsl_data.errors import DataError, reading

_EXTENSION = b"ARROW:extension:name"


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
    except (
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:  # a wrong footer is an OSError, a column's name no UTF-8
        raise DataError("GT6503", f"{path} is not an Arrow IPC file ({error}); build the dataset again") from None


def batches(reader: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of every record batch, whose offsets and UTF-8 are right. Raises pa.ArrowInvalid where they are not."""
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number).select(names)
        batch.validate(full=True)
        yield batch


def is_extended(field: pa.Field) -> bool:
    """Whether a column, or anything inside it, is of an extension type: those may run code of their own when read."""
    kind = field.type
    inner = [kind.field(number) for number in range(kind.num_fields)]
    known = isinstance(kind, pa.BaseExtensionType) or _EXTENSION in (field.metadata or {})
    return known or any(is_extended(each) for each in inner)
