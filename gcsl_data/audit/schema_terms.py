"""Keywords of a JSON Schema as Polars expressions over one column, where they can be: whether a value that is not null holds.

A term is True or False where every value of the column's type holds or none does, and None where only jsonschema can tell.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Literal

import polars as pl

from gcsl_data.audit.row_schema import RowSchema, Schema, Validator
from gcsl_data.audit.schema_pattern import agreeing

Term = pl.Expr | bool | None
Kind = Literal["integer", "number", "string", "boolean", "array", "object", "other"]

_NUMERIC = ("integer", "number")
# Keyword -> the kinds of values that it speaks of; it holds of all others.
_SPEAKS_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _NUMERIC),
    **dict.fromkeys(("minLength", "maxLength", "pattern"), ("string",)),
    **dict.fromkeys(
        ("items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"), ("array",)
    ),
    **dict.fromkeys(
        ("properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties",
         "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"), ("object",)
    ),
}  # fmt: skip
_SILENT = ("format", "$ref", "allOf")  # an annotation, and what `RowSchema.spread` has taken apart


def kind_of(dtype: Any) -> Kind:
    """What values of a column's type are in JSON; "other" for times, decimals and bytes, which become text or numbers."""
    if isinstance(dtype, pl.Struct):
        return "object"
    if isinstance(dtype, pl.List | pl.Array):
        return "array"
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "string"
    if dtype == pl.Boolean:
        return "boolean"
    return "integer" if dtype.is_integer() else "number" if dtype.is_float() else "other"


def plain_column(value: pl.Expr, dtype: Any) -> pl.Expr:
    """The column in the type that its terms are made for."""
    kind = kind_of(dtype)
    return value.cast(pl.String) if kind == "string" else value.cast(pl.Float64) if kind == "number" else value


def term(schema: RowSchema, part: dict[str, Any], keyword: str, value: pl.Expr, dtype: Any) -> Term:
    """Whether one keyword of a part of the schema holds of each value of a `plain_column`."""
    kind = kind_of(dtype)
    if keyword not in Validator.VALIDATORS or keyword in _SILENT or part[keyword] is None:
        return True
    if kind == "other":
        return None
    if kind not in _SPEAKS_OF.get(keyword, (kind,)):
        return True
    make = _TERMS.get(keyword)
    if make:
        return make(part[keyword], value, dtype)
    if keyword in _COMBINED and kind not in ("array", "object"):
        return _COMBINED[keyword]([holds(schema, one, value, dtype) for one in _listed(part[keyword])])
    return None


def holds(schema: RowSchema, said: Schema, value: pl.Expr, dtype: Any) -> Term:
    """Whether a whole schema holds of each value of a `plain_column`."""
    return _all([term(schema, part, keyword, value, dtype) for part in schema.spread(said) for keyword in part])


def _listed(argument: Any) -> list[Any]:
    return argument if isinstance(argument, list) else [argument]


def _all(terms: list[Term]) -> Term:
    if any(one is False for one in terms):
        return False
    if any(one is None for one in terms):
        return None
    open_terms = [one for one in terms if isinstance(one, pl.Expr)]
    return pl.all_horizontal(open_terms) if open_terms else True


def _not(one: Term) -> Term:
    return None if one is None else not one if isinstance(one, bool) else ~one


def _any(terms: list[Term]) -> Term:
    return _not(_all([_not(one) for one in terms]))


def _one(terms: list[Term]) -> Term:
    if any(one is None for one in terms):
        return None
    return pl.sum_horizontal(_column(one).cast(pl.Int32) for one in terms) == 1


def _column(one: Term) -> pl.Expr:
    return one if isinstance(one, pl.Expr) else pl.lit(one)


_COMBINED: dict[str, Callable[[list[Term]], Term]] = {
    "anyOf": _any,
    "oneOf": _one,
    "not": lambda terms: _not(terms[0]),
}


def _type(names: Any, value: pl.Expr, dtype: Any) -> Term:
    kind, allowed = kind_of(dtype), set(_listed(names))
    if kind != "number":
        return kind in allowed or (kind == "integer" and "number" in allowed)
    if "number" in allowed:
        return value.is_finite()
    return value.is_finite() & (value == value.floor()) if "integer" in allowed else False


