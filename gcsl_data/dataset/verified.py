"""The shards of a dataset, ready to be read: the bytes, columns and rows that its manifest promises."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from gcsl_data.columns import KINDS
from gcsl_data.dataset.manifest import Manifest, Shard, verified_shard
from gcsl_data.dataset.shards import manifest_columns, read_shard, shard_schema
from gcsl_data.errors import DataError


def verified_shards(folder: Path, manifest: Manifest, shards: Iterable[Shard]) -> dict[Shard, Path]:
    """The file of each shard. All are hashed before any of them meets a parser.

    Raises DataError (65), naming the first shard that is not as the manifest says, or for columns of another kind.
    """
    names = [column.name for column in KINDS[manifest.kind]]
    if [column.name for column in manifest.columns[: len(names)]] != names:
        raise DataError(
            "GD6523", f"{folder}: the manifest's columns are not those of kind {manifest.kind}; build the dataset again"
        )
    paths = {shard: verified_shard(folder, shard) for shard in shards}
    for shard, path in paths.items():
        _require_content(path, manifest, shard)
    return paths


def _require_content(path: Path, manifest: Manifest, shard: Shard) -> None:
    try:
        schema = shard_schema(path)
        rows = sum(batch.num_rows for batch in read_shard(path))
    except pa.ArrowInvalid as error:
        raise DataError("GD6520", f"{path} is not an Arrow IPC file ({error}); build the dataset again") from None
    if manifest_columns(schema) != manifest.columns:
        raise DataError("GD6521", f"{path} has other columns than the manifest; build the dataset again")
    if rows != shard.rows:
        raise DataError("GD6524", f"{path} has {rows} rows, the manifest says {shard.rows}; build the dataset again")
