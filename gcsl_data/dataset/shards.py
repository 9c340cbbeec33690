"""Examples as Arrow IPC files: plain types, fixed batches, cut by fragment and size, hashed while they are written.

The bytes depend on the rows alone: pieces of any size come in, record batches of `BATCH_ROWS` rows go out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from gcsl_data.columns import FRAGMENT, KINDS, MESSAGES, Column
from gcsl_data.dataset import files
from gcsl_data.dataset.files import HashedFile
from gcsl_data.dataset.manifest import Field, Format, Kind, Shard

BATCH_ROWS = 1024
DATA_FOLDER = "data"
_MESSAGE = pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())])
_ARROW: dict[pl.DataType, pa.DataType] = {
    pl.String(): pa.string(),
    pl.Float64(): pa.float64(),
    pl.Int32(): pa.int32(),
    pl.Int64(): pa.int64(),
    pl.Boolean(): pa.bool_(),
}


def arrow_schema(
    output_format: Format, kept: Mapping[str, pl.DataType] = MappingProxyType({}), *, kind: Kind = "examples"
) -> pa.Schema:
    """The schema of every shard of a dataset whose prompts are messages, or text; kept columns of the log come last."""
    fields = [_arrow_field(column, output_format) for column in KINDS[kind]]
    extra = pl.DataFrame(schema=dict(kept)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.schema([*fields, *(pa.field(field.name, _plain_type(field.type)) for field in extra)])


def manifest_columns(schema: pa.Schema) -> tuple[Field, ...]:
    """The same schema as the manifest states it."""
    return tuple(Field(name=field.name, type=str(field.type), nullable=field.nullable) for field in schema)


@dataclass(frozen=True, slots=True)
class FragmentShards:
    """The shards of one fragment, of all splits; they get their final names when those of all fragments are there."""

    fragment: int
    shards: tuple[Shard, ...]


class FragmentWriter:
    """Writes examples in plan order, those of each fragment and split into shards of their own.

    `fragments` are the indices of those that will come, ascending; `on_done` hears of each when all of it is on the disk.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        splits: Sequence[str],
        *,
        shard_bytes: int,
        fragments: Sequence[int],
        on_done: Callable[[FragmentShards], None],
    ) -> None:
        self._open = partial(_ShardWriter, folder, schema=schema, shard_bytes=shard_bytes)
        self._splits = splits
        self._coming = list(reversed(fragments))
        self._on_done = on_done
        self._writers: dict[str, _ShardWriter] = {}

    def write(self, examples: pl.DataFrame) -> None:
        """Takes any number of rows with their `split` and `FRAGMENT`; whole batches go to disk."""
        for index, rows in _by_value(examples, FRAGMENT):
            while self._coming[-1] != index:
                self._finish()
            for split, own in _by_value(rows, "split"):
                if split not in self._writers:
                    self._writers[split] = self._open(fragment=index, split=split)
                self._writers[split].write(own)

    def close(self) -> None:
        """Writes what is left."""
        while self._coming:
            self._finish()

    def abandon(self) -> None:
        """Closes open files after an error; the staging folder takes them away."""
        for writer in self._writers.values():
            writer.abandon()

    def _finish(self) -> None:
        shards = [self._writers[split].close() for split in self._splits if split in self._writers]
        self._writers = {}
        self._on_done(FragmentShards(self._coming.pop(), tuple(shard for some in shards for shard in some)))


def _by_value(rows: pl.DataFrame, column: str) -> Iterator[tuple[Any, pl.DataFrame]]:
    """The rows of each value of a column, which goes away; in the order the values come."""
    values = rows[column].unique(maintain_order=True).to_list()
    for value in values:
        own = rows if len(values) == 1 else rows.filter(pl.col(column) == value)
        yield value, own.drop(column)


def number_shards(
    folder: Path, written: Iterable[FragmentShards], splits: Sequence[str], schema: pa.Schema
) -> tuple[Shard, ...]:
    """Gives the shards of all fragments their final names, `data/<split>-00000-of-00001.arrow` and so on.

    A split without rows has one empty shard.
    """
    in_order = [shard for fragment in sorted(written, key=lambda one: one.fragment) for shard in fragment.shards]
    numbered = []
    for split in splits:
        own = [shard for shard in in_order if shard.split == split] or [_empty_shard(folder, split, schema)]
        for index, shard in enumerate(own):
            name = f"{DATA_FOLDER}/{split}-{index:05d}-of-{len(own):05d}.arrow"
            files.rename(folder / shard.name, folder / name)
            numbered.append(replace(shard, name=name))
    return tuple(numbered)


def _empty_shard(folder: Path, split: str, schema: pa.Schema) -> Shard:
    writer = _ShardWriter(folder, fragment=0, split=split, schema=schema, shard_bytes=1)
    return writer.close(or_empty=True)[0]


