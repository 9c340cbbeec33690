"""A log's columns to record columns, by SQL expressions over the log's own names.

Needs a scanned log; gives prompt, response, reward (Float64, sign and rounding settled), group, source, row, part, and
`prompt_hash` (String), which groups records by default and divides them into splits.
Order is kept, no row is dropped.
"""

import difflib

import polars as pl

from gcsl_data.columns import MESSAGES, ROW_INDEX
from gcsl_data.errors import DataError, UsageError, shown
from gcsl_data.hashing import prompt_hash
from gcsl_data.ingest.faults import explain
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.reshape import split_conversation
from gcsl_data.recipe import RecordStage
from gcsl_data.stages.rewards import reward

# What other logs call our fields; used to offer a name in an error, never to pick a column silently.
_SYNONYMS = {
    "prompt": ("instruction", "question", "input", "query", "messages"),
    "response": ("completion", "output", "answer", "continuation", "solution", "generation", "chosen"),
    "reward": ("score", "rating", "grade", "label", "value", "toxicity"),
}


def to_records(log: Log, stage: RecordStage) -> pl.LazyFrame:
    """The records of one log, lazily.

    Raises UsageError (2) for an expression that cannot be parsed, DataError (65) for a column that is missing or has an
    unusable type, naming the nearest column that is there.
    """
    scanned, schema = _scanned(log)
    prompt, response = _prompt_and_response(schema, stage, log.uri)
    grade = _expression("reward", stage, schema, log.uri)
    frame = scanned.select(
        prompt=prompt,
        response=response,
        reward=grade,
        group=_expression("group", stage, schema, log.uri).cast(pl.String) if "group" in stage.map else None,
        source=pl.lit(log.uri),
        row=pl.col(ROW_INDEX).cast(pl.Int64),
        part=pl.lit(0, pl.Int32),
    )
    types = _resolved(frame, log.uri)
    _check_types(types, log.uri)
    is_text = types["prompt"] == pl.String
    return frame.with_columns(
        prompt=pl.col("prompt") if is_text else plain_messages("prompt"),
        reward=reward(pl.col("reward"), types["reward"], direction=stage.direction),
        prompt_hash=prompt_hash(pl.col("prompt"), is_text=is_text),
    ).with_columns(group=pl.coalesce("group", "prompt_hash"))


def _scanned(log: Log) -> tuple[pl.LazyFrame, pl.Schema]:
    """The scan and its schema, which JSON lines and CSV are read through for."""
    try:
        scanned = log.format.scan(log.path)
        return scanned, scanned.collect_schema()
    except (pl.exceptions.PolarsError, OSError, MemoryError) as error:
        raise explain(error, [log]) from error


def plain_messages(column: str) -> pl.Expr:
    """Chat messages with nothing but role and content."""
    role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
    return pl.col(column).list.eval(pl.struct(role=role, content=content)).cast(MESSAGES)


def _prompt_and_response(schema: pl.Schema, stage: RecordStage, uri: str) -> tuple[pl.Expr, pl.Expr]:
    if "messages" not in stage.map:
        return _expression("prompt", stage, schema, uri), _expression("response", stage, schema, uri)
    for name in ("prompt", "response"):
        if name in stage.map:
            raise UsageError("GD0204", f"--map {name} and --map messages both say what the {name} is; give one of them")
    return split_conversation(_expression("messages", stage, schema, uri))


def _expression(field: str, stage: RecordStage, schema: pl.Schema, uri: str) -> pl.Expr:
    text = stage.map.get(field, field)
    try:
        expression = pl.sql_expr(text) if field in stage.map else pl.col(field)
    except pl.exceptions.PolarsError as error:
        raise UsageError("GD0205", f"--map {field}={shown(text)} is not a SQL expression: {error}") from None
    for column in expression.meta.root_names():
        if column not in schema:
            raise DataError("GD1201", f"{uri}: no column {column!r} for the {field}; {_offer(field, column, schema)}")
    return expression


def _offer(field: str, column: str, schema: pl.Schema) -> str:
    names = [name for name in schema if name != ROW_INDEX]
    lower = {name.lower(): name for name in names}
    close = [lower[c] for c in difflib.get_close_matches(column.lower(), lower, n=3, cutoff=0.6)]
    close += [lower[s] for s in _SYNONYMS.get(field, ()) if s in lower and lower[s] not in close]
    if close:
        return f"nearest: {', '.join(close)}; say --map {field}={close[0]}"
    return f"it has {', '.join(names[:12])}; say --map {field}=COLUMN"


def _resolved(frame: pl.LazyFrame, uri: str) -> pl.Schema:
    try:
        return frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DataError("GD1202", f"{uri}: the mapping does not fit its columns: {error}") from None


def _check_types(types: pl.Schema, uri: str) -> None:
    if not (types["prompt"] == pl.String or _is_messages(types["prompt"])):
        raise DataError(
            "GD1203", f"{uri}: the prompt must be text or a list of {{role, content}}, found {types['prompt']}"
        )
    if types["response"] != pl.String:
        is_number = types["response"].is_numeric()
        hint = "cast it: --map response='CAST(x AS VARCHAR)'" if is_number else "map a text column to it"
        raise DataError("GD1204", f"{uri}: the response must be text, found {types['response']}; {hint}")
    if types["reward"] == pl.String:
        raise DataError(
            "GD1205", f"{uri}: the reward is text, expected a number; cast it: --map reward='CAST(x AS DOUBLE)'"
        )
    if not (types["reward"].is_numeric() or types["reward"] == pl.Null):
        hint = f"; choose one field of it with a dot: {types['reward']}" if types["reward"].is_nested() else ""
        hint = "; cast it: --map reward='CAST(x AS DOUBLE)'" if types["reward"] == pl.Boolean else hint
        raise DataError("GD1206", f"{uri}: the reward must be a number, found {types['reward'].base_type()}{hint}")


def _is_messages(dtype: pl.DataType) -> bool:
    if not (isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)):
        return False
    fields = {field.name: field.dtype for field in dtype.inner.fields}
    return fields.get("role") == pl.String and fields.get("content") == pl.String
