"""A log's columns to record columns, by SQL expressions over the log's own names.

Needs a scanned log; gives prompt, response, reward (Float64, sign and rounding settled), group, source, row, part, and
`prompt_hash` (String), which groups records by default and divides them into splits, and the `ROW_INDEX` of the scan.
Order is kept, no row is dropped.
"""

from collections.abc import Sequence

import polars as pl

from gcsl_data.columns import (
    ASPECT_PREFIX,
    MESSAGES,
    PART_INDEX,
    RECORD,
    REWARD,
    ROW_INDEX,
    SHAPE_FAULT,
    TIME,
)
from gcsl_data.errors import DataError, UsageError
from gcsl_data.fit import Direction
from gcsl_data.hashing import prompt_hash
from gcsl_data.ingest.conversations import is_messages
from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.expressions import Columns, require_own_names
from gcsl_data.ingest.fault import DECODING_REASONS
from gcsl_data.ingest.fields import field, logged_reward, prompt_and_response, says
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.offers import missing_field
from gcsl_data.ingest.shapes.registry import reshape
from gcsl_data.ingest.shapes.settings import ShapeStage
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.sql import without
from gcsl_data.recipe import RecordStage
from gcsl_data.stages.rewards import numeric, reward, unread_reason
from gcsl_data.stages.times import TIME as UTC
from gcsl_data.stages.times import time

NO_SHAPE = ShapeStage()
_PLACE = ("group", "source", "row", "part")
_LOGGED = "logged "  # what the log says, before it is a reward; with a space, so that no column of ours is called so


def aspects_of(logs: Sequence[Log], stage: RecordStage) -> dict[str, Direction]:
    """The aspects that the records of these logs have, as mapped or as ingested, and which values of each are better.

    Raises DataError (65) when the logs do not agree.
    """
    mapped: dict[str, Direction] = {name: stage.direction_of(name) for name in stage.rewards}
    found = {log.uri: log.records.aspects if log.records else mapped for log in logs}
    (first, aspects), *others = found.items()
    for uri, other in others:
        if list(other.items()) != list(aspects.items()):
            said = [", ".join(given) or "one reward" for given in (aspects, other)]
            raise DataError("GD1217", f"{first} has {said[0]} and {uri} has {said[1]}; ingest them the same way")
    return aspects


