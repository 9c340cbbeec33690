"""One chosen and several rejected responses, against a plain reference."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.stages.builders.negatives import to_negatives

from .builders_support import Record, collected, frame, logs, make_records, units, used


def reference(records: list[Record], negatives: int) -> list[tuple[Record, list[Record]]]:
    found = []
    for unit in units(records):
        best = max(unit, key=lambda r: (r["reward"], -r["row"]))
        worse: dict[str, Record] = {}
        for record in sorted(unit, key=lambda r: (r["reward"], r["row"])):
            if record["reward"] < best["reward"] and record["response"] != best["response"]:
                worse.setdefault(record["response"], record)
        if worse:
            found.append((best, list(worse.values())[:negatives]))
    return found


@settings(deadline=None)
@given(logs(), st.integers(1, 4), st.booleans())
def test_rows_are_those_of_the_reference(records: list[Record], negatives: int, chat: bool) -> None:
    rows, dropped = collected(to_negatives(frame(records, chat=chat), negatives=negatives))

    expected = reference(records, negatives)
    assert [(row["row"], row["rejected_row"]) for row in rows] == [
        (b["row"], [r["row"] for r in w]) for b, w in expected
    ]
    for row, (best, worse) in zip(rows, expected, strict=True):
        assert (row["chosen"], row["rejected"]) == (best["response"], [r["response"] for r in worse])
        assert (row["chosen_reward"], row["rejected_reward"]) == (best["reward"], [r["reward"] for r in worse])
    assert len(used(rows)) + sum(dropped.values()) == len(records)


def test_the_lowest_rewards_are_rejected_the_lowest_first() -> None:
    records = make_records([3, 1, 5, 5, 2, 4])

    rows, dropped = collected(to_negatives(frame(records)))

    assert [(row["chosen"], row["rejected"]) for row in rows] == [("r2", ["r1", "r4", "r0"])]
    assert dropped == {"not_among_negatives": 1, "ties_with_best": 1}


def test_a_prompt_whose_worse_responses_are_the_best_one_again_has_no_row() -> None:
    records = make_records([1, 2, 2], responses=["x", "x", "y"])

    assert collected(to_negatives(frame(records))) == ([], {"same_response": 3})
