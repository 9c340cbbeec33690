"""The rows of a dataset: every shard checked against the manifest before a parser sees it, then read batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gcsl_data.dataset import manifest as manifests
from gcsl_data.dataset.goal import Message
from gcsl_data.dataset.manifest import Manifest, Shard, verified_shard
from gcsl_data.errors import DataError
from gcsl_train.arrow_file import batches, checked_columns, checked_record, layout_of, needed_columns, opened
from gcsl_train.kinds import Layout

SPLIT = "train"
_UNFINISHED = ".incomplete"  # what the name of a folder ends with until the dataset in it is finished


@dataclass(frozen=True, slots=True)
class Example:
    """One training row: the prompt with its goal, its answers (of a pair: the chosen, the rejected), and its numbers.

    `goal` is what stands in the prompt, if anything does; `group` is what makes rows one item, where something does. `place`
    (source, row, part) and `level` tell of the record behind the row, for those who ask.
    """

    id: str
    prompt: str | list[Message]
    answers: tuple[str | list[Message], ...]
    numbers: Mapping[str, float]
    goal: str | None = None
    group: str | None = None
    place: tuple[str, int, int] | None = None
    level: int | None = None


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a finished dataset. Raises InputError (66) and DataError (65)."""
    if Path(folder).resolve().name.endswith(_UNFINISHED):
        raise DataError("GT6540", f"{folder} is an unfinished build; build the dataset again")
    return manifests.load(folder)


def read_examples(
    folder: str | Path, manifest: Manifest, *, split: str = SPLIT, with_records: bool = False
) -> Iterator[Example]:
    """The examples of one split, in the order of its shards; with `with_records` what their records are, too.

    All shards are verified before the first row comes. Raises DataError (65) for a shard that is damaged, of another
    schema, or holds a null or a number that cannot be used; it names the shard and the row.
    """
    layout, needed = layout_of(manifest), needed_columns(manifest)
    schemas: list[pa.Schema] = []
    for path, shard in _verified(folder, manifest, split):
        rows = 0
        for row in _rows(path, shard, manifest, schemas, with_records):
            rows += 1
            where = f"{shard.name} row {rows}"
            example = _example(row, layout, needed, where)
            yield _with_record(example, row, where) if with_records else example
        if rows != shard.rows:
            raise DataError(
                "GT6502", f"{path} has {rows} rows, the manifest says {shard.rows}; build the dataset again"
            )


def read_rewards(folder: str | Path, manifest: Manifest) -> np.ndarray:
    """The finite rewards (float64) of the train split, in the order of its rows.

    Raises DataError (65), as `read_examples`.
    """
    found = []
    for path, shard in _verified(folder, manifest, SPLIT):
        with opened(path, shard) as reader:
            checked_columns(reader.schema, path, manifest)
            columns = [batch.column("reward") for batch in batches(reader, ["reward"])]
            found += [np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64) for column in columns]
    rewards = np.concatenate([np.empty(0), *found])
    return rewards[np.isfinite(rewards)]


def unnamed(folder: str | Path, manifest: Manifest) -> list[str]:
    """The names of files beside the shards that the manifest does not name, and that nothing reads."""
    places = {(Path(folder) / shard.name).parent for shard in manifest.shards}
    found = {path.relative_to(folder).as_posix() for place in places if place.is_dir() for path in place.iterdir()}
    return sorted(found - {shard.name for shard in manifest.shards})


def _verified(folder: str | Path, manifest: Manifest, split: str) -> list[tuple[Path, Shard]]:
    """The shards of a split and where they lie, all of them as the manifest says."""
    shards = manifest.split_shards(split)
    if not shards:
        names = ", ".join(s.name for s in manifest.splits) or "none"
        raise DataError(
            "GT6501",
            f"{folder} has no split {split!r} (it has: {names}); choose one of these, or expand the log again with "
            "--split 0.8,0.2",
        )
    return [(verified_shard(folder, shard), shard) for shard in shards]


def _with_record(example: Example, row: dict[str, Any], where: str) -> Example:
    if None in (row["source"], row["row"], row["part"]):
        raise DataError("GT6505", f"{where}: a null in source, row or part; build the dataset again")
    return replace(example, place=(row["source"], row["row"], row["part"]), level=row["level"])


def _rows(
    path: Path, shard: Shard, manifest: Manifest, schemas: list[pa.Schema], with_records: bool
) -> Iterator[dict[str, Any]]:
    with opened(path, shard) as reader:
        names = checked_columns(reader.schema, path, manifest)
        if with_records:
            names += checked_record(reader.schema, path)
        if schemas and not reader.schema.equals(schemas[0]):
            raise DataError("GT6541", f"{path} has other columns than the shards before it; build the dataset again")
        schemas.append(reader.schema)
        for batch in batches(reader, names):
            yield from batch.to_pylist()


def _example(row: dict[str, Any], layout: Layout, needed: tuple[str, ...], where: str) -> Example:
    missing = any(row[name] is None for name in needed)
    answers = () if missing else (*(row[n] for n in layout.answers), *(row[layout.several] if layout.several else ()))
    turns = [t for side in (row["prompt"], *answers) if isinstance(side, list) for t in side]
    if missing or None in answers or any(t is None or None in t.values() for t in turns):
        raise DataError("GT6505", f"{where}: a null in {_listed(needed)}; build the dataset again")
    if layout.several and not row[layout.several]:
        raise DataError("GT6505", f"{where}: {layout.several} is an empty list; build the dataset again")
    numbers = {name: _number(row, name, layout, where) for name in layout.numbers}
    group = row[layout.group] if layout.group else None
    return Example(row["id"], row["prompt"], answers, numbers, row.get("goal"), group)


def _number(row: dict[str, Any], name: str, layout: Layout, where: str) -> float:
    number = layout.numbers[name]
    found = row.get(name)
    value = number.default if found is None else float(found)
    assert value is not None  # a null where none may be was found before
    if not number.holds(value):
        raise DataError("GT6531", f"{where} ({row['id']}): {name} is {value}, expected {number.wanted}; build it again")
    return value


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
