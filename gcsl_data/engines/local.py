"""The engine for one process: Polars' streaming engine, out of core."""

import errno
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from gcsl_data.fragments import Fragment, passes
from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.plain import copying, temporary_folder
from gcsl_data.plan import Plan
from gcsl_data.writing import Writing, write_fragments

_TOGETHER = 4  # fragments whose facts are put down in one pass: Polars reads ahead as far as a pass goes


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

    def put_down(self, plan: Plan) -> pl.LazyFrame:
        """Raises DataError (65) when a log cannot be decoded, WriteError (74) when there is no room for the facts."""
        folder = temporary_folder()
        paths: list[Path] = []
        for covered in passes(plan.fragments, _TOGETHER if plan.reading.is_indexed else len(plan.fragments)):
            paths.append(folder / f"facts-{covered[0].index:06d}.parquet")
            self.spill(plan.of(covered).facts_to_put_down(), paths[-1])
        return pl.scan_parquet(paths, glob=False)

    def spill(self, facts: pl.LazyFrame, path: Path) -> pl.LazyFrame:
        """Facts, put down in a temporary file. Raises what `put_down` raises."""
        with copying("the facts of the logs"):
            self._collect([_sunk(facts, path)])
        return pl.scan_parquet(path, glob=False)

    def sink_parquet(self, frame: pl.LazyFrame, path: Path, *, metadata: dict[str, str]) -> None:
        """All rows in plan order into one Parquet file, with this key-value metadata.

        Raises DataError (65) when a log cannot be decoded, OSError when the disk refuses.
        """
        self._collect([_parquet(frame, path, metadata)])

    def sink_records(
        self, records: pl.LazyFrame, path: Path, *, metadata: dict[str, str], facts: pl.LazyFrame
    ) -> pl.LazyFrame:
        """The same for records, with their facts put down in one pass."""
        aside = temporary_folder() / "facts.parquet"
        self._collect([_sunk(facts, aside), _parquet(records, path, metadata)])
        return pl.scan_parquet(aside, glob=False)

    def _collect(self, frames: Sequence[pl.LazyFrame]) -> None:
        try:
            pl.collect_all(frames, engine="streaming")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, MemoryError) as error:
            raise _refusal_of_disk(error) or explain(error, self._logs) from error

    def write(self, writing: Writing, fragments: Sequence[Fragment]) -> None:
        """Raises DataError (65) when a log cannot be decoded, OSError when the disk refuses."""
        write_fragments(writing, fragments, self.sink)

    def sink(self, frame: pl.LazyFrame, write: Callable[[pl.DataFrame], None]) -> None:
        """Hands all rows to `write`, in plan order, in pieces of any size, which it makes as fast as it can.

        Raises DataError (65) when a log cannot be decoded, and what `write` raises."""
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


def _parquet(frame: pl.LazyFrame, path: Path, metadata: dict[str, str]) -> pl.LazyFrame:
    return frame.sink_parquet(path, metadata=metadata, maintain_order=True, lazy=True)


def _sunk(facts: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    return facts.sink_parquet(path, compression="lz4", maintain_order=True, lazy=True)


def _refusal_of_disk(error: BaseException) -> OSError | None:
    """What the operating system said, when it took no more bytes: Polars makes an error of its own of it, about Parquet."""
    said = re.search(r"\(os error (\d+)\)", str(error))
    number = int(said[1]) if said else None
    return OSError(number, os.strerror(number)) if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else None
