import pytest

from gcsl_train.schedule import rate


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_every_step_has_a_rate_above_zero_and_none_above_the_peak(schedule, warmup, total):
    rates = [rate(k, total=total, peak=1e-3, warmup=warmup, schedule=schedule) for k in range(1, total + 1)]
    assert all(0 < r <= 1e-3 for r in rates)


def test_the_rate_rises_to_the_peak_and_then_falls():
    rates = [rate(k, total=10, peak=1.0, warmup=0.2, schedule="linear") for k in range(1, 11)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_a_peak_of_zero_is_zero_throughout():
    assert {rate(k, total=5, peak=0.0, warmup=0.4, schedule="cosine") for k in range(1, 6)} == {0.0}
