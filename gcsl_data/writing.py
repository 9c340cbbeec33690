"""From a plan and its fit to shards: the examples of some fragments, written as they come."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from gcsl_data.behind import Behind
from gcsl_data.dataset.shards import FragmentShards, FragmentWriter, arrow_schema
from gcsl_data.fit import Fit
from gcsl_data.fragments import Fragment, passes
from gcsl_data.plan import Plan

_UNINDEXED = 8  # fragments of logs whose rows must be counted up to the first: half a gigabyte

Sink = Callable[[pl.LazyFrame, Callable[[pl.DataFrame], None]], None]


def schema_of(plan: Plan, fit: Fit) -> pa.Schema:
    """The schema of the plan's shards."""
    return arrow_schema(plan.recipe.output.format, plan.carried(fit), kind=plan.formulation.kind)


@dataclass(frozen=True, slots=True)
class Writing:
    """What is written and where: the examples of a plan under a fit, with the texts of its goals, as shards in `folder`.

    `on_rows` hears how many came, `on_done` of each fragment that is on the disk.
    """

    plan: Plan
    fit: Fit
    texts: dict[int, str]
    folder: Path
    on_rows: Callable[[int], None]
    on_done: Callable[[FragmentShards], None]


def write_fragments(writing: Writing, fragments: Sequence[Fragment], sink: Sink) -> None:
    """Writes the examples of `fragments` (ascending).

    Each fragment is a pass of its own, because Polars reads as far ahead of us as it can: what waits to be written is never
    more than two passes give. Where rows cannot be found without reading those before them (CSV), a pass takes several
    consecutive fragments, and each ends where the next one begins. `sink` hands the rows of a frame to a function, in order.
    """
    if not fragments:
        return
    plan = writing.plan
    schema = schema_of(plan, writing.fit)
    with ExitStack() as opened, Behind() as behind:
        for covered in passes(fragments, 1 if plan.reading.is_indexed else _UNINDEXED):
            writer = FragmentWriter(
                writing.folder,
                schema,
                plan.splits,
                shard_bytes=plan.recipe.output.shard_bytes,
                fragments=[fragment.index for fragment in covered],
                on_done=writing.on_done,
            )
            opened.callback(writer.abandon)
            came = _pass(plan.of(covered).examples(writing.fit, writing.texts), writer, behind, sink, writing.on_rows)
            behind.wait(came)  # the fragment before is written, this one may still be


def _pass(
    examples: pl.LazyFrame, writer: FragmentWriter, behind: Behind, sink: Sink, on_rows: Callable[[int], None]
) -> int:
    """Has the examples written, and gives in how many calls."""
    calls = 1

    def write(piece: pl.DataFrame) -> None:
        nonlocal calls
        calls += 1
        behind.call(partial(_write, writer, piece, on_rows))

    sink(examples, write)
    behind.call(writer.close)
    return calls


def _write(writer: FragmentWriter, piece: pl.DataFrame, on_rows: Callable[[int], None]) -> None:
    writer.write(piece)
    on_rows(piece.height)
