"""Preference pairs against a plain reference, and worked by hand."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.stages.builders.pairs import to_pairs
from gcsl_data.stages.builders.smoothing import smoothing_of

from .builders_support import Record, collected, frame, gap, logs, make_records, units, used


def reference(records: list[Record], *, top: int | None, min_gap: float, distinct: bool) -> list[tuple[Record, Record]]:
    found = []
    for unit in units(records):
        pairs = [(a, b) for a in unit for b in unit]
        if distinct:
            pairs = list(
                zip(sorted(unit, key=lambda r: -r["reward"]), sorted(unit, key=lambda r: r["reward"]), strict=True)
            )
        pairs = [(a, b) for a, b in pairs if gap(a, b) > min_gap and a["response"] != b["response"]]
        found += sorted(pairs, key=lambda p: (-gap(*p), p[0]["row"], p[1]["row"]))[:top]
    return found


@settings(deadline=None)
@given(logs(), st.sampled_from([1, 2, 5, None]), st.sampled_from([0.0, 0.1, 0.2]), st.booleans(), st.booleans())
def test_pairs_are_those_of_the_reference(
    records: list[Record], top: int | None, min_gap: float, distinct: bool, chat: bool
) -> None:
    built = to_pairs(frame(records, chat=chat), top=top, min_gap=min_gap, distinct_members=distinct)

    rows, dropped = collected(built)

    expected = reference(records, top=top, min_gap=min_gap, distinct=distinct)
    assert [(row["row"], row["rejected_row"]) for row in rows] == [(a["row"], b["row"]) for a, b in expected]
    for row, (chosen, rejected) in zip(rows, expected, strict=True):
        assert (row["chosen"], row["rejected"]) == (chosen["response"], rejected["response"])
        assert (row["chosen_reward"], row["rejected_reward"]) == (chosen["reward"], rejected["reward"])
        assert row["prompt"] == ([{"role": "user", "content": chosen["prompt"]}] if chat else chosen["prompt"])
        assert row["group"] == rejected["group"]
    assert len(used(rows)) + sum(dropped.values()) == len(records)
    assert len({(row["row"], row["copy"]) for row in rows}) == len(rows)
    if distinct:
        members = [row[name] for row in rows for name in ("row", "rejected_row")]
        assert len(set(members)) == len(members)


@settings(deadline=None)
@given(st.lists(st.sampled_from("xyz"), min_size=2, max_size=40), st.integers(1, 3), st.data())
def test_the_largest_gaps_are_found_among_many_equal_responses(
    responses: list[str], top: int, data: st.DataObject
) -> None:
    size = len(responses)
    rewards = data.draw(st.lists(st.integers(0, 9).map(float), min_size=size, max_size=size))
    records = make_records(rewards, responses=responses)

    rows, _ = collected(to_pairs(frame(records), top=top))

    expected = reference(records, top=top, min_gap=0, distinct=False)
    assert [(row["row"], row["rejected_row"]) for row in rows] == [(a["row"], b["row"]) for a, b in expected]


# Runtimes in ms of one task, negated because lower is better.
RUNTIMES = make_records([-44, -120, -60, -44, -90])


def test_mercurys_five_pairs_with_the_largest_difference_in_runtime() -> None:
    rows, dropped = collected(to_pairs(frame(RUNTIMES), top=5))

    # Differences: 76 (1, 2), 76 (4, 2), 60 (3, 2), 46 (1, 5), 46 (4, 5); 30 (3, 5) and (5, 2) come too late.
    assert [(row["row"], row["rejected_row"]) for row in rows] == [(1, 2), (4, 2), (3, 2), (1, 5), (4, 5)]
    assert [row["copy"] for row in rows] == [0, 0, 0, 1, 1]
    assert dropped == {}


def test_mercurys_pairs_of_more_than_20_ms() -> None:
    rows, _ = collected(to_pairs(frame(RUNTIMES), top=None, min_gap=30))

    # The pairs at exactly 30 (3, 5) and (5, 2) are not above it.
    assert [(row["row"], row["rejected_row"]) for row in rows] == [(1, 2), (4, 2), (3, 2), (1, 5), (4, 5)]


def test_distinct_members_pair_the_best_with_the_worst() -> None:
    rows, dropped = collected(to_pairs(frame(RUNTIMES), distinct_members=True))

    assert [(row["row"], row["rejected_row"]) for row in rows] == [(1, 2), (4, 5)]
    assert dropped == {"not_among_top": 1}


def test_gaps_that_differ_by_float_noise_are_equal() -> None:
    records = make_records([0.2, 0.0, 0.3, 0.1], prompts="ppqq", groups="gghh")  # 0.3 - 0.1 is 0.19999999999999998
    assert len(collected(to_pairs(frame(records), min_gap=0.2))[0]) == 0
    assert len(collected(to_pairs(frame(records), min_gap=0.199))[0]) == 2


@pytest.mark.parametrize(
    ("records", "settings", "dropped"),
    [
        (make_records([1, 2], groups="ab"), {}, {"alone": 2}),
        (make_records([1, 2], prompts="ab"), {}, {"other_prompts": 2}),
        (make_records([1, 1]), {}, {"equal_rewards": 2}),
        (make_records([1, 2], responses=["x", "x"]), {}, {"same_response": 2}),
        (make_records([1, 2]), {"min_gap": 1.0}, {"gap_too_small": 2}),
        (make_records([1, 2, 3]), {"top": 1}, {"not_among_top": 1}),
        (
            make_records([1, 2, 3, 3], responses=["x", "y", "y", "x"]),
            {"top": None, "min_gap": 1.0},
            {"gap_too_small": 1, "same_response": 1},
        ),
    ],
)
def test_records_in_no_pair_are_counted_by_reason(
    records: list[Record], settings: dict[str, Any], dropped: dict[str, int]
) -> None:
    assert collected(to_pairs(frame(records), **settings))[1] == dropped


def test_smoothing_falls_with_the_gap() -> None:
    smoothing = smoothing_of(maximum=0.4, largest_gap=4.0)

    rows, _ = collected(to_pairs(frame(make_records([0, 1, 4])), top=None, smoothing=smoothing))

    assert [(row["chosen_reward"] - row["rejected_reward"], row["smoothing"]) for row in rows] == [
        (4, 0),
        (3, 0.1),
        (1, 0.3),
    ]


@pytest.mark.parametrize(("largest_gap", "expected"), [(0.0, 0.0), (0.5, 0.0), (2.0, 0.2)])
def test_smoothing_stays_in_its_range(largest_gap: float, expected: float) -> None:
    pairs = pl.DataFrame({"chosen_reward": [1.0], "rejected_reward": [0.0]})

    assert pairs.select(x=smoothing_of(maximum=0.4, largest_gap=largest_gap))["x"].to_list() == [expected]


def test_pairs_without_smoothing_have_none() -> None:
    rows, _ = collected(to_pairs(frame(make_records([0, 1]))))

    assert (rows[0]["smoothing"], rows[0]["weight"]) == (0.0, 1.0)
