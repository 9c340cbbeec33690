"""Every shape, and how a log is brought out of its own: first what rows are, then the one response that each holds."""

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from gcsl_data.columns import PART_INDEX, ROW_INDEX
from gcsl_data.ingest.expressions import Columns
from gcsl_data.ingest.shapes import records, sequences, transcripts, trees, turns, variants
from gcsl_data.ingest.shapes.settings import ShapeStage
from gcsl_data.ingest.shapes.shaped import Shaped

# Shape -> what it makes of columns, given its part of the settings and the table of items.
SHAPES: dict[str, Callable[..., Shaped]] = {
    "variants": lambda columns, shape, _: variants.reshape(columns, shape),
    "turns": lambda columns, shape, _: turns.reshape(columns, shape),
    "trees": lambda columns, shape, _: trees.reshape(columns, shape),
    "sequences": sequences.reshape,
}


def reshape(columns: Columns, stage: ShapeStage, *, items: Columns | None = None, has_records: bool = False) -> Shaped:
    """The rows of a log with one response each. `has_records`: the path was followed while the log was read.

    Raises DataError (65) where the log is not of the shape.
    """
    is_nested = stage.records is not None and not has_records
    if is_nested:
        columns = records.reshape(columns, str(stage.records))
    if stage.transcripts is not None:
        columns = transcripts.reshape(columns, stage.transcripts)
    for name, make in SHAPES.items():
        if (declared := getattr(stage, name)) is not None:
            shaped = make(columns, declared, items)
            return _renumbered(shaped) if is_nested else shaped
    return Shaped(columns)


def _renumbered(shaped: Shaped) -> Shaped:
    """Of a row that was taken apart twice the parts are counted anew: source, row and part tell responses apart."""
    part = pl.int_range(pl.len(), dtype=pl.Int32).over(ROW_INDEX)
    frame = shaped.columns.frame.with_columns(part.alias(PART_INDEX))
    return replace(shaped, columns=shaped.columns.of(frame))
