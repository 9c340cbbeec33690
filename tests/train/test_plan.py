import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_train.plan import count_steps, for_rank, plan, steps

LENGTHS = st.lists(st.integers(1, 64), min_size=1, max_size=200)


@given(LENGTHS, st.integers(0, 5), st.integers(0, 3), st.integers(1, 50))
def test_every_example_stands_in_exactly_one_pack_that_holds_it(lengths, seed, epoch, window):
    packs = plan(lengths, seed=seed, epoch=epoch, capacity=64, window=window)
    assert sorted(member for pack in packs for member in pack) == list(range(len(lengths)))
    assert all(0 < sum(lengths[m] for m in pack) <= 64 for pack in packs)


@given(LENGTHS, st.integers(1, 5), st.integers(1, 7), st.integers(0, 9))
def test_any_world_size_and_resume_point_see_every_example_once_per_epoch(lengths, world, packs_per_step, after):
    arguments = {"seed": 3, "capacity": 64, "packs_per_step": packs_per_step}
    total = count_steps(lengths, epochs=2, **arguments)
    after = min(after, total)
    seen: list[tuple[int, int]] = []
    for first, last in ((0, after), (after, total)):
        for step in steps(lengths, after=first, **arguments):
            if step.number > last:
                break
            for rank in range(world):
                seen += [(step.epoch, m) for pack in for_rank(step.packs, rank, world) for m in pack]
    assert sorted(seen) == [(epoch, m) for epoch in (0, 1) for m in range(len(lengths))]


def test_the_order_depends_on_seed_and_epoch_and_nothing_else():
    lengths = np.arange(1, 60) % 17 + 1
    first = plan(lengths, seed=1, epoch=0, capacity=40)
    assert first == plan(list(lengths), seed=1, epoch=0, capacity=40)
    assert first != plan(lengths, seed=2, epoch=0, capacity=40)
    assert first != plan(lengths, seed=1, epoch=1, capacity=40)


def test_the_order_is_the_one_it_has_always_been():
    assert plan([5, 3, 8, 2, 7, 4, 6, 1], seed=0, epoch=0, capacity=10) == GOLDEN_SMALL
    lengths = [(i * 7919) % 97 + 1 for i in range(1000)]
    packs = plan(lengths, seed=42, epoch=3, capacity=128, window=256)
    assert hashlib.sha256(repr(packs).encode()).hexdigest() == GOLDEN_LARGE


def test_packs_are_nearly_full_for_lengths_like_real_ones():
    lengths = np.clip(np.random.RandomState(0).lognormal(5.8, 0.8, 20_000), 8, 2048).astype(int)
    packs = plan(lengths, seed=0, epoch=0, capacity=2048)
    assert 1 - lengths.sum() / (len(packs) * 2048) < 0.01


def test_an_example_longer_than_a_pack_is_refused():
    with pytest.raises(ValueError, match="longer than the capacity"):
        plan([3, 11], seed=0, epoch=0, capacity=10)


GOLDEN_SMALL = [(0, 7), (4, 1), (2, 3), (6, 5)]
GOLDEN_LARGE = "d8b095570b37fba752f247af2238ffff3795af764a6f89a3ac29e4a4ea47d888"
