"""SQL expressions over the columns of a log: parsed, held against what is there, refused with what may be meant."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from gcsl_data.columns import OURS
from gcsl_data.errors import DataError, UsageError, shown
from gcsl_data.ingest.fault import Mixed
from gcsl_data.ingest.offers import missing_field, offer
from gcsl_data.ingest.shapes.settings import Sql
from gcsl_data.ingest.sql import fits, needs, sees_other_rows

_LITERAL = "0123456789+-.'\""  # how a number, a text or a quoted name begins


@dataclass(frozen=True, slots=True)
class Columns:
    """A lazy frame with its schema, and the log that it comes of: name, what its rows count, fields of several types."""

    frame: pl.LazyFrame
    schema: pl.Schema
    uri: str
    unit: str
    mixed: tuple[Mixed, ...] = ()

    def of(self, frame: pl.LazyFrame) -> "Columns":
        """The same log as another frame, for instance after a shape was taken off it."""
        return Columns(frame, frame.collect_schema(), self.uri, self.unit)


def expression(field: str, sql: Sql | None, columns: Columns, *, flag: str = "--map") -> pl.Expr:
    """The expression that `sql` is, else the column called like the field; of several the first that fits the columns.

    Raises UsageError (2) for what cannot be parsed, or looks at other rows; DataError (65) for a column that is not there,
    naming the nearest.
    """
    alternatives = sql[1:] if isinstance(sql, tuple) else ()
    if isinstance(sql, tuple):
        parsed = [_parsed(field, text, columns, flag) for text in sql]
        sql = next((text for text, one in zip(sql, parsed, strict=True) if fits(one, columns.schema)), sql[0])
    found = pl.col(field) if sql is None else _parsed(field, sql, columns, flag)
    for column in found.meta.root_names():
        if column not in columns.schema:
            near = offer(field, column, columns.schema, columns.frame, flag=flag)
            others = " (nor what else is named for it)" if alternatives else ""
            raise DataError("GD1201", f"{columns.uri}: no column {column!r} for the {field}{others}; {near}")
    for mixed in columns.mixed:
        if needs(found, columns.schema, mixed.path):
            said = " and ".join(mixed.places(columns.unit))
            raise DataError("GD1215", f"{columns.uri}: the field {mixed.name!r} is {said}; make it one type")
    if sees_other_rows(found, columns.schema):
        raise UsageError(
            "GD0231",
            f"{_said(flag, field, sql)} makes one row of several, or several of one; use the fields of the row alone",
        )
    return found


def typed(field: str, sql: Sql | None, columns: Columns, *, flag: str) -> tuple[pl.Expr, pl.DataType]:
    """The expression, and the dtype that it gives. Raises what `expression` does, and DataError (65) when it does not fit."""
    found = expression(field, sql, columns, flag=flag)
    try:
        return found, columns.frame.select(found.alias(field)).collect_schema()[field]
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0].strip()
        raise DataError(
            "GD1202",
            f"{columns.uri}: {_said(flag, field, sql)} does not fit its columns: {missing_field(reason, columns.schema)}",
        ) from None


def _parsed(field: str, sql: str, columns: Columns, flag: str) -> pl.Expr:
    """SQL as an expression. A column's name is that column, though SQL may know another thing of that name, such as USER."""
    if sql in columns.schema and sql[:1] not in _LITERAL:
        return pl.col(sql)
    try:
        found = pl.sql_expr(sql)
    except pl.exceptions.PolarsError as error:
        raise UsageError("GD0205", f"{_said(flag, field, sql)} is not a SQL expression: {error}") from None
    if ".subplan(" in str(found):
        raise UsageError("GD0205", f"{_said(flag, field, sql)} holds a query; use the fields of the row alone")
    return found


def _said(flag: str, field: str, sql: Sql | None) -> str:
    """What a person wrote: after a flag, or as a setting of a recipe."""
    return f"{flag} {field}={shown(sql)}" if flag.startswith("--") else f"{flag}.{field} = {shown(sql)}"


def require_own_names(names: Iterable[str], uri: str) -> None:
    """Raises DataError (65) for a column of a log with a name that gcsl needs."""
    for name in names:
        if name.startswith(OURS):
            raise DataError(
                "GD1223", f"{uri}: the column {name!r} is called like those that gcsl makes itself; rename it"
            )
