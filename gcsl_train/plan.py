"""The training order as a pure function: which examples stand in which pack, and which packs make which step.

`plan` sees lengths, a seed and an epoch, never ranks, workers or devices. Optimizer step k of an epoch takes packs kG to
(k+1)G, where G is `packs_per_step` over all ranks; rank r takes every world-size-th of them. So the number of steps done
is the whole state: a run continues exactly, with any number of ranks, and every example comes once per epoch.

Shuffling is uniform over the whole dataset; packing is best-fit-decreasing inside windows of that order, which keeps it
linear and within a fraction of a percent of packing everything at once.
"""

import bisect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

Pack = tuple[int, ...]
WINDOW = 16_384


class Step(NamedTuple):
    """One optimizer step: its number in the run (from 1), its epoch (from 0), and all its packs over all ranks."""

    number: int
    epoch: int
    packs: tuple[Pack, ...]


def plan(
    lengths: Sequence[int] | np.ndarray, *, seed: int, epoch: int, capacity: int, window: int = WINDOW
) -> list[Pack]:
    """The packs of one epoch: tuples of example numbers whose lengths sum to at most `capacity`.

    Every example stands in exactly one pack. Raises ValueError for an example longer than the capacity.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if sizes.size and int(sizes.max()) > capacity:
        raise ValueError("an example is longer than the capacity; drop it before planning")
    order = _permutation(sizes.size, seed, epoch, stream=0)
    packs: list[Pack] = []
    for start in range(0, sizes.size, window):
        packs += _best_fit_decreasing(order[start : start + window], sizes, capacity)
    return [packs[i] for i in _permutation(len(packs), seed, epoch, stream=1)]


def steps(
    lengths: Sequence[int] | np.ndarray,
    *,
    seed: int,
    capacity: int,
    packs_per_step: int,
    after: int = 0,
    window: int = WINDOW,
) -> Iterator[Step]:
    """The steps of a run without end, beginning after step number `after`; the last step of an epoch may be short."""
    number, epoch = 0, 0
    while True:
        packs = plan(lengths, seed=seed, epoch=epoch, capacity=capacity, window=window)
        for start in range(0, len(packs), packs_per_step):
            number += 1
            if number > after:
                yield Step(number, epoch, tuple(packs[start : start + packs_per_step]))
        epoch += 1


def count_steps(
    lengths: Sequence[int] | np.ndarray,
    *,
    seed: int,
    capacity: int,
    packs_per_step: int,
    epochs: int,
    window: int = WINDOW,
) -> int:
    """How many optimizer steps that many epochs take."""
    packs = (plan(lengths, seed=seed, epoch=e, capacity=capacity, window=window) for e in range(epochs))
    return sum(-(-len(p) // packs_per_step) for p in packs)


def for_rank(packs: Sequence[Pack], rank: int, world: int) -> tuple[Pack, ...]:
    """The packs of one rank. All ranks get equally many, so that they can wait for each other; some may be empty."""
    mine = tuple(packs[rank::world])
    return mine + ((),) * (-(-len(packs) // world) - len(mine))


def _permutation(count: int, seed: int, epoch: int, *, stream: int) -> list[int]:
    """A permutation made from raw PCG64 output, which numpy never changes (its shuffles may change)."""
    raw = np.random.PCG64(np.random.SeedSequence([seed, epoch, stream])).random_raw(count)
    return np.argsort(np.asarray(raw, dtype=np.uint64), kind="stable").tolist()


def _best_fit_decreasing(members: Sequence[int], sizes: np.ndarray, capacity: int) -> list[Pack]:
    """Longest first, each into the open pack that it fills best (the earliest opened one among equals)."""
    packs: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (space left, pack number), sorted
    for member in sorted(members, key=lambda m: -int(sizes[m])):
        size = int(sizes[member])
        at = bisect.bisect_left(free, (size, -1))
        if at < len(free):
            space, number = free.pop(at)
        else:
            space, number = capacity, len(packs)
            packs.append([])
        packs[number].append(member)
        if space > size:
            bisect.insort(free, (space - size, number))
    return [tuple(pack) for pack in packs]
