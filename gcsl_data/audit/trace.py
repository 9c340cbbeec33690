"""One example back to the row of the log it was made of: which file, which row, what reward, which goals.

Needs the dataset alone; with the folder of the logs it also shows the row as the log holds it today, and whether the log is
still the one that the dataset was made of.
"""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import polars as pl

from gcsl_data.columns import KINDS, ROW_INDEX
from gcsl_data.dataset.goal import Message, remove
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import DataError, InputError, UsageError, shown
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.shapes.settings import ShapeStage

LogState = Literal["unchanged", "changed", "unknown", "missing"]
_ID = re.compile(r"[0-9a-f]{4,16}")
_RECORD = ("source", "row", "part")
_MARKS = ("label", "advantage", "weight", "smoothing")


@dataclass(frozen=True, slots=True)
class ReachedGoal:
    """A goal that the record reaches; `example` is the id of the row that demonstrates it, null when none does."""

    index: int
    threshold: str | None
    comparator: str | None
    text: str
    dropped: str | None
    example: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that the example holds as a worse response than its own."""

    source: str
    row: int
    part: int
    reward: float
    completion: str | list[Message]


@dataclass(frozen=True, slots=True)
class LogRow:
    """The record's row in the log as it lies there now; null when the log, or the row, is not there.

    `state` says whether the log's SHA-256 is the manifest's: "unknown" for one that is no input of the dataset, because its
    records came through a file of records.
    """

    path: str
    state: LogState
    row: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that leads from an example to its record. `prompt` is without the goal; `logged` is the reward in the
    log's own unit; `goals` are those the record reaches, lowest first; `others` the record's other examples. In pairs the
    record is the chosen one, `rejected` are the others; `marks` is what else the row says: label, advantage, weight."""

    id: str
    source: str
    row: int
    part: int
    split: str
    shard: str
    shard_row: int
    group: str
    reward: float
    logged: float
    level: int
    goal_index: int | None
    goal: str | None
    goals: tuple[ReachedGoal, ...]
    others: tuple[str, ...]
    prompt: str | list[Message]
    completion: str | list[Message]
    rejected: tuple[Rejected, ...]
    marks: dict[str, float | bool]
    kept: dict[str, Any]
    log: LogRow | None


def trace(dataset: Path, prefix: str, *, logs: Path | None = None) -> Trace:
    """The example whose id starts with `prefix` (at least 4 hex digits, one example alone), and where it came from.

    Raises UsageError (2) when there is no such example, or several; DataError (65) for a dataset that is not as its manifest
    says; with `logs`, InputError (66) when that is no folder, and what reading a log raises.
    """
    manifest = load(dataset)
    if not _ID.fullmatch(prefix):
        raise UsageError("GD0240", f"{shown(prefix)} is no id; one is 16 hex digits, of which the first 4 may do")
    rows = _rows(dataset, manifest)
    example, *others = _of_one_record(rows, _whole_id(rows, prefix, dataset), manifest)
    copies = [example, *others]
    return Trace(
        **{name: example[name] for name in (*_RECORD, "id", "shard", "shard_row", "group", "reward", "level", "goal")},
        split=next(shard.split for shard in manifest.shards if shard.name == example["shard"]),
        logged=manifest.fit.sign * example.get("reward_raw", example["reward"]) or 0.0,
        goal_index=example["goal_index"],
        goals=_reached(manifest, example["level"], {copy["goal_index"]: copy["id"] for copy in copies}),
        others=tuple(other["id"] for other in others),
        prompt=_without_goal(example, manifest),
        completion=example["completion"],
        rejected=tuple(_rejected(example, manifest)),
        marks={name: example[name] for name in _MARKS if name in example},
        kept={
            column.name: _json_value(example[column.name]) for column in manifest.columns[len(KINDS[manifest.kind]) :]
        },
        log=_log_row(manifest, logs, example["source"], example["row"]) if logs else None,
    )


def _rows(dataset: Path, manifest: Manifest) -> pl.LazyFrame:
    """All examples with their `shard` and their 1-based row in it."""
    paths = verified_shards(dataset, manifest, manifest.shards)
    return pl.concat(
        pl.scan_ipc(path, row_index_name="shard_row", row_index_offset=1).with_columns(shard=pl.lit(shard.name))
        for shard, path in paths.items()
    )


