"""A small table as an expression. `replace_strict` would do it, but takes the streaming engine back into memory."""

from collections.abc import Mapping
from typing import Any

import polars as pl


def lookup(key: pl.Expr, table: Mapping[Any, Any], dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """The table's value for each key, as `dtype`; null for a key that the table does not have."""
    if not table:
        return pl.lit(None, dtype)
    return pl.coalesce(pl.when(key == known).then(pl.lit(value, dtype)) for known, value in table.items())
