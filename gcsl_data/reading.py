"""The records of all logs, one after another and of one type; or those of a fragment, which are the same rows of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from gcsl_data.columns import ASPECT_PREFIX, TIME
from gcsl_data.errors import DataError, UsageError
from gcsl_data.fit import Direction
from gcsl_data.fragments import Fragment, Pieces, with_places
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.mapping import aspects_of, to_records
from gcsl_data.ingest.shapes.settings import ShapeStage
from gcsl_data.recipe import RecordStage
from gcsl_data.stages.checks import flag_rejects
from gcsl_data.stages.times import shared_kind, with_time


@dataclass(frozen=True, slots=True)
class Reading:
    """How logs become flagged records: what was asked for, and the types that all of them share.

    `aspects` are the rewards side by side with the direction of each, `kept` the dtypes of kept columns, `kind` that of times
    (None: there are none). `notes` say how the logs were read where that is not obvious.
    """

    logs: tuple[Log, ...]
    pieces: tuple[Pieces, ...]
    record: RecordStage
    shape: ShapeStage
    needs_time: bool
    mapped: tuple[pl.LazyFrame, ...]
    aspects: dict[str, Direction]
    kept: dict[str, pl.DataType]
    kind: pl.DataType | None
    is_text: bool
    notes: tuple[str, ...]

    def records(self) -> pl.LazyFrame:
        """The flagged records of all logs, in their order."""
        return self._flagged([self._placed(frame, log) for log, frame in enumerate(self.mapped)])

    def of(self, fragment: Fragment) -> pl.LazyFrame:
        """Those of the rows of a fragment."""
        frames = []
        for stretch in fragment.stretches:
            frame = self.mapped[stretch.log]
            if not stretch.is_whole:
                log = self.logs[stretch.log]
                scanned = log.format.some_rows(log.plain, log.scanned, stretch.start, stretch.rows)
                part = replace(log, scanned=scanned)
                frame, _ = to_records(part, self.record, self.shape)
            frames.append(self._placed(frame, stretch.log))
        return self._flagged(frames)

    @property
    def is_indexed(self) -> bool:
        """Whether the rows of a fragment can be read without those before it."""
        return all(log.format.is_indexed for log in self.logs)

    def _placed(self, frame: pl.LazyFrame, log: int) -> pl.LazyFrame:
        placed = with_time(with_places(frame, log, self.pieces[log]), self.kind)
        return placed.with_columns(pl.col(name).cast(dtype) for name, dtype in self.kept.items())

    def _flagged(self, frames: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
        aspects = [ASPECT_PREFIX + name for name in self.aspects]
        records = pl.concat(frames, how="vertical")
        return flag_rejects(records, is_text=self.is_text, aspects=aspects, needs_time=self.needs_time)


def read_logs(
    logs: tuple[Log, ...],
    pieces: tuple[Pieces, ...],
    record: RecordStage,
    shape: ShapeStage,
    *,
    needs_time: bool = False,
) -> Reading:
    """How these logs become records; nothing is read but what their types need.

    Raises UsageError (2) or DataError (65) for columns that are missing, or that the logs do not agree on.
    """
    aspects = aspects_of(logs, record)
    mapped = [to_records(log, record, shape) for log in logs]
    schemas = {log.uri: frame.collect_schema() for log, (frame, _) in zip(logs, mapped, strict=True)}
    _require_same_prompts(schemas)
    kept = {name: _shared_type(name, schemas) for name in record.keep}
    kind = shared_kind(schemas)
    if needs_time and (without := [uri for uri, schema in schemas.items() if TIME not in schema]):
        raise UsageError(
            "GD0253", f"splits by time need the time of each record, {without[0]} has none; say --map time=SQL"
        )
    return Reading(
        logs=logs,
        pieces=pieces,
        record=record,
        shape=shape,
        needs_time=needs_time,
        mapped=tuple(frame for frame, _ in mapped),
        aspects=aspects,
        kept=kept,
        kind=kind,
        is_text=next(iter(schemas.values()))["prompt"] == pl.String,
        notes=(*(note for log in logs for note in log.notes), *(note for _, given in mapped for note in given)),
    )


def _require_same_prompts(schemas: dict[str, pl.Schema]) -> None:
    text = [uri for uri, schema in schemas.items() if schema["prompt"] == pl.String]
    chat = [uri for uri, schema in schemas.items() if schema["prompt"] != pl.String]
    if text and chat:
        raise DataError("GD1210", f"prompts are text in {text[0]} and chat messages in {chat[0]}; expand them apart")


def _shared_type(name: str, schemas: dict[str, pl.Schema]) -> pl.DataType:
    """The one dtype of a kept column over all logs; a log that lacks it gives nulls."""
    found = {uri: schema[name] for uri, schema in schemas.items() if schema[name] != pl.Null}
    if not found:
        raise DataError("GD1211", f"no log has a column {name!r} to keep with a value in it; check --keep")
    if all(dtype.is_numeric() for dtype in found.values()) and len(set(found.values())) > 1:
        return pl.Float64()
    (first, dtype), *others = found.items()
    if _has_no_field(dtype):
        raise DataError(
            "GD1220",
            f"the column {name!r} of {first} holds objects without a field, which no file can keep; leave it out",
        )
    if dtype in (pl.Int128, pl.UInt128):
        raise DataError(
            "GD1226", f"the column {name!r} of {first} holds whole numbers of more than 64 bits, which no file keeps"
        )
    for uri, other in others:
        if other != dtype:
            raise DataError(
                "GD1212", f"the column {name!r} is {dtype} in {first} and {other} in {uri}; make them one type"
            )
    return dtype


def _has_no_field(dtype: Any) -> bool:
    """Whether there is nothing in the objects that stand in such a column, at any depth."""
    if isinstance(dtype, pl.List | pl.Array):
        return _has_no_field(dtype.inner)
    return isinstance(dtype, pl.Struct) and (not dtype.fields or any(_has_no_field(f.dtype) for f in dtype.fields))
