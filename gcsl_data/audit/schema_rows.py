"""Every row of a table against a JSON Schema: a boolean expression for each thing that can be wrong.

What Polars can say itself is an expression; what it cannot (a look-ahead, if and then, a $dynamicRef) is asked of
jsonschema, value by value, over the one column that it speaks of.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from gcsl_data.audit.row_schema import RowSchema, Schema
from gcsl_data.audit.schema_terms import kind_of, plain_column, term

_STRUCTURAL = {"object": ("properties", "required", "additionalProperties"), "array": ("items",)}
# Keywords that have a meaning only beside others.
_BESIDE = {
    "contains": ("minContains", "maxContains"),
    "if": ("then", "else"),
    "items": ("prefixItems",),
    "additionalProperties": ("properties", "patternProperties"),
}
_ALWAYS = pl.lit(True)
_READ_AS = {
    "integer": "whole numbers",
    "number": "numbers",
    "string": "text",
    "boolean": "true or false",
    "array": "lists",
    "object": "objects",
}
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong with a row: a keyword at a field (a.b, c[] for the items of a list, "" for the row).

    `breaks` is never null. `value` is what the keyword speaks of, null for the whole row. `column` says what the whole column
    is, where it is of another type than the schema wants, so that no value of it can be right.
    """

    field: str
    keyword: str
    argument: Any
    breaks: pl.Expr
    value: pl.Expr | None
    by_python: bool = False
    column: str | None = None

    @property
    def name(self) -> str:
        """Field and keyword in one word."""
        return f"{self.field}: {self.keyword}" if self.field else self.keyword

    @property
    def is_of_column(self) -> bool:
        """Whether the whole column is wrong or not there, so that one row says it all."""
        return self.column is not None or self._is_absent

    @property
    def _is_absent(self) -> bool:
        return self.keyword == "required" and self.value is None and not self.by_python

    @property
    def words(self) -> str:
        """What is wrong, after the value, or of the whole column."""
        if self.column:
            return f"the column is read as {self.column}, {_words(self.keyword, self.argument).replace('is not', 'not', 1)}"
        return "is in no row, and required" if self._is_absent else _words(self.keyword, self.argument)


def row_checks(schema: RowSchema, columns: dict[str, Any]) -> list[Check]:
    """All that can be wrong with the rows of a table with these columns (name to dtype); each row holds that breaks none."""
    row = pl.struct(list(columns)) if columns else pl.struct(pl.lit(None).alias(""))
    if schema.is_anchored:
        return [_asked(schema, schema.document, [schema.document], row, "", "schema", is_row=True)]
    fields = {name: (pl.col(name), dtype) for name, dtype in columns.items()}
    checks = [*_of_object(schema, [schema.document], fields, ""), *_of_row(schema, row)]
    return [replace(check, breaks=check.breaks.fill_null(False)) for check in checks]


def _of_row(schema: RowSchema, row: pl.Expr) -> Iterator[Check]:
    """Keywords of the whole row other than its fields."""
    for part in schema.spread(schema.document):
        for keyword, argument in _open_keywords(schema, part, pl.Struct([])):
            if argument is None:
                yield _asked(schema, _alone(part, keyword), [schema.document], row, "", keyword, is_row=True)
            else:
                yield Check("", keyword, part[keyword], argument, None)


def _of_value(schema: RowSchema, said: list[Schema], value: pl.Expr, dtype: Any, at: str) -> Iterator[Check]:
    """What can be wrong with a value that is not null."""
    column = plain_column(value, dtype)
    for part in (part for one in said for part in schema.spread(one)):
        for keyword, breaks in _open_keywords(schema, part, dtype, column):
            if breaks is None:
                yield _asked(schema, _alone(part, keyword), said, value, at, keyword)
            else:
                is_wrong = keyword == "type" and breaks is _ALWAYS
                yield Check(
                    at, keyword, part[keyword], breaks, value, column=_READ_AS[kind_of(dtype)] if is_wrong else None
                )
    if isinstance(dtype, pl.Struct):
        inner: dict[str, Any] = {field.name: (value.struct.field(field.name), field.dtype) for field in dtype.fields}
        yield from _of_object(schema, said, inner, f"{at}.")
    elif isinstance(dtype, pl.List | pl.Array):
        yield from _of_items(schema, said, value, dtype, at)


def _open_keywords(
    schema: RowSchema, part: dict[str, Any], dtype: Any, column: pl.Expr | None = None
) -> Iterator[tuple[str, pl.Expr | None]]:
    """The keywords of a part that some value may break, each with when it does; None where jsonschema must say."""
    for keyword in part:
        structural = _STRUCTURAL.get(kind_of(dtype), ())
        if (
            keyword in structural
            and not (keyword == "items" and "prefixItems" in part)
            and not (keyword == "additionalProperties" and "patternProperties" in part)
        ):
            continue
        found = term(schema, part, keyword, pl.lit(None) if column is None else column, dtype)
        if found is None:
            yield keyword, None
        elif found is not True:
            yield keyword, _ALWAYS if found is False else ~found


