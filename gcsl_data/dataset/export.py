"""A finished dataset in the form that another tool reads, its rows in their order, streamed a piece at a time.

    trl       the columns that TRL's trainers take and no others, one Parquet file per split
    hf-disk   a folder for `datasets.load_from_disk`, all columns (needs the extra `hf`)
    parquet   all columns, one Parquet file per split
    jsonl     all columns, one file of JSON lines per split; every float reads back exactly

A split without rows is left out and named: neither `load_dataset` nor `load_from_disk` takes one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gcsl_data.columns import TRAINER_COLUMNS
from gcsl_data.dataset import files
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.dataset.shards import read_shard, shard_schema
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.errors import DataError, UsageError

PIECE_ROWS = 16_384  # also the size of a Parquet row group
PIECE_BYTES = 64 * 1024 * 1024
DATASET_ID_KEY = "gcsl.dataset_id"  # in the metadata of Parquet files: which dataset a file came from


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows by split, the columns, and the splits that were left out because they have no rows."""

    columns: tuple[str, ...]
    splits: dict[str, int]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one split, in its shards."""

    split: str
    paths: tuple[Path, ...]
    schema: pa.Schema

    def pieces(self) -> Iterator[pa.Table]:
        """All rows in order, in tables of a bounded size; nothing but the piece in hand is in memory."""
        pending: list[pa.RecordBatch] = []
        for path in self.paths:
            for batch in read_shard(path):
                pending.append(batch.select(self.schema.names))
                if sum(b.num_rows for b in pending) >= PIECE_ROWS or sum(b.nbytes for b in pending) >= PIECE_BYTES:
                    yield pa.Table.from_batches(pending, self.schema)
                    pending = []
        if pending:
            yield pa.Table.from_batches(pending, self.schema)


def export(dataset: Path, to: str, out: Path, *, split: str | None = None) -> Exported:
    """Writes the dataset, or one split of it, as the folder `out`.

    Raises UsageError (2) for a target or split that is not there, and for `jsonl` of columns that JSON cannot hold;
    DataError (65) for a damaged shard, OutputError (73) when `out` exists, WriteError (74) when the disk refuses.
    """
    if to not in TARGETS:
        raise UsageError("GD0230", f"cannot export to {to!r}; known: {', '.join(TARGETS)}")
    manifest = load(dataset)
    columns = _columns(manifest, to)
    names = _splits(manifest, split)
    files.require_absent(out)
    shards = {name: manifest.split_shards(name) for name in names}
    paths = verified_shards(dataset, manifest, [shard for found in shards.values() for shard in found])
    rows = []
    for name, found in shards.items():
        schema = pa.schema([shard_schema(paths[found[0]]).field(column) for column in columns])
        rows.append(_Rows(name, tuple(paths[shard] for shard in found), schema))
    with files.staged(out) as folder:
        written = TARGETS[to](rows, folder, manifest.dataset_id)
        _require_all_rows(manifest, written)
    empty = tuple(part.name for part in manifest.splits if not part.examples and split is None)
    return Exported(columns=columns, splits=written, left_out=empty)


def _columns(manifest: Manifest, to: str) -> tuple[str, ...]:
    if to != "trl":
        return tuple(column.name for column in manifest.columns)
    if manifest.kind not in TRAINER_COLUMNS:
        raise UsageError("GD0236", f"no trainer of TRL takes a dataset of kind {manifest.kind}; export it to parquet")
    if manifest.formulation == "weights":
        raise UsageError(
            "GD0261", "no trainer of TRL reads the weights of rows; train with gcsl_train, or export to parquet"
        )
    return TRAINER_COLUMNS[manifest.kind]


def _splits(manifest: Manifest, asked: str | None) -> list[str]:
    full = [split.name for split in manifest.splits if split.examples]
    if not full:
        raise DataError("GD6544", "the dataset has no row to export; build it of a log that has")
    if asked is None:
        return full
    if asked not in full:
        raise UsageError("GD0237", f"no split {asked!r} with rows in it; this dataset has {', '.join(full)}")
    return [asked]


def _require_all_rows(manifest: Manifest, written: Mapping[str, int]) -> None:
    for split in manifest.splits:
        if split.name in written and written[split.name] != split.examples:
            counts = f"{written[split.name]} rows, the manifest says {split.examples}"
            raise DataError("GD6522", f"the split {split.name} has {counts}; build the dataset again")


def _to_parquet(splits: Sequence[_Rows], folder: Path, dataset_id: str) -> dict[str, int]:
    written = {}
    for rows in splits:
        schema = rows.schema.with_metadata({DATASET_ID_KEY: dataset_id})
        path = folder / f"{rows.split}.parquet"
        with path.open("xb") as file:
            with pq.ParquetWriter(file, schema) as writer:
                for piece in rows.pieces():
                    writer.write_table(piece.replace_schema_metadata(schema.metadata), row_group_size=piece.num_rows)
            files.fsync(file)
        written[rows.split] = pq.read_metadata(path).num_rows
    return written


def _to_json_lines(splits: Sequence[_Rows], folder: Path, _dataset_id: str) -> dict[str, int]:
    for name in [field.name for field in splits[0].schema if _holds_bytes(field.type)]:
        raise UsageError("GD0233", f"the column {name!r} holds bytes, which JSON has no form for; export to parquet")
    written = {}
    for rows in splits:
        count = 0
        with (folder / f"{rows.split}.jsonl").open("xb") as file:
            for piece in rows.pieces():
                _require_finite(piece)
                buffer = BytesIO()
                pl.DataFrame(piece).write_ndjson(buffer)
                file.write(buffer.getbuffer())
                count += piece.num_rows
            files.fsync(file)
        written[rows.split] = count
    return written


def _to_hf_disk(splits: Sequence[_Rows], folder: Path, dataset_id: str) -> dict[str, int]:
    """Through the library itself; its fingerprints follow from the dataset, so that the same rows give the same bytes."""
    try:
        import datasets
        from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError:
        raise UsageError(
            "GD0234", "--to hf-disk needs the library datasets; run: pip install 'gcsl[hf]', or export to parquet"
        ) from None
    loaded = {}
    for rows in splits:
        table = pa.Table.from_batches([b for path in rows.paths for b in read_shard(path)], rows.schema)  # mapped files
        fingerprint = f"{dataset_id[:16]}-{rows.split}"
        loaded[rows.split] = datasets.Dataset(
            table,
            split=datasets.NamedSplit(rows.split),
            fingerprint=fingerprint,  # pyright: ignore[reportArgumentType]
        )
    shows_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        datasets.DatasetDict(loaded).save_to_disk(str(folder))
    finally:
        if shows_bars:
            enable_progress_bars()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                files.fsync(file)
    return {name: rows.num_rows for name, rows in loaded.items()}


def _holds_bytes(dtype: pa.DataType) -> bool:
    if pa.types.is_nested(dtype):
        return any(_holds_bytes(dtype.field(i).type) for i in range(dtype.num_fields))
    return pa.types.is_binary(dtype) or pa.types.is_fixed_size_binary(dtype)


def _require_finite(piece: pa.Table) -> None:
    """NaN and infinity may stand in columns that were kept from a log; as JSON they would silently be null."""
    for name, column in zip(piece.column_names, piece.columns, strict=True):
        if any(_holds_nonfinite(chunk) for chunk in column.chunks):
            raise UsageError(
                "GD0235", f"the column {name!r} holds NaN or infinity, which JSON has no form for; export to parquet"
            )


def _holds_nonfinite(values: pa.Array) -> bool:
    if pa.types.is_floating(values.type):
        return pc.all(pc.is_finite(values)).as_py() is False  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_struct(values.type):
        return any(_holds_nonfinite(field) for field in values.flatten())
    if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        return _holds_nonfinite(values.flatten())
    return False


TARGETS: dict[str, Callable[[Sequence[_Rows], Path, str], dict[str, int]]] = {
    "trl": _to_parquet,
    "hf-disk": _to_hf_disk,
    "parquet": _to_parquet,
    "jsonl": _to_json_lines,
}
