"""Variants: several responses in a row, in a list, in columns side by side, or wherever SQL finds them."""

import polars as pl

from gcsl_data.columns import PART_INDEX
from gcsl_data.errors import DataError
from gcsl_data.ingest.expressions import Columns, expression, typed
from gcsl_data.ingest.offers import nearest_columns
from gcsl_data.ingest.shapes.settings import Sql
from gcsl_data.ingest.shapes.shaped import Shaped

Declared = str | tuple[str, ...] | dict[str, dict[str, Sql]]
VARIANT, VARIANT_NAME = "variant", "variant_name"
_OWN = "_gcsl_variant"  # which variant a row is, whatever its part is called in the end


def reshape(columns: Columns, shape: Declared) -> Shaped:
    """Every row once for each of its variants, in their order.

    Of a list and of columns each row sees its own as `variant`, of columns the name too, as `variant_name`. Text is the
    response unless the mapping says otherwise.
    """
    if isinstance(shape, str):
        return _of_list(columns, shape)
    if isinstance(shape, dict):
        return _declared(columns, shape)
    return _of_columns(columns, shape)


def _of_list(columns: Columns, sql: str) -> Shaped:
    """An empty list stays as one row whose variant is null."""
    found, dtype = typed("variants", sql, columns, flag="shape")
    if not isinstance(dtype, pl.List):
        raise DataError("GD1242", f"{columns.uri}: the variants {sql} must be a list, found {dtype}")
    listed = columns.frame.with_columns(found.alias(VARIANT))
    places = pl.when(pl.col(VARIANT).list.len() > 0).then(pl.int_ranges(0, pl.col(VARIANT).list.len(), dtype=pl.Int32))
    frame = (
        listed.with_columns(places.alias(PART_INDEX))
        .explode(PART_INDEX, empty_as_null=True, keep_nulls=True)
        .with_columns(pl.col(VARIANT).list.get(pl.col(PART_INDEX), null_on_oob=True), pl.col(PART_INDEX).fill_null(0))
    )
    return Shaped(columns.of(frame), _response(dtype.inner))


def _of_columns(columns: Columns, names: tuple[str, ...]) -> Shaped:
    for name in names:
        if name not in columns.schema:
            found = nearest_columns(name, columns.schema)
            raise DataError("GD1243", f"{columns.uri}: no column {name!r} among the variants; {found}")
    kinds = {name: columns.schema[name] for name in names}
    (first, dtype), *others = kinds.items()
    for name, other in others:
        if _outer(other) != _outer(dtype):
            raise DataError(
                "GD1244", f"{columns.uri}: the variants {first} ({dtype}) and {name} ({other}) are not of one type"
            )
    frame = _once_for_each(columns.frame, len(names)).with_columns(
        _by_part([pl.col(name) for name in names]).alias(VARIANT),
        _by_part([pl.lit(name) for name in names]).alias(VARIANT_NAME),
    )
    return Shaped(columns.of(frame), _response(dtype))


def _declared(columns: Columns, variants: dict[str, dict[str, Sql]]) -> Shaped:
    fields = dict.fromkeys(field for given in variants.values() for field in given)
    said = {
        field: [
            expression(field, given[field], columns, flag=f"shape.variants.{name}") if field in given else None
            for name, given in variants.items()
        ]
        for field in fields
    }
    frame = _once_for_each(columns.frame, len(variants))
    named = frame.with_columns(_by_part([pl.lit(name) for name in variants]).alias(VARIANT_NAME))
    return Shaped(columns.of(named), {}, said)


def chosen(expressions: list[pl.Expr]) -> pl.Expr:
    """Of one expression for each part, the one of a row's own."""
    return _by_part(expressions)


def _by_part(expressions: list[pl.Expr]) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(_OWN) == n).then(own) for n, own in enumerate(expressions))


def _once_for_each(frame: pl.LazyFrame, count: int) -> pl.LazyFrame:
    parts = pl.lit(pl.Series([list(range(count))], dtype=pl.List(pl.Int32)))
    once = frame.with_columns(parts.alias(_OWN)).explode(_OWN, empty_as_null=True, keep_nulls=True)
    return once.with_columns(pl.col(_OWN).alias(PART_INDEX))


def _response(dtype: object) -> dict[str, pl.Expr]:
    return {"response": pl.col(VARIANT)} if dtype == pl.String else {}


def _outer(dtype: pl.DataType) -> object:
    """What must be the same: structs of the models of a log may differ in fields that one of them never had."""
    return dtype.base_type() if dtype.is_nested() else dtype
