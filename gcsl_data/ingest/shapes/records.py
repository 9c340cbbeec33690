"""Records: rows that stand in a list inside each row. (Inside a whole JSON document they are found while it is read.)"""

import polars as pl

from gcsl_data.ingest.expressions import Columns, require_own_names, typed
from gcsl_data.ingest.shapes.turns import require_fields
from gcsl_data.ingest.shapes.types import as_list, once_for_each_of

_ITEM = "_gcsl_item"


def reshape(columns: Columns, path: str) -> Columns:
    """Each object of the list as a row: its fields, and those of the row around it that it does not have itself.

    `PART_INDEX` is its place in the list, from 0. An empty list stays as one row without them.
    """
    found, dtype = as_list(*typed("records", path, columns, flag="shape"))
    require_fields(dtype, (), columns, "shape.records")
    names = [item.name for item in dtype.inner.fields]
    require_own_names(names, columns.uri)
    frame = (
        once_for_each_of(found, columns.frame, _ITEM)
        .with_columns(pl.col(_ITEM).struct.field(name).alias(name) for name in names)
        .drop(_ITEM)
    )
    return columns.of(frame)
