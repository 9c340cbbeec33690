"""The best and the worst records of each level, to look at: what a goal asks for is seen at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from gcsl_data.audit.subject import PLACE, Subject

SHOWN_PER_LEVEL = 5


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """One record: `reward` in the unit of the `reward` column, where it stands, and its texts, whole."""

    reward: float
    source: str
    row: int
    prompt: str
    response: str


@dataclass(frozen=True, slots=True)
class ShownLevel:
    """One level (null where records have none): its best records, best first, and its worst, worst first; none is in both."""

    level: int | None
    best: tuple[ShownRecord, ...]
    worst: tuple[ShownRecord, ...]


def shown_levels(subject: Subject) -> tuple[ShownLevel, ...]:
    """The first five of the best and of the worst records of each level, highest level first; one more look fetches their
    texts."""
    levels = [*_chosen(subject.facts)]
    chosen = pl.concat([frame for _, frames in levels for frame in frames])
    texts = {tuple(row[:3]): row[3:] for row in subject.texts(chosen).select(*PLACE, "prompt", "response").iter_rows()}
    return tuple(ShownLevel(level, _records(best, texts), _records(worst, texts)) for level, (best, worst) in levels)


def _chosen(facts: pl.DataFrame) -> Iterator[tuple[int | None, tuple[pl.DataFrame, pl.DataFrame]]]:
    ascending = facts.select(*PLACE, "level", "reward").sort("reward", *PLACE)
    levels = ascending["level"].unique().sort(descending=True).to_list()
    for level in levels:
        of_level = ascending.filter(pl.col("level").eq_missing(pl.lit(level, pl.Int32)))
        half = min(SHOWN_PER_LEVEL, of_level.height // 2)
        best = of_level.sort("reward", *PLACE, descending=[True, False, False, False]).head(max(half, 1))
        yield level, (best, of_level.head(half))


def _records(chosen: pl.DataFrame, texts: Mapping[tuple[object, ...], tuple[str, str]]) -> tuple[ShownRecord, ...]:
    return tuple(
        ShownRecord(reward, source, row, *texts[source, row, part])
        for source, row, part, reward in chosen.select(*PLACE, "reward").iter_rows()
    )
