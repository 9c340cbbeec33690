"""Records: rows that stand in a list inside each row. (Inside a whole JSON document they are found while it is read.)"""

import polars as pl

from gcsl_data.columns import PART_INDEX
from gcsl_data.ingest.expressions import Columns, require_own_names, typed
from gcsl_data.ingest.shapes.turns import require_fields
from gcsl_data.ingest.shapes.types import as_list

_ITEM = "_gcsl_item"


def reshape(columns: Columns, path: str) -> Columns:
    """Each object of the list as a row: its fields, and those of the row around it that it does not have itself.

    `PART_INDEX` is its place in the list, from 0. An empty list stays as one row without them.
    """
    found, dtype = as_list(*typed("records", path, columns, flag="shape"))
    require_fields(dtype, (), columns, "shape.records")
    names = [item.name for item in dtype.inner.fields]
    require_own_names(names, columns.uri)
    listed = columns.frame.with_columns(found.alias(_ITEM))
    places = pl.when(pl.col(_ITEM).list.len() > 0).then(pl.int_ranges(0, pl.col(_ITEM).list.len(), dtype=pl.Int32))
    frame = (
        listed.with_columns(places.alias(PART_INDEX))
        .explode(PART_INDEX, empty_as_null=True, keep_nulls=True)
        .with_columns(pl.col(_ITEM).list.get(pl.col(PART_INDEX), null_on_oob=True), pl.col(PART_INDEX).fill_null(0))
        .with_columns(pl.col(_ITEM).struct.field(name).alias(name) for name in names)
        .drop(_ITEM)
    )
    return columns.of(frame)