def _enum(members: Any, value: pl.Expr, dtype: Any) -> Term:
    kind = kind_of(dtype)
    known: list[Any]
    if kind == "string":
        known = [one for one in members if isinstance(one, str)]
    elif kind == "boolean":
        known = [one for one in members if isinstance(one, bool)]
    elif kind in _NUMERIC:
        given = [one for one in members if isinstance(one, int | float) and not isinstance(one, bool)]
        if kind == "integer":
            low, high = _range(dtype)
            known = [int(one) for one in given if one == math.floor(one) and low <= one <= high]
        else:
            known = [float(one) for one in given if _as_float(one) == one]
    else:
        return None
    dtype = pl.Float64() if kind == "number" else pl.String() if kind == "string" else dtype
    return value.is_in(pl.Series(known, dtype=dtype).implode()) if known else False


def _bound(compare: str) -> Callable[[Any, pl.Expr, Any], Term]:
    """A lower or upper bound: ge, gt, le or lt."""
    rounded = math.ceil if compare in ("ge", "lt") else math.floor

    def bound(limit: Any, value: pl.Expr, dtype: Any) -> Term:
        if kind_of(dtype) == "number":
            if _as_float(limit) != limit:
                return None
            return ~value.is_finite() | getattr(value, compare)(float(limit))  # what is no number has no bound
        low, high = _range(dtype)
        edge = rounded(limit)
        if not low <= edge <= high:
            return (edge < low) == (compare in ("ge", "gt"))
        return getattr(value, compare)(pl.lit(edge, dtype))

    return bound


def _multiple_of(factor: Any, value: pl.Expr, dtype: Any) -> Term:
    if kind_of(dtype) != "integer" or factor != math.floor(factor) or factor > _range(dtype)[1]:
        return None
    return value % pl.lit(int(factor), dtype) == 0


def _pattern(pattern: Any, value: pl.Expr, _dtype: Any) -> Term:
    found = agreeing(pattern)
    if found is None:
        return None
    translated, is_for_ascii = found
    matches = value.str.contains(translated)
    if not is_for_ascii:
        return matches
    compiled = re.compile(pattern)
    others = pl.when(value.str.len_bytes() != value.str.len_chars()).then(value)
    by_python = others.map_batches(
        lambda texts: pl.Series(
            [None if text is None else bool(compiled.search(text)) for text in texts], dtype=pl.Boolean
        ),
        return_dtype=pl.Boolean,
        is_elementwise=True,
    )
    return pl.coalesce(by_python, matches)


def _at_least(length: pl.Expr, least: Any) -> Term:
    return length >= math.ceil(least) if least <= _LONGEST else False


def _at_most(length: pl.Expr, most: Any) -> Term:
    return length <= math.floor(most) if most <= _LONGEST else True


def _min_length(least: Any, value: pl.Expr, dtype: Any) -> Term:
    length = value.str.len_bytes() if least <= 1 else _length(value, dtype)  # bytes need no look at the text
    return _at_least(length, least)


def _length(value: pl.Expr, dtype: Any) -> pl.Expr:
    if isinstance(dtype, pl.Array):
        return value.arr.to_list().list.len()
    return value.list.len() if isinstance(dtype, pl.List) else value.str.len_chars()


_LONGEST = 2**31  # beyond what any column holds in one value
_TERMS: dict[str, Callable[[Any, pl.Expr, Any], Term]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda member, value, dtype: _enum([member], value, dtype),
    "minimum": _bound("ge"),
    "exclusiveMinimum": _bound("gt"),
    "maximum": _bound("le"),
    "exclusiveMaximum": _bound("lt"),
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "minLength": _min_length,
    "minItems": lambda least, value, dtype: _at_least(_length(value, dtype), least),
    **dict.fromkeys(("maxLength", "maxItems"), lambda most, value, dtype: _at_most(_length(value, dtype), most)),
}


def _range(dtype: Any) -> tuple[int, int]:
    """The lowest and the highest value of an integer type."""
    name = str(dtype)
    bits = int(name.removeprefix("U").removeprefix("Int"))
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
