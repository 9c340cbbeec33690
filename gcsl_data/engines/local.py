"""The engine for one process: Polars' streaming engine, out of core."""

import errno
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.inputs import Log


class LocalEngine:
    """Runs plans over these logs; they are needed only to say which of them is broken."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self._logs = logs

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Raises DataError (65) when a log cannot be decoded."""
        try:
            return frame.collect(engine="streaming")
        except UNREADABLE as error:
            raise explain(error, self._logs) from error

    def sink_parquet(
        self, frame: pl.LazyFrame, path: Path, *, metadata: dict[str, str], measures: Sequence[pl.LazyFrame] = ()
    ) -> list[pl.DataFrame]:
        """Raises DataError (65) when a log cannot be decoded, OSError when the disk refuses."""
        try:
            sunk = frame.sink_parquet(path, metadata=metadata, maintain_order=True, lazy=True)
            return pl.collect_all([*measures, sunk], engine="streaming")[: len(measures)]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, MemoryError) as error:
            raise _refusal_of_disk(error) or explain(error, self._logs) from error

    def sink(self, frame: pl.LazyFrame, write: Callable[[pl.DataFrame], None]) -> None:
        """Raises DataError (65) when a log cannot be decoded, and what `write` raises."""
        failed: list[BaseException] = []

        def keep_failure(piece: pl.DataFrame) -> None:
            try:
                write(piece)
            except BaseException as error:
                failed.append(error)
                raise

        try:
            frame.sink_batches(keep_failure, maintain_order=True, engine="streaming")
        except UNREADABLE as error:
            raise failed[0] if failed else explain(error, self._logs) from error


def _refusal_of_disk(error: BaseException) -> OSError | None:
    """What the operating system said, when it took no more bytes: Polars makes an error of its own of it, about Parquet."""
    said = re.search(r"\(os error (\d+)\)", str(error))
    number = int(said[1]) if said else None
    return OSError(number, os.strerror(number)) if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else None
