"""What runs a plan. Only an engine collects or sinks; the plan is the same on every one of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl


class Engine(Protocol):
    """The seam between what a plan says and how it is run."""

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A small aggregate of all the data, collected; the order of its rows is not promised."""
        ...

    def sink_parquet(
        self, frame: pl.LazyFrame, path: Path, *, metadata: dict[str, str], measures: Sequence[pl.LazyFrame] = ()
    ) -> list[pl.DataFrame]:
        """All rows in plan order into one Parquet file, with this key-value metadata.

        Gives the `measures`, collected; what they share with `frame` runs once.
        """
        ...

    def sink(self, frame: pl.LazyFrame, write: Callable[[pl.DataFrame], None]) -> None:
        """Hands all rows to `write`, in plan order, in pieces of any size; waits for each before it makes many more."""
        ...
