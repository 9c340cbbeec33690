"""What the contestants of expand.py made, read alike, and whether it is the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

GOAL = ("goal_index", "threshold", "goal")
ROW = ("prompt", "completion", *GOAL, "level", "reward")


@dataclass(frozen=True, slots=True)
class Made:
    """The rows, and of each goal its number, threshold, sentence and rows."""

    rows: int
    goals: list[tuple[int, float, str, int]]


def made(frame: pl.LazyFrame) -> Made:
    """What an output holds."""
    counts = frame.group_by(GOAL).agg(rows=pl.len().cast(pl.Int64)).sort("goal_index").collect(engine="streaming")
    return Made(int(counts["rows"].sum()), counts.rows())


def require_same_goals(found: Mapping[str, Made]) -> None:
    """Ends the program when two outputs differ in rows, thresholds, sentences, or rows of a goal."""
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise SystemExit(f"{other} made {found[other]},\n{first} made {found[first]}")


def require_same_rows(found: Mapping[str, pl.LazyFrame]) -> int:
    """Ends the program when two outputs are not the same rows, in any order; how many rows there are."""
    sorted_rows = {name: _plain(frame).collect().sort(ROW) for name, frame in found.items()}
    first, *others = sorted_rows
    for other in others:
        if not sorted_rows[other].equals(sorted_rows[first]):
            raise SystemExit(f"{other} and {first} made different rows")
    return sorted_rows[first].height


def _plain(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Messages as their text."""
    texts = (pl.col(name).list.first().struct.field("content").alias(name) for name in ("prompt", "completion"))
    return frame.select(ROW).with_columns(*texts, pl.col("goal_index", "level").cast(pl.Int32))


def _shards(folder: Path) -> pl.LazyFrame:
    return pl.scan_ipc(folder / "data" / "*.arrow")


def _saved(folder: Path) -> pl.LazyFrame:
    """A dataset saved by Hugging Face datasets: Arrow streams, mapped."""
    from datasets import load_from_disk

    return pl.from_arrow(load_from_disk(str(folder)).data.table.select([*ROW])).lazy()  # pyright: ignore


READERS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    "shards": _shards,
    "saved": _saved,
    "parquet": pl.scan_parquet,
    "arrow": pl.scan_ipc,
    "jsonl": pl.scan_ndjson,
}
