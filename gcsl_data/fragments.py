"""Fragments: the stretches of the logs that are expanded apart, each into shards of its own.

They follow from the logs and the recipe alone, never from how many machines or threads there are, so that any number of them
writes the same dataset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from gcsl_data.columns import FRAGMENT, PLACE, ROW_INDEX
from gcsl_data.ingest.inputs import Log

_LOG_BITS = 40  # a place is the number of its log and, in these lowest bits, that of its row


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive rows of one log: its number among the logs, rows before the first, and how many (None: all that follow)."""

    log: int
    start: int = 0
    rows: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its log."""
        return (self.start, self.rows) == (0, None)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Stretches of one log or, where logs are small, all of several."""

    index: int
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Pieces:
    """How one log is divided: index of its first fragment, into how many even pieces, and its rows if they are several."""

    first: int
    pieces: int = 1
    rows: int = 0

    def stretches(self, log: int) -> list[Stretch]:
        """The pieces, in order."""
        if self.pieces == 1:
            return [Stretch(log)]
        starts = [self.rows * piece // self.pieces for piece in range(self.pieces)]
        counts = [after - start for start, after in pairwise(starts)]
        return [Stretch(log, start, rows) for start, rows in zip(starts, [*counts, None], strict=True)]

    def fragment_of(self, row: pl.Expr) -> pl.Expr:
        """The index (Int32) of the fragment that a 1-based row stands in."""
        if self.pieces == 1:
            return pl.lit(self.first, pl.Int32)
        piece = ((row * self.pieces - 1) // self.rows).clip(0, self.pieces - 1)
        return (self.first + piece).cast(pl.Int32)


def divide_logs(logs: Sequence[Log], fragment_bytes: int) -> tuple[Pieces, ...]:
    """Each log in pieces of at most about `fragment_bytes`, uncompressed; small logs share a fragment."""
    sizes = [log.format.size(log.plain) for log in logs]
    rows = [log.rows() if size > fragment_bytes else 0 for log, size in zip(logs, sizes, strict=True)]
    return divide(sizes, rows, fragment_bytes)


def divide(sizes: Sequence[int], rows: Sequence[int], fragment_bytes: int) -> tuple[Pieces, ...]:
    """The same for logs of these sizes (bytes) and rows; the rows of those that are not larger are never asked for."""
    found: list[Pieces] = []
    index, taken = -1, 0  # the last fragment, and how much of it is taken; what is full takes nothing more
    for size, count in zip(sizes, rows, strict=True):
        pieces = max(1, min(-(-size // fragment_bytes), count))
        if index < 0 or pieces > 1 or taken + size > fragment_bytes:
            found.append(Pieces(index + 1, pieces, count if pieces > 1 else 0))
            index += pieces
            taken = fragment_bytes + 1 if pieces > 1 else size
        else:
            found.append(Pieces(index))
            taken += size
    return tuple(found)


def undivided(logs: Sequence[Log]) -> tuple[Pieces, ...]:
    """All logs in one fragment, where rows cannot be expanded without all others."""
    return tuple(Pieces(0) for _ in logs)


def fragments_of(pieces: Sequence[Pieces]) -> tuple[Fragment, ...]:
    """The fragments, in order; together they hold every row of every log once."""
    found: dict[int, list[Stretch]] = {}
    for log, own in enumerate(pieces):
        for piece, stretch in enumerate(own.stretches(log)):
            found.setdefault(own.first + piece, []).append(stretch)
    return tuple(Fragment(index, tuple(stretches)) for index, stretches in found.items())


def joined(fragments: Sequence[Fragment]) -> Fragment:
    """Consecutive fragments as one, which has the index of the first and reads each log once."""
    stretches: list[Stretch] = []
    for stretch in (one for fragment in fragments for one in fragment.stretches):
        if stretches and stretches[-1].log == stretch.log:
            before = stretches.pop()
            together = None if before.rows is None or stretch.rows is None else before.rows + stretch.rows
            stretch = Stretch(stretch.log, before.start, together)
        stretches.append(stretch)
    return Fragment(fragments[0].index, tuple(stretches))


def passes(fragments: Sequence[Fragment], most: int) -> Iterator[list[Fragment]]:
    """The fragments, ascending, at most so many consecutive ones together; none gives nothing."""
    covered: list[Fragment] = []
    for fragment in fragments:
        if covered and (len(covered) == most or fragment.index != covered[-1].index + 1):
            yield covered
            covered = []
        covered.append(fragment)
    if covered:
        yield covered


def with_places(records: pl.LazyFrame, log: int, pieces: Pieces) -> pl.LazyFrame:
    """The records of one log, which carry `ROW_INDEX`, with `PLACE` (Int64) and `FRAGMENT` (Int32) instead.

    A place stands for a row of all logs and grows from log to log; together with `part` it tells records apart.
    """
    row = pl.col(ROW_INDEX).cast(pl.Int64)
    place = (row + (log << _LOG_BITS)).alias(PLACE)
    return records.with_columns(place, pieces.fragment_of(row).alias(FRAGMENT)).drop(ROW_INDEX)
