"""Types inside a shape: what may be read as text, and the one type of values that stand in several places.

Polars casts a struct to one with other fields by position, or not at all. Here that goes by name.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from gcsl_data.columns import PART_INDEX
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns


def as_list(value: pl.Expr, dtype: Any) -> tuple[pl.Expr, Any]:
    """A list of a fixed length (Arrow, Parquet) as any other list."""
    return (value.arr.to_list(), pl.List(dtype.inner)) if isinstance(dtype, pl.Array) else (value, dtype)


def once_for_each_of(items: pl.Expr, frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Every row once for each item of a list: `name` is the item, `PART_INDEX` its place. An empty list: one row, null.

    Items and places go side by side, so that no row carries the list it came of.
    """
    full = pl.when(items.list.len() > 0)
    places = pl.int_ranges(0, items.list.len(), dtype=pl.Int32)
    return (
        frame.with_columns(full.then(items).alias(name), full.then(places).alias(PART_INDEX))
        .explode(name, PART_INDEX, empty_as_null=True, keep_nulls=True)
        .with_columns(pl.col(PART_INDEX).fill_null(0))
    )


def require_text(dtype: Any, what: str, columns: Columns) -> None:
    """Raises DataError (65) for a list, an object or bytes, which have no form as text that a person would write."""
    if dtype.is_nested() or dtype == pl.Binary:
        raise DataError(
            "GD1249", f"{columns.uri}: {what} must be text or a number, found {shown(dtype)}; name a field that is"
        )


def as_key(value: pl.Expr, dtype: Any) -> pl.Expr:
    """What tells users, items or messages apart, as text. Whole numbers read the same however they are stored: a column with
    nulls is of floats in many logs, and 7.0 is 7 there. NaN is none.
    """
    if not dtype.is_float():
        return value.cast(pl.String)
    is_whole = (value == value.floor()) & (value.abs() < 2**63)
    whole = pl.when(is_whole).then(value).cast(pl.Int64)
    return pl.coalesce(whole.cast(pl.String), pl.when(value.is_not_nan()).then(value.cast(pl.String)))


def common(dtypes: Sequence[Any]) -> Any:
    """The type that values of all these types fit into without a loss; None when there is none.

    Objects have the fields of all, without those that have no common type; numbers beside text are text.
    """
    known = list(dict.fromkeys(dtype for dtype in dtypes if dtype != pl.Null))
    if len(known) < 2:
        return known[0] if known else pl.Null()
    if all(isinstance(dtype, pl.Struct) for dtype in known):
        fields: dict[str, list[Any]] = {}
        for dtype in known:
            for field in dtype.fields:
                fields.setdefault(field.name, []).append(field.dtype)
        shared = {name: common(kinds) for name, kinds in fields.items()}
        return pl.Struct({name: kind for name, kind in shared.items() if kind is not None})
    if all(isinstance(dtype, pl.List) for dtype in known):
        inner = common([dtype.inner for dtype in known])
        return None if inner is None else pl.List(inner)
    if any(dtype.is_nested() for dtype in known):
        return None
    try:
        frames = [pl.DataFrame(schema={"": dtype}) for dtype in known]
        return pl.concat(frames, how="vertical_relaxed").schema[""]
    except pl.exceptions.PolarsError:
        return None


def as_type(value: pl.Expr, dtype: Any, target: Any) -> pl.Expr:
    """A value of `dtype` as one of `target`, which is `common` to it and others."""
    if dtype == target:
        return value
    if isinstance(target, pl.Struct) and isinstance(dtype, pl.Struct):
        own = {field.name: field.dtype for field in dtype.fields}
        fields = [
            as_type(value.struct.field(field.name), own[field.name], field.dtype).alias(field.name)
            if field.name in own
            else pl.lit(None, field.dtype).alias(field.name)
            for field in target.fields
        ]
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    if isinstance(target, pl.List) and isinstance(dtype, pl.List) and dtype.inner.is_nested():
        return value.list.eval(as_type(pl.element(), dtype.inner, target.inner))
    return value.cast(target)
