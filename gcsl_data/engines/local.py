"""The engine for one process: Polars' streaming engine, out of core."""

from collections.abc import Iterator, Sequence

import polars as pl

from gcsl_data.ingest.faults import explain
from gcsl_data.ingest.inputs import Log


class LocalEngine:
    """Runs plans over these logs; they are needed only to say which of them is broken."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self._logs = logs

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Raises DataError (65) when a log cannot be decoded."""
        try:
            return frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError, MemoryError) as error:
            raise explain(error, self._logs) from error

    def stream(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Raises DataError (65) when a log cannot be decoded."""
        try:
            yield from frame.collect_batches(maintain_order=True, engine="streaming")
        except (pl.exceptions.PolarsError, OSError, MemoryError) as error:
            raise explain(error, self._logs) from error
