"""What runs a plan. Only an engine collects or sinks; the plan is the same on every one of them, and so is what it writes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from gcsl_data.dataset.shards import FragmentShards
from gcsl_data.fit import Fit
from gcsl_data.fragments import Fragment
from gcsl_data.plan import Plan


class Engine(Protocol):
    """The seam between what a plan says and how it is run."""

    def measure(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A small aggregate, collected; the order of its rows is not promised."""
        ...

    def put_down(self, plan: Plan) -> pl.LazyFrame:
        """The facts of a plan's records, in their order, where they can be read again: the first look at the texts."""
        ...

    def write(
        self,
        plan: Plan,
        fit: Fit,
        texts: dict[int, str],
        fragments: Sequence[Fragment],
        folder: Path,
        on_rows: Callable[[int], None],
        on_done: Callable[[FragmentShards], None],
    ) -> None:
        """The examples of these fragments as shards in `folder`: the second look at the texts.

        `on_rows` hears how many came, `on_done` of each fragment that is on the disk.
        """
        ...