def to_records(log: Log, stage: RecordStage, shape: ShapeStage = NO_SHAPE) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """The records of one log, lazily, and what a person should know about how its columns were read.

    With several rewards (`stage.rewards`) there is `reward_<aspect>` (Float64) for each, and the first is also `reward`.
    With a time (`stage.map`) there is `TIME`, as stages/times.py reads it.
    `fault` (String or null) names why a row could not be decoded or its reward not be read; the checks reject it for that.
    Raises UsageError (2) for an expression that cannot be parsed, DataError (65) for a column that is missing or has an
    unusable type, naming the nearest column that is there.
    """
    scanned, schema = _scanned(log)
    if log.records is not None:
        return _canonical(scanned, schema, stage, shape, log), ()
    require_own_names((name for name in schema if name != ROW_INDEX), log.uri)
    if log.faults.rows and len(schema) == 1:
        row, fault = next(iter(log.faults.rows.items()))
        raise DataError(
            "GD1214",
            f"{log.uri}:{row}: {DECODING_REASONS[fault.reason]} ({fault.detail}), and no other row can be read",
        )
    shaped = _shaped(log, scanned, schema, shape)
    _require_whole_fields(log, stage, shape)
    frame, schema = shaped.columns.frame, shaped.columns.schema
    prompt, response = prompt_and_response(stage, shaped)
    rewards = stage.rewards or ("reward",)
    frame = frame.select(
        prompt=prompt,
        response=response,
        **{_LOGGED + name: logged_reward(name, stage, shaped) for name in rewards},
        group=field("group", stage, shaped).cast(pl.String) if says("group", stage, shaped) else None,
        source=pl.lit(log.uri),
        log=pl.lit(log.uri),
        row=pl.col(ROW_INDEX).cast(pl.Int64),
        **{ROW_INDEX: pl.col(ROW_INDEX)},
        part=pl.col(PART_INDEX) if PART_INDEX in schema else pl.lit(0, pl.Int32),
        shape_fault=pl.col(SHAPE_FAULT) if SHAPE_FAULT in schema else pl.lit(None, pl.String),
        **({TIME: field("time", stage, shaped)} if says("time", stage, shaped) else {}),
        **{name: pl.col(name) if name in schema else None for name in stage.keep},
    )
    if log.faults.blank:
        frame = frame.filter(~pl.col("row").is_in(log.faults.blank))
    # A row that cannot be decoded counts once, whatever it might have held.
    if log.faults.rows and PART_INDEX in schema:
        frame = frame.filter((pl.col("part") == 0) | ~pl.col("row").is_in([*log.faults.rows]))
    types = _resolved(frame, schema, log.uri)
    if labels := [name for name in ("prompt", "response") if types[name] in (pl.Categorical, pl.Enum)]:
        frame = frame.with_columns(pl.col(labels).cast(pl.String))
        types = frame.collect_schema()
    _check_types(types, log.uri)
    is_text = types["prompt"] == pl.String
    graded: dict[str, pl.Expr] = {}
    unread, notes = [], []
    for name in rewards:
        logged, dtype = pl.col(_LOGGED + name), types[_LOGGED + name]
        number, said = numeric(logged, dtype, stage, uri=log.uri, name=name)
        unread.append(pl.when(logged.is_not_null() & number.is_null()).then(pl.lit(unread_reason(stage))))
        graded[ASPECT_PREFIX + name if stage.rewards else name] = reward(
            number, dtype, direction=stage.direction_of(name)
        )
        notes += said
    timed = [name for name in types if name == TIME]
    records = frame.with_columns(
        prompt=pl.col("prompt") if is_text else plain_messages("prompt"),
        prompt_hash=prompt_hash(pl.col("prompt"), is_text=is_text),
        fault=pl.coalesce(_decoding_fault(log), "shape_fault", *unread),
        **graded,
        **{name: time(pl.col(name), types[name], uri=log.uri) for name in timed},
    ).with_columns(group=pl.coalesce("group", "prompt_hash"), reward=pl.col(next(iter(graded))))
    aspects = [name for name in graded if name != "reward"]
    names = [
        *(column.name for column in RECORD),
        *timed,
        *aspects,
        *stage.keep,
        "log",
        "prompt_hash",
        "fault",
        ROW_INDEX,
    ]
    return records.select(names), tuple(notes)


def _canonical(
    scanned: pl.LazyFrame, schema: pl.Schema, stage: RecordStage, shape: ShapeStage, log: Log
) -> pl.LazyFrame:
    """Records that `ingest` wrote, as they are: mapped, rounded and signed already."""
    assert log.records is not None
    if stage.map or stage.rewards or stage.reward_order or stage.reward_reduce or not shape.is_plain:
        raise UsageError(
            "GD0215", f"{log.uri} holds records that are mapped already; leave out --preset, --map and --reward..."
        )
    aspects = [ASPECT_PREFIX + name for name in log.records.aspects]
    if again := [name for name in stage.keep if name in aspects]:
        raise UsageError("GD0254", f"{again[0]!r} comes along with the records of {log.uri}; leave it out of --keep")
    if aspects and stage.direction == "lower":
        raise UsageError("GD0255", f"{log.uri} says of each reward which way is better; leave out --direction")
    _require_record_types(schema, aspects, log.uri)
    if stage.direction != log.records.direction and not aspects:
        known = log.records.direction
        raise UsageError("GD0216", f"{log.uri} was ingested with --direction {known}; say so here as well")
    return scanned.select(
        "prompt",
        "response",
        "reward",
        "group",
        "source",
        "row",
        "part",
        *([TIME] if TIME in schema else []),
        *aspects,
        *(pl.col(name) if name in schema else pl.lit(None).alias(name) for name in stage.keep),
        log=pl.lit(log.uri),
        prompt_hash=prompt_hash(pl.col("prompt"), is_text=schema["prompt"] == pl.String),
        fault=pl.when(pl.any_horizontal(pl.col(_PLACE).is_null())).then(pl.lit("no_place")),
        **{ROW_INDEX: pl.col(ROW_INDEX)},
    )