def _whole_id(rows: pl.LazyFrame, prefix: str, dataset: Path) -> str:
    found = _collect(rows.filter(pl.col("id").str.starts_with(prefix)).select("id"))["id"].sort()
    if found.is_empty():
        first = _collect(rows.select("id").head(1))["id"].first()
        raise UsageError("GD0241", f"{dataset} has no example {prefix}; its first is {first}")
    if found.n_unique() > 1:
        some = ", ".join(found.unique(maintain_order=True).head(3))
        raise UsageError("GD0242", f"{found.n_unique()} examples start with {prefix}; give more digits: {some} ...")
    if found.len() > 1:
        raise DataError("GD6531", f"{dataset}: {found.len()} examples have the id {found.first()}; run gcsl-data check")
    return str(found.first())


def _of_one_record(rows: pl.LazyFrame, example_id: str, manifest: Manifest) -> list[dict[str, Any]]:
    """The example, then the others of the same record in their order."""
    (example,) = _collect(rows.filter(pl.col("id") == example_id)).to_dicts()
    same = pl.all_horizontal(pl.col(name) == example[name] for name in _RECORD)
    order = "goal_index" if manifest.kind == "examples" else "copy"
    others = _collect(rows.filter(same & (pl.col("id") != example_id)).select("id", order)).sort(order).to_dicts()
    return [_as_example(example), *({"goal_index": None, **other} for other in others)]


def _as_example(row: dict[str, Any]) -> dict[str, Any]:
    """A row of any kind with what rows of kind "examples" have: those of other kinds carry no goal."""
    chosen = {"reward": row["chosen_reward"], "completion": row["chosen"]} if "chosen" in row else {}
    return {"goal": None, "goal_index": None, "level": 0, **chosen, **row}


def _rejected(example: dict[str, Any], manifest: Manifest) -> Iterator[Rejected]:
    """The worse responses of a row, one or several."""
    if "rejected" not in example:
        return
    names = ("rejected_source", "rejected_row", "rejected_part", "rejected_reward", "rejected")
    several = [example[name] if manifest.kind == "multi-negative" else [example[name]] for name in names]
    for values in zip(*several, strict=True):
        yield Rejected(*values)


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _reached(manifest: Manifest, level: int, demonstrated: dict[int | None, str]) -> tuple[ReachedGoal, ...]:
    return tuple(
        ReachedGoal(
            index=goal.index,
            threshold=None if manifest.fit.aspects else goal.threshold,
            comparator=None if manifest.fit.aspects else goal.comparator,
            text=goal.text or "",
            dropped=goal.dropped,
            example=demonstrated.get(goal.index),
        )
        for goal in manifest.goals
        if goal.index <= level
    )


def _without_goal(example: dict[str, Any], manifest: Manifest) -> str | list[Message]:
    try:
        return remove(example["prompt"], example["goal"], manifest.placement)
    except ValueError as error:
        raise DataError("GD6532", f"the example {example['id']}: {error}; run gcsl-data check") from None


def _log_row(manifest: Manifest, folder: Path, source: str, row: int) -> LogRow:
    if not folder.is_dir():
        raise InputError("GD6610", f"{folder} is not a folder; --logs is the folder that the logs lie in")
    if PurePosixPath(source).is_absolute() or ".." in PurePosixPath(source).parts:
        raise DataError("GD6533", f"{shown(source)} is not the name of a log of this dataset; do not use it")
    path = folder / source
    if not path.is_file():
        return LogRow(str(path), "missing", None)
    recorded = {item.uri: item.sha256 for item in manifest.inputs}.get(source)
    with path.open("rb") as file:
        now = hashlib.file_digest(file, "sha256").hexdigest()
    state: LogState = "unknown" if recorded is None else "unchanged" if now == recorded else "changed"
    try:
        return LogRow(str(path), state, _read_row(path, row, manifest.recipe))
    except DataError:
        if state != "changed":
            raise
        return LogRow(str(path), state, None)


def _read_row(path: Path, row: int, recipe: dict[str, Any]) -> dict[str, Any] | None:
    shape = ShapeStage(records=recipe.get("shape", {}).get("records"))  # where the rows of a document are
    (log,) = find_logs([str(path.absolute())], shape)
    found = LocalEngine([log]).measure(log.scanned.filter(pl.col(ROW_INDEX) == row).drop(ROW_INDEX)).to_dicts()
    return _json_value(found[0]) if found and row not in log.faults.rows else None


def _json_value(value: Any) -> Any:
    """A value of a log as JSON has it; what JSON has no form for (a date, NaN, bytes) as its text."""
    if isinstance(value, dict):
        return {name: _json_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
