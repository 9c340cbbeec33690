"""Variants: several responses in a row, in a list, in columns side by side, or wherever SQL finds them."""

import polars as pl

from gcsl_data.columns import PART_INDEX
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns, expression, typed
from gcsl_data.ingest.offers import nearest_columns
from gcsl_data.ingest.shapes.settings import Sql
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.shapes.types import as_list, as_type, common, once_for_each_of

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
    found, dtype = as_list(*typed("variants", sql, columns, flag="shape"))
    if not isinstance(dtype, pl.List):
        raise DataError(
            "GD1242",
            f"{columns.uri}: the variants {sql} must be a list, found {shown(dtype)}; name one, or columns: --variants A,B",
        )
    return Shaped(columns.of(once_for_each_of(found, columns.frame, VARIANT)), _response(dtype.inner))


def _of_columns(columns: Columns, names: tuple[str, ...]) -> Shaped:
    for name in names:
        if name not in columns.schema:
            found = nearest_columns(name, columns.schema)
            raise DataError("GD1243", f"{columns.uri}: no column {name!r} among the variants; {found}")
    kinds = [columns.schema[name] for name in names]
    dtype = one_type(dict(zip(names, kinds, strict=True)), columns)
    values = [as_type(pl.col(name), kind, dtype) for name, kind in zip(names, kinds, strict=True)]
    frame = _once_for_each(columns.frame, len(names)).with_columns(
        _by_part(values).alias(VARIANT),
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


def chosen(field: str, expressions: list[pl.Expr], columns: Columns) -> pl.Expr:
    """Of one expression for each part, the one of a row's own. Raises DataError (65) when they have no type in common."""
    kinds = columns.frame.select(one.alias(str(n)) for n, one in enumerate(expressions)).collect_schema().dtypes()
    if (dtype := common(kinds)) is None:
        found = ", ".join(map(shown, kinds))
        raise DataError("GD1244", f"{columns.uri}: the {field} of the variants is not of one type ({found}); cast it")
    return _by_part([as_type(one, kind, dtype) for one, kind in zip(expressions, kinds, strict=True)])


def _by_part(expressions: list[pl.Expr]) -> pl.Expr:
    return pl.coalesce(pl.when(pl.col(_OWN) == n).then(own) for n, own in enumerate(expressions))


def _once_for_each(frame: pl.LazyFrame, count: int) -> pl.LazyFrame:
    parts = pl.lit(pl.Series([list(range(count))], dtype=pl.List(pl.Int32)))
    once = frame.with_columns(parts.alias(_OWN)).explode(_OWN, empty_as_null=True, keep_nulls=True)
    return once.with_columns(pl.col(_OWN).alias(PART_INDEX))


def one_type(kinds: dict[str, pl.DataType], columns: Columns) -> pl.DataType:
    """The type that the variants have in common. Objects may differ in fields that one of the models never had.

    Raises DataError (65) when there is none.
    """
    known = [(name, kind) for name, kind in kinds.items() if kind != pl.Null]
    shared = common([*kinds.values()])
    for name, other in known[1:]:
        first, dtype = known[0]
        if shared is None or (other.is_numeric() != dtype.is_numeric() and pl.String in (other, dtype)):
            raise DataError(
                "GD1244",
                f"{columns.uri}: the variants {first} ({shown(dtype)}) and {name} ({shown(other)}) are not of one type; "
                "leave one out",
            )
    return shared


def _response(dtype: object) -> dict[str, pl.Expr]:
    return {"response": pl.col(VARIANT)} if dtype in (pl.String, pl.Categorical, pl.Enum) else {}
