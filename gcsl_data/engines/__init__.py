"""What runs a plan. Only an engine collects or sinks; the plan is the same on every one of them, and so is what it writes."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from gcsl_data.fragments import Fragment
from gcsl_data.plan import Plan
from gcsl_data.writing import Writing


class Engine(Protocol):
    """The seam between what a plan says and how it is run."""

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A small aggregate, collected; the order of its rows is not promised."""
        ...

    def put_down(self, plan: Plan) -> pl.LazyFrame:
        """The facts of a plan's records, in their order, where they can be read again: the first look at the texts."""
        ...

    def write(self, writing: Writing, fragments: Sequence[Fragment]) -> None:
        """The examples of these fragments (ascending) as shards: the second look at the texts."""
        ...
