"""From a plan and its fit to shards: the examples of some fragments, written as they come."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from gcsl_data.dataset.shards import FragmentShards, FragmentWriter, arrow_schema
from gcsl_data.fit import Fit
from gcsl_data.fragments import Fragment
from gcsl_data.plan import Plan

Sink = Callable[[pl.LazyFrame, Callable[[pl.DataFrame], None]], None]


def schema_of(plan: Plan, fit: Fit) -> pa.Schema:
    """The schema of the plan's shards."""
    return arrow_schema(plan.recipe.output.format, plan.carried(fit), kind=plan.formulation.kind)


def write_fragments(
    plan: Plan,
    fit: Fit,
    texts: dict[int, str],
    fragments: Sequence[Fragment],
    folder: Path,
    sink: Sink,
    *,
    on_rows: Callable[[int], None],
    on_done: Callable[[FragmentShards], None],
) -> None:
    """Writes the examples of `fragments` (ascending) as shards in `folder`.

    `on_rows` hears how many came, `on_done` of each fragment that is on the disk.

    Each fragment is a pass of its own, because Polars reads as far ahead of us as it can: what waits to be written is never
    more than a fragment gives. Where rows cannot be found without those before them (CSV), all fragments are one pass, in
    which each ends where the next one begins. `sink` hands the rows of a frame to a function, in order.
    """
    if not fragments:
        return
    schema = schema_of(plan, fit)
    in_one = len(fragments) == len(plan.fragments) and (len(fragments) == 1 or not plan.reading.is_indexed)
    passes = ((plan.of(fragment), [fragment]) for fragment in fragments)
    for part, covered in [(plan, fragments)] if in_one else passes:
        writer = FragmentWriter(
            folder,
            schema,
            plan.splits,
            shard_bytes=plan.recipe.output.shard_bytes,
            fragments=[fragment.index for fragment in covered],
            on_done=on_done,
        )

        def write(piece: pl.DataFrame, writer: FragmentWriter = writer) -> None:
            writer.write(piece)
            on_rows(piece.height)

        try:
            sink(part.examples(fit, texts), write)
            writer.close()
        finally:
            writer.abandon()