def _require_record_types(schema: pl.Schema, aspects: Sequence[str], uri: str) -> None:
    """Raises DataError (65) when a file of records was changed into something else since `ingest` wrote it."""
    expected = {column.name: column.dtype for column in RECORD} | dict.fromkeys(aspects, REWARD.dtype)
    for name, dtype in expected.items():
        found = schema.get(name)
        is_text_prompt = name == "prompt" and found == pl.String
        if found != dtype and not is_text_prompt:
            said = f"their {name} is {found or 'missing'} where it must be {dtype}"
            raise DataError("GD1222", f"{uri} holds records, and {said}; ingest the log again")
    if TIME in schema and schema[TIME] not in (pl.Float64, UTC):
        raise DataError("GD1222", f"{uri} holds records, and their time is {schema[TIME]}; ingest the log again")


def _decoding_fault(log: Log) -> pl.Expr:
    """The reason why a row was set aside before it was parsed; null for all others."""
    if not log.faults.rows:
        return pl.lit(None, pl.String)
    rows: dict[str, list[int]] = {}
    for row, fault in log.faults.rows.items():
        rows.setdefault(fault.reason, []).append(row)
    row = pl.col("row")
    return pl.coalesce(pl.when(row.is_in(found)).then(pl.lit(reason)) for reason, found in rows.items())


def _scanned(log: Log) -> tuple[pl.LazyFrame, pl.Schema]:
    """The scan and its schema, which JSON lines and CSV are read through for."""
    try:
        return log.scanned, log.scanned.collect_schema()
    except UNREADABLE as error:
        raise explain(error, [log]) from error


def plain_messages(column: str) -> pl.Expr:
    """Chat messages with nothing but role and content."""
    role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
    return pl.col(column).list.eval(pl.struct(role=role, content=content)).cast(MESSAGES)


def _shaped(log: Log, scanned: pl.LazyFrame, schema: pl.Schema, shape: ShapeStage) -> Shaped:
    """The rows of a log, taken out of its shape."""
    columns = Columns(scanned, schema, log.uri, log.format.unit, log.faults.mixed)
    if shape.is_plain:
        return Shaped(columns)
    items = None
    if log.items:
        items = Columns(*_scanned(log.items), log.items.uri, log.items.format.unit, log.items.faults.mixed)
        require_own_names((name for name in items.schema if name != ROW_INDEX), items.uri)
    try:
        return reshape(columns, shape, items=items, has_records=log.has_records)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0].strip()
        raise DataError("GD1251", f"{log.uri}: its columns do not fit the shape: {reason}; change [shape]") from None


def _require_whole_fields(log: Log, stage: RecordStage, shape: ShapeStage) -> None:
    """Raises DataError (65) for a field of several types that records are made of, however deep in the shape it stands.

    With the field gone, what needs it cannot be made. (Without a shape, every expression is asked for itself.)
    """
    if shape.is_plain:
        return
    _, schema = _scanned(log)
    for mixed in log.faults.mixed:
        rest = without(schema, mixed.path)
        try:
            shaped = _shaped(log, pl.LazyFrame(schema=rest), rest, shape)
            asked = [
                *prompt_and_response(stage, shaped),
                *(logged_reward(name, stage, shaped) for name in stage.rewards or ["reward"]),
                *(field(name, stage, shaped) for name in ("group", "time") if says(name, stage, shaped)),
            ]
            shaped.columns.frame.select(one.alias(str(n)) for n, one in enumerate(asked)).collect_schema()
        except (DataError, pl.exceptions.PolarsError):
            said = " and ".join(mixed.places(log.format.unit))
            raise DataError("GD1215", f"{log.uri}: the field {mixed.name!r} is {said}; make it one type") from None


def _resolved(frame: pl.LazyFrame, schema: pl.Schema, uri: str) -> pl.Schema:
    try:
        return frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0].strip()
        raise DataError(
            "GD1202", f"{uri}: the mapping does not fit its columns: {missing_field(reason, schema)}"
        ) from None


def _check_types(types: pl.Schema, uri: str) -> None:
    if not (types["prompt"] == pl.String or is_messages(types["prompt"])):
        raise DataError(
            "GD1203", f"{uri}: the prompt must be text or a list of {{role, content}}, found {types['prompt']}"
        )
    if types["response"] != pl.String:
        is_number = types["response"].is_numeric()
        hint = "cast it: --map response='CAST(x AS VARCHAR)'" if is_number else "map a text column to it"
        raise DataError("GD1204", f"{uri}: the response must be text, found {types['response']}; {hint}")
