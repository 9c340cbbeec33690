"""What a shape makes of a log: the rows to map, and what they say of record fields by themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from gcsl_data.ingest.expressions import Columns


@dataclass(frozen=True, slots=True)
class Shaped:
    """Rows that hold one response each, lazily: the log's columns, `ROW_INDEX`, those that the shape adds.

    The shape may add `PART_INDEX` (Int32, which response of its row; unique in it) and `SHAPE_FAULT` (String: why a row is
    left out, or cannot be used; else null). `fields` says what a record field is unless the mapping says otherwise;
    `variants`, for each part, what it is whatever the mapping says (null: what the mapping says).
    """

    columns: Columns
    fields: dict[str, pl.Expr] = field(default_factory=dict)
    variants: Mapping[str, Sequence[pl.Expr | None]] = field(default_factory=dict)
