"""Labels from a cut, for KTO."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.stages.builders.unpaired import cut_at_share, to_unpaired

from .builders_support import collected, frame, make_records
from .support import counted


@given(st.lists(st.integers(0, 8).map(float), min_size=1, max_size=40), st.integers(1, 99))
def test_the_cut_is_the_order_statistic_of_the_share(rewards: list[float], percent: int) -> None:
    expected = sorted(rewards)[len(rewards) - math.ceil(percent * len(rewards) / 100)]

    if expected == min(rewards):
        with pytest.raises(DataError, match="GD1320"):
            cut_at_share(counted(rewards), percent / 100)
    else:
        assert cut_at_share(counted(rewards), percent / 100) == expected


def test_float_noise_in_a_share_takes_no_record_more() -> None:
    assert 0.07 * 100 > 7
    assert cut_at_share(counted([float(i) for i in range(100)]), 0.07) == 93


def test_the_cut_itself_is_good() -> None:
    rows, dropped = collected(to_unpaired(frame(make_records([3, 1, 2])), cut=2))

    assert [(row["completion"], row["label"]) for row in rows] == [("r0", True), ("r1", False), ("r2", True)]
    assert dropped == {}
