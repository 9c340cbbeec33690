"""Drift: how far one log is from another, section by section.

PSI, the population stability index, is sum (p - q) ln(p / q) over ten bins that hold equal parts of the reference, or fewer
where its values repeat; a share is at least 0.0001, so that an empty bin does not make it infinite. Usual reading: below 0.1
the same, from 0.2 another population. KS is the largest distance between the two cumulative distributions, 0 to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one quantity moved; `ks` is null for what has no order."""

    psi: float
    ks: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How far this is from another log or dataset, the reference. `records` of this and `against_records` of the reference
    are compared. A dataset does not hold what gave no row: then both sides are compared from reward `floor` up (null: whole).
    `levels` compares how many records fall between the reference's thresholds, over all of them; null where it has none, or
    where a dataset does not tell. `psi` and `ks` are the largest of the sections."""

    against: str
    records: int
    against_records: int
    floor: float | None
    psi: float
    ks: float
    rewards: Shift
    levels: Shift | None
    prompt: Shift
    response: Shift
    groups: Shift


PARTS = 10
LEAST_SHARE = 1e-4


def drift_section(
    facts: pl.DataFrame, reference: pl.DataFrame, *, against: str, floor: float | None, levels: Shift | None
) -> Drift:
    """All records of both are compared; `levels` was found before."""
    sections = {
        "rewards": shift(facts["reward"], reference["reward"]),
        "prompt": shift(facts["prompt_chars"], reference["prompt_chars"]),
        "response": shift(facts["response_chars"], reference["response_chars"]),
        "groups": shift(_sizes(facts), _sizes(reference)),
    }
    return Drift(
        against=against,
        records=facts.height,
        against_records=reference.height,
        floor=floor,
        psi=max(one.psi for one in (*sections.values(), *([levels] if levels else []))),
        ks=max(one.ks for one in sections.values() if one.ks is not None),
        levels=levels,
        **sections,
    )


def shift(values: pl.Series, reference: pl.Series) -> Shift:
    """PSI over ten equal parts of the reference, and KS."""
    return Shift(psi(values, reference, _edges(reference)), kolmogorov_smirnov(values, reference))


def psi(values: pl.Series, reference: pl.Series, edges: Sequence[float]) -> float:
    """The population stability index over the bins that begin at `edges` (ascending), and one below them."""
    return psi_of_counts(counts_between(values, edges), counts_between(reference, edges))


def psi_of_counts(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The population stability index of records counted in the same bins."""
    p, q = ([max(count / sum(side), LEAST_SHARE) for count in side] for side in (counts, reference))
    return math.fsum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def counts_between(values: pl.Series, edges: Sequence[float]) -> list[int]:
    """How many values lie below the first edge, and from each edge to below the next."""
    place = pl.Series(edges, dtype=pl.Float64).search_sorted(values.cast(pl.Float64), side="right")
    counts = dict(place.alias("bin").value_counts().iter_rows())
    return [counts.get(n, 0) for n in range(len(edges) + 1)]


def kolmogorov_smirnov(values: pl.Series, reference: pl.Series) -> float:
    """The largest distance between the two cumulative distributions: 0 for the same, 1 for two that do not overlap."""
    ascending = [series.cast(pl.Float64).sort() for series in (values, reference)]
    places = pl.concat(ascending).unique()
    below = [series.search_sorted(places, side="right").cast(pl.Int64) for series in ascending]
    # n b - m a over n m: whole numbers until the last division
    n, m = len(values), len(reference)
    return int(cast("int", (below[0] * m - below[1] * n).abs().max())) / (n * m)


def _edges(reference: pl.Series) -> list[float]:
    """Where ten equal parts of the reference begin, but the first; values that occur, each once."""
    ascending = reference.cast(pl.Float64).sort()
    places = {ascending[len(ascending) * n // PARTS] for n in range(1, PARTS)}
    edges = sorted(places - {ascending[0]})
    return edges or [ascending[0], math.nextafter(ascending[0], math.inf)]  # all alike: what is below it, and above


def _sizes(facts: pl.DataFrame) -> pl.Series:
    return facts.group_by("group").len()["len"]
