"""Labels from a cut, for KTO."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.stages.builders.unpaired import require_both, to_unpaired
from gcsl_data.stages.fitting import fit_cut

from .builders_support import collected, frame, make_records
from .support import counted


@given(st.lists(st.integers(0, 8).map(float), min_size=1, max_size=40), st.integers(1, 99))
def test_the_cut_is_the_order_statistic_of_the_share(rewards: list[float], percent: int) -> None:
    expected = sorted(rewards)[len(rewards) - math.ceil(percent * len(rewards) / 100)]

    cut = fit_cut(counted(rewards), f"{percent}%", "higher")

    assert (cut.value, cut.records) == (expected, sum(reward >= expected for reward in rewards))
    if expected == min(rewards):
        with pytest.raises(DataError, match="GD1320"):
            require_both(cut, len(rewards))
    else:
        require_both(cut, len(rewards))


def test_float_noise_in_a_share_takes_no_record_more() -> None:
    assert 0.07 * 100 > 7
    assert fit_cut(counted([float(i) for i in range(100)]), "7%", "higher").value == 93


def test_a_cut_that_no_record_reaches_labels_nothing_good() -> None:
    with pytest.raises(DataError, match="label all 3 records of the train split bad"):
        require_both(fit_cut(counted([1, 2, 3]), "4", "higher"), 3)


def test_the_cut_itself_is_good() -> None:
    rows, dropped = collected(to_unpaired(frame(make_records([3, 1, 2])), cut=2))

    assert [(row["completion"], row["label"]) for row in rows] == [("r0", True), ("r1", False), ("r2", True)]
    assert dropped == {}
