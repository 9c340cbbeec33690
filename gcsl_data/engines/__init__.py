"""What runs a plan. Only an engine collects or sinks; the plan is the same on every one of them."""

from collections.abc import Iterator
from typing import Protocol

import polars as pl


class Engine(Protocol):
    """The seam between what a plan says and how it is run."""

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A small aggregate of all the data, collected; the order of its rows is not promised."""
        ...

    def stream(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """All rows in plan order, in pieces of any size that fit in memory."""
        ...