class _ShardWriter:
    """Writes the examples of one fragment and split, in the order they come."""

    def __init__(self, folder: Path, *, fragment: int, split: str, schema: pa.Schema, shard_bytes: int) -> None:
        self._folder = folder
        self._split = split
        self._stem = f"{DATA_FOLDER}/{split}-f{fragment:06d}"
        self._schema = schema
        self._shard_bytes = shard_bytes
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._file: HashedFile | None = None
        self._writer: pyarrow.ipc.RecordBatchFileWriter | None = None
        self._rows_in_shard = 0
        self._arrow_bytes = 0
        self._closed: list[Shard] = []

    def write(self, examples: pl.DataFrame) -> None:
        """Takes any number of rows; whole batches go to disk."""
        if examples.height == 0:
            return
        self._pending.append(examples.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema))
        self._pending_rows += examples.height
        if self._pending_rows >= BATCH_ROWS:
            self._write_batches(whole_only=True)

    def close(self, *, or_empty: bool = False) -> tuple[Shard, ...]:
        """Writes what is left; without any row there is no shard, or an empty one."""
        self._write_batches(whole_only=False)
        if or_empty and not self._closed and self._writer is None:
            self._open_shard()
        self._close_shard()
        return tuple(self._closed)

    def abandon(self) -> None:
        """Closes an open file after an error."""
        if self._file is not None:
            self._file.close()

    def _write_batches(self, *, whole_only: bool) -> None:
        if not self._pending_rows:
            return
        table = pa.concat_tables(self._pending).combine_chunks()
        end = table.num_rows - table.num_rows % BATCH_ROWS if whole_only else table.num_rows
        for start in range(0, end, BATCH_ROWS):
            self._write_batch(_fresh_batch(table.slice(start, min(BATCH_ROWS, end - start))))
        rest = table.slice(end)
        self._pending = [rest] if rest.num_rows else []
        self._pending_rows = rest.num_rows

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._open_shard()
        assert self._writer is not None
        self._writer.write_batch(batch)
        self._rows_in_shard += batch.num_rows
        self._arrow_bytes += batch.nbytes
        if self._arrow_bytes >= self._shard_bytes:
            self._close_shard()

    def _open_shard(self) -> None:
        (self._folder / DATA_FOLDER).mkdir(exist_ok=True)
        self._file = HashedFile(self._folder / self._name)
        self._writer = pa.ipc.new_file(self._file, self._schema)
        self._rows_in_shard = self._arrow_bytes = 0

    def _close_shard(self) -> None:
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        self._file.close()
        written = {"rows": self._rows_in_shard, "bytes": self._file.bytes, "sha256": self._file.sha256}
        self._closed.append(Shard(name=self._name, split=self._split, **written))
        self._writer = self._file = None

    @property
    def _name(self) -> str:
        return f"{self._stem}-{len(self._closed):05d}.arrow"


def read_shard(path: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard, memory-mapped; verify its hash first."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def shard_schema(path: Path) -> pa.Schema:
    """The schema that stands in a shard."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.schema


def _arrow_field(column: Column, output_format: Format) -> pa.Field:
    return pa.field(column.name, _arrow_type(column.dtype, output_format), nullable=column.nullable)


def _arrow_type(dtype: pl.DataType, output_format: Format) -> pa.DataType:
    if dtype == MESSAGES:
        return pa.list_(_MESSAGE) if output_format == "messages" else pa.string()
    if isinstance(dtype, pl.List):
        return pa.list_(_arrow_type(cast("pl.DataType", dtype.inner), output_format))
    return _ARROW[dtype]


def _plain_type(dtype: pa.DataType) -> pa.DataType:
    """The same type without large offsets and dictionaries, which some readers do not take."""
    if pa.types.is_dictionary(dtype):
        return _plain_type(dtype.value_type)
    if pa.types.is_large_string(dtype):
        return pa.string()
    if pa.types.is_large_binary(dtype):
        return pa.binary()
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return pa.list_(_plain_type(dtype.value_type))
    if pa.types.is_struct(dtype):
        return pa.struct([pa.field(field.name, _plain_type(field.type)) for field in dtype])
    return dtype


def _fresh_batch(piece: pa.Table) -> pa.RecordBatch:
    """One batch whose buffers start at zero and hold nothing but these rows, so equal rows give equal bytes."""
    arrays = [_copied(column) for column in piece.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=piece.schema)


def _copied(column: pa.ChunkedArray) -> pa.Array:
    """Joining makes new buffers; a single array would be handed back as it is, so an empty one is joined to it."""
    return pa.concat_arrays([*column.chunks, column.chunk(0).slice(0, 0)])