def _of_object(schema: RowSchema, said: list[Schema], fields: dict[str, Any], at: str) -> Iterator[Check]:
    """What can be wrong with the fields of an object: name to (value, dtype)."""
    parts = [part for one in said for part in schema.spread(one)]
    required = dict.fromkeys(name for part in parts for name in part.get("required", ()))
    for name, (value, dtype) in fields.items():
        inside, is_there = schema.fields(said, name), value.is_not_null()
        is_extra = any(
            part.get("additionalProperties") is False
            and "patternProperties" not in part
            and name not in part.get("properties", {})
            for part in parts
        )
        if name in required and not schema.takes_null(inside):
            yield Check(f"{at}{name}", "required", None, ~is_there, value)
        if dtype == pl.Null:
            continue
        if is_extra:
            yield Check(f"{at}{name}", "additionalProperties", False, is_there, value)
        for check in _of_value(schema, inside, value, dtype, f"{at}{name}"):
            yield replace(check, breaks=is_there & check.breaks)
    for name in required:
        if name not in fields:
            yield Check(f"{at}{name}", "required", None, pl.lit(True), None)


def _of_items(schema: RowSchema, said: list[Schema], value: pl.Expr, dtype: Any, at: str) -> Iterator[Check]:
    """What can be wrong with the items of a list, any of them."""
    parts = [part for one in said for part in schema.spread(one)]
    items = [part["items"] for part in parts if "items" in part and "prefixItems" not in part]
    if not items:
        return
    column = value.arr.to_list() if isinstance(dtype, pl.Array) else value
    item, place, inside = pl.element(), f"{at}[]", schema.items(said)
    inner = [] if dtype.inner == pl.Null else list(_of_value(schema, inside, item, dtype.inner, place))
    if any(check.by_python for check in inner):
        yield _asked(schema, {"items": {"allOf": items}}, said, value, at, "items")
        return
    for check in inner:
        breaks = (item.is_not_null() & check.breaks).fill_null(False)
        yield replace(check, breaks=column.list.eval(breaks).list.any(), value=value)
    if not schema.takes_null(items):
        yield Check(place, "type", None, column.list.eval(item.is_null()).list.any(), value)


def _alone(part: dict[str, Any], keyword: str) -> dict[str, Any]:
    """A schema that says of a part only what one keyword says."""
    if keyword in _UNEVALUATED:
        return part
    beside = {name: part[name] for name in _BESIDE.get(keyword, ()) if name in part}
    if keyword == "additionalProperties":
        beside = {name: dict.fromkeys(known, True) for name, known in beside.items()}
    return {keyword: part[keyword], **beside}


def _asked(
    schema: RowSchema, part: Schema, said: list[Schema], value: pl.Expr, at: str, keyword: str, *, is_row: bool = False
) -> Check:
    """A check that jsonschema makes, value by value."""
    validator = schema.part(part)

    def broken(values: pl.Series) -> pl.Series:
        found = [
            None if one is None else not validator.is_valid(schema.as_document(one, said)) for one in values.to_list()
        ]
        return pl.Series(found, dtype=pl.Boolean)

    breaks = value.map_batches(broken, return_dtype=pl.Boolean, is_elementwise=True)
    argument = part.get(keyword) if isinstance(part, dict) else part
    return Check(at, keyword, argument, breaks, None if is_row else value, by_python=True)


_WORDS = {
    "minimum": "is less than the minimum {}",
    "maximum": "is more than the maximum {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
    "minLength": "has fewer than {} characters",
    "maxLength": "has more than {} characters",
    "minItems": "has fewer than {} items",
    "maxItems": "has more than {} items",
    "pattern": "does not match {}",
    "enum": "is none of {}",
    "const": "is not {}",
}


def _words(keyword: str, argument: Any) -> str:
    if keyword == "required":
        return "is missing, and required"
    if (keyword, argument) in (("additionalProperties", False), ("not", {})):
        return "is a field that the schema does not allow"
    if (keyword, argument) == ("type", None):
        return "holds a null, which the schema does not take there"
    if (keyword, argument) in (("minLength", 1), ("minItems", 1)):
        return "is empty"
    if keyword == "type":
        return f"is not of type {' or '.join(argument) if isinstance(argument, list) else argument}"
    told = json.dumps(argument, ensure_ascii=False)
    told = told if len(told) <= 80 else f"{told[:80]}…"
    return _WORDS[keyword].format(told) if keyword in _WORDS else f"breaks {keyword} {told}"
