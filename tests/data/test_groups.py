"""Groups with advantages, and the best of each group, against plain references and worked by hand."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.stages.builders.best import to_best
from gcsl_data.stages.builders.groups import to_groups

from .builders_support import Record, collected, frame, logs, make_records


def by_group(records: list[Record]) -> list[list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["group"], []).append(record)
    return list(found.values())


@settings(deadline=None)
@given(logs(), st.booleans())
def test_groups_are_those_of_the_reference(records: list[Record], chat: bool) -> None:
    rows, dropped = collected(to_groups(frame(records, chat=chat)))

    kept = [group for group in by_group(records) if len({r["reward"] for r in group}) > 1]
    expected = [
        (r["row"], (r["reward"] - statistics.fmean(rewards)) / (statistics.stdev(rewards) + 1e-6))
        for group in kept
        if (rewards := [r["reward"] for r in group])
        for r in group
    ]
    assert [row["row"] for row in rows] == [number for number, _ in expected]
    assert [row["advantage"] for row in rows] == pytest.approx([a for _, a in expected], abs=1e-11)
    assert len(rows) + sum(dropped.values()) == len(records)


def test_advantages_worked_by_hand() -> None:
    # 1, 1, 0, 0: mean 0.5, sample deviation sqrt(1 / 3) = 0.5773502691896258.
    rows, _ = collected(to_groups(frame(make_records([1, 0, 1, 0]))))

    assert [row["advantage"] for row in rows] == [0.866023903787, -0.866023903787, 0.866023903787, -0.866023903787]


def test_groups_that_teach_nothing_are_counted() -> None:
    # 0.1 three times: the mean is not 0.1 in floats, and still no advantage is left over.
    records = make_records([0.1, 0.1, 5, 0.1, 1, 2], groups="aabacc")

    rows, dropped = collected(to_groups(frame(records)))

    assert [row["row"] for row in rows] == [5, 6]
    assert dropped == {"alone": 1, "equal_rewards": 3}


def test_a_middling_member_stays_in_its_group_with_a_plain_zero() -> None:
    rows, _ = collected(to_groups(frame(make_records([0.1, 0.2, 0.3]))))

    assert [str(row["advantage"]) for row in rows][1] == "0.0"


def test_a_group_stands_together_where_its_first_record_stood() -> None:
    rows, _ = collected(to_groups(frame(make_records([1, 2, 3, 4], groups="baba"))))

    assert [row["row"] for row in rows] == [1, 3, 2, 4]


@settings(deadline=None)
@given(logs(), st.integers(1, 3))
def test_the_best_are_those_of_the_reference(records: list[Record], best: int) -> None:
    rows, dropped = collected(to_best(frame(records), best=best))

    ranked = [sorted(group, key=lambda r: (-r["reward"], r["row"]))[:best] for group in by_group(records)]
    assert [row["row"] for row in rows] == sorted(r["row"] for group in ranked for r in group)
    assert dropped == ({"not_best": left} if (left := len(records) - len(rows)) else {})


def test_groups_may_be_told_apart_by_more_than_their_name() -> None:
    records = frame(make_records([1, 2, 3], prompts="aab"))

    assert [row["row"] for row in collected(to_best(records, within=("group", "prompt")))[0]] == [2, 3]
    assert collected(to_groups(records, within=("group", "prompt")))[1] == {"alone": 1}
