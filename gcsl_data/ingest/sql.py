"""What can be told of a SQL expression and a schema before a row is read."""

from typing import Any

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.conversations import is_messages
from gcsl_data.ingest.fault import FieldPath


def sees_other_rows(expression: pl.Expr, schema: pl.Schema) -> bool:
    """Whether a row's value may come of other rows too (an aggregate, a window), or become several rows.

    Polars knows: a filter may be moved before an expression if and only if that works row by row, and its optimizer does.
    `Expr.meta.is_row_separable` looks at the outermost function only, and knows no types. False for an expression that does
    not fit the schema; that is another error.
    """
    filtered = pl.LazyFrame(schema=schema).with_columns(expression.alias("mapped")).filter(pl.col(ROW_INDEX) > 0)
    try:
        return filtered.explain().lstrip().startswith("FILTER")
    except pl.exceptions.PolarsError:
        return False


def fits(expression: pl.Expr, schema: pl.Schema) -> bool:
    """Whether the columns and fields that an expression names are there, of types that it can work with."""
    return _type_of(expression, schema) is not None


def needs(expression: pl.Expr, schema: pl.Schema, path: FieldPath) -> bool:
    """Whether an expression reads this field: with the field gone it fits the schema no more, or gives no chat messages."""
    whole, rest = _type_of(expression, schema), _type_of(expression, without(schema, path))
    return whole is not None and (rest is None or (is_messages(whole) and not is_messages(rest)))


def _type_of(expression: pl.Expr, schema: pl.Schema) -> pl.DataType | None:
    try:
        return pl.LazyFrame(schema=schema).select(mapped=expression).collect_schema()["mapped"]
    except pl.exceptions.PolarsError:
        return None


def without(schema: pl.Schema, path: FieldPath) -> pl.Schema:
    """The schema without the field at `path`."""
    head, *rest = path
    kept = {name: _type_without(dtype, tuple(rest)) if name == head else dtype for name, dtype in schema.items()}
    return pl.Schema({name: dtype for name, dtype in kept.items() if dtype is not None})


def _type_without(dtype: Any, path: FieldPath) -> Any:
    """The type without the field at `path`; None when that is all of it."""
    if not path:
        return None
    head, *rest = path
    if head is None:
        inner = _type_without(dtype.inner, tuple(rest))
        return inner and pl.List(inner)
    inner = {
        field.name: _type_without(field.dtype, tuple(rest)) if field.name == head else field.dtype
        for field in dtype.fields
    }
    return pl.Struct({name: kept for name, kept in inner.items() if kept is not None})
