"""Attribute strings, against plain Python."""

import decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.stages.builders.steerlm import Attribute, attribute_string, to_steered

from .builders_support import collected, frame, make_records

HELP = Attribute("helpfulness", "reward_helpfulness")
TOXICITY = Attribute("toxicity", "reward_toxicity", sign=-1, bounds=(-0.5, -0.1))


def rounded(value: float) -> int:
    return int(decimal.Decimal(value).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9.5, 9.5), st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.9])), min_size=1))
def test_each_record_gets_its_own_values(aspects: list[tuple[float, float]]) -> None:
    records = frame(make_records([0] * len(aspects))).with_columns(
        reward_helpfulness=pl.Series([h for h, _ in aspects]), reward_toxicity=pl.Series([-t for _, t in aspects])
    )

    rows, dropped = collected(to_steered(records, [HELP, TOXICITY]))

    # Of the bounds 0.1 and 0.5 in the log's own sense, how many does the toxicity pass?
    expected = [{"helpfulness": rounded(h), "toxicity": (t > 0.1) + (t > 0.5)} for h, t in aspects]
    assert [row["goal"] for row in rows] == [attribute_string(values) for values in expected]
    assert dropped == {}


def test_a_single_reward_is_one_attribute() -> None:
    rows, _ = collected(to_steered(frame(make_records([4, 2.5, -0.2])), [Attribute("score", "reward")]))

    assert [row["goal"] for row in rows] == ["score:4", "score:3", "score:0"]


def test_levels_count_the_bounds_that_are_reached() -> None:
    attribute = Attribute("score", "reward", bounds=(0.25, 0.5, 0.75))

    rows, _ = collected(to_steered(frame(make_records([0.1, 0.25, 0.7, 0.75])), [attribute]))

    assert [row["goal"] for row in rows] == ["score:0", "score:1", "score:2", "score:3"]


def test_lower_is_better_is_printed_as_logged() -> None:
    rows, _ = collected(to_steered(frame(make_records([-3, 0])), [Attribute("verbosity", "reward", sign=-1)]))

    assert [row["goal"] for row in rows] == ["verbosity:3", "verbosity:0"]


def test_a_value_beyond_integers_is_counted() -> None:
    rows, dropped = collected(to_steered(frame(make_records([1e300, 1])), [Attribute("score", "reward")]))

    assert [row["goal"] for row in rows] == ["score:1"]
    assert dropped == {"no_integer": 1}
