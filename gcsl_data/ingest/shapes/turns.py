"""Turns: a conversation in a row; every answer in it is a record, with what was said before it as the prompt."""

import polars as pl

from gcsl_data.columns import PART_INDEX, SHAPE_FAULT
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns, typed
from gcsl_data.ingest.shapes.chats import opens, said, seen_from
from gcsl_data.ingest.shapes.settings import Turns
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.shapes.types import as_list, require_text

OPENING = "opening"
_TURNS, _CONTEXT = "_gcsl_turns", "_gcsl_context"


def reshape(columns: Columns, shape: Turns) -> Shaped:
    """Adds `turn` (the answer with all its fields) and `PART_INDEX` (its place, from 0).

    A row without an answer stays as one whose turn is null. An answer before which nobody spoke is left out, as `OPENING`.
    """
    turns, dtype = as_list(*typed("messages", shape.messages, columns, flag="shape.turns"))
    require_fields(dtype, (shape.role, shape.content), columns, "shape.turns.messages")
    for field in dtype.inner.fields:
        if field.name in (shape.role, shape.content):
            require_text(field.dtype, f"the field {field.name!r} of shape.turns.messages", columns)
    role = pl.element().struct.field(shape.role).cast(pl.String)
    places = pl.col(_TURNS).list.eval(role.is_in([*shape.answers]).arg_true())
    if shape.which == "last":
        places = places.list.tail(1)
    frame = (
        columns.frame.with_columns(turns.alias(_TURNS))
        .with_columns(places.cast(pl.List(pl.Int32)).alias(PART_INDEX))
        .explode(PART_INDEX, empty_as_null=True, keep_nulls=True)
        .with_columns(turn=pl.col(_TURNS).list.get(pl.col(PART_INDEX), null_on_oob=True))
        .with_columns(before(shape, pl.col(_TURNS).list.head(pl.col(PART_INDEX))).alias(_CONTEXT))
        .drop(_TURNS)
        .with_columns(left_out().alias(SHAPE_FAULT), pl.col(PART_INDEX).fill_null(0))
    )
    response = pl.col("turn").struct.field(shape.content).cast(pl.String)
    return Shaped(columns.of(frame), {"prompt": pl.col(_CONTEXT), "response": response})


def before(shape: Turns, turns: pl.Expr) -> pl.Expr:
    """The turns before an answer, as the one who answers sees them."""
    messages = turns.list.eval(said(shape.role, shape.content))
    speaker = pl.col("turn").struct.field(shape.role).cast(pl.String)
    return seen_from(messages, speaker, answers=shape.answers, system=shape.system)


def left_out() -> pl.Expr:
    """The reason why an answer is no record."""
    return pl.when(pl.col("turn").is_not_null() & opens(pl.col(_CONTEXT))).then(pl.lit(OPENING))


def require_fields(dtype: pl.DataType, names: tuple[str, ...], columns: Columns, setting: str) -> None:
    """Raises DataError (65) when a list of objects lacks a field."""
    if not (isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)):
        raise DataError(
            "GD1240", f"{columns.uri}: {setting} must be a list of objects, found {shown(dtype)}; name one that is"
        )
    fields = [item.name for item in dtype.inner.fields]
    for name in names:
        if name not in fields:
            raise DataError(
                "GD1241", f"{columns.uri}: {setting} has no field {name!r}; its objects have {', '.join(fields)}"
            )
