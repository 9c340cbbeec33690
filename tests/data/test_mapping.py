"""Any log becomes records: SQL expressions over nested columns, conversations, rewards free of float dust."""

import csv
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.errors import DataError, GcslError, InputError, UsageError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.stages.rewards import reward

from . import reference
from .support import examples, expand, expand_rows, make_rows, plan_of, write_jsonl

TEN = [i / 10 for i in range(10)]


def records(*logs: Path, **flags: Any) -> list[dict[str, Any]]:
    return plan_of(*logs, **flags)[0].records.collect().to_dicts()


def test_a_log_in_our_own_names_needs_no_map(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([0.25, 0.5]))

    found = records(log)

    assert [(r["prompt"], r["response"], r["reward"]) for r in found] == [
        ("Task 0", "Answer 0", 0.25),
        ("Task 1", "Answer 1", 0.5),
    ]
    assert [(r["source"], r["row"], r["part"], r["reject"], r["split"]) for r in found] == [
        ("log.jsonl", 1, 0, None, "train"),
        ("log.jsonl", 2, 0, None, "train"),
    ]


def test_sql_maps_nested_fields_and_arithmetic(tmp_path: Path) -> None:
    rows = [
        {"in": {"text": f"P{i}"}, "out": {"text": f"R{i}", "toxicity": i / 10}, "task id": i // 2} for i in range(4)
    ]
    log = write_jsonl(tmp_path / "log.jsonl", rows)
    fields = {"prompt": '"in".text', "response": "out.text", "reward": "1 - out.toxicity", "group": '"task id"'}

    found = records(log, record__map=fields)

    assert [r["prompt"] for r in found] == ["P0", "P1", "P2", "P3"]
    assert [r["response"] for r in found] == ["R0", "R1", "R2", "R3"]
    assert [r["reward"] for r in found] == [1.0, 0.9, 0.8, 0.7]
    assert [r["group"] for r in found] == ["0", "0", "1", "1"]


def test_a_reward_in_text_can_be_cast(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", [{**row, "reward": str(row["reward"])} for row in make_rows([1, 2])])

    assert [r["reward"] for r in records(log, record__map={"reward": "CAST(reward AS DOUBLE)"})] == [1.0, 2.0]


def test_pass_and_fail_and_numbers_as_answers_can_be_cast(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", [{"prompt": "p", "response": 42, "reward": i == 1} for i in range(2)])
    fields = {"reward": "CAST(reward AS DOUBLE)", "response": "CAST(response AS VARCHAR)"}

    assert [(r["response"], r["reward"]) for r in records(log, record__map=fields)] == [("42", 0.0), ("42", 1.0)]


def test_a_conversation_is_split_at_its_last_assistant_turn(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Thanks."},
    ]
    log = write_jsonl(tmp_path / "log.jsonl", [{"messages": turns, "reward": 1.0, "extra": None}])

    (found,) = records(log, record__map={"messages": "messages"})

    assert found["prompt"] == turns[:4]
    assert found["response"] == "2"
    assert found["reject"] is None


def test_messages_lose_all_fields_but_role_and_content(tmp_path: Path) -> None:
    prompt = [{"name": "Ann", "content": "Hello?", "role": "user", "weight": 1}]
    log = write_jsonl(tmp_path / "log.jsonl", [{"prompt": prompt, "response": "Hi.", "reward": 1.0}])

    (found,) = records(log)

    assert found["prompt"] == [{"role": "user", "content": "Hello?"}]


def test_rows_are_numbered_in_each_log_and_logs_are_ordered_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    second = write_jsonl(tmp_path / "b" / "x.jsonl", make_rows([0.1, 0.2]))
    first = write_jsonl(tmp_path / "a.jsonl", make_rows([0.3, 0.4]))

    found = records(second, first)

    assert [(r["source"], r["row"]) for r in found] == [
        ("a.jsonl", 1),
        ("a.jsonl", 2),
        ("b/x.jsonl", 1),
        ("b/x.jsonl", 2),
    ]


def test_a_quoted_pattern_names_all_logs_that_match(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.csv"):
        write_jsonl(tmp_path / name, make_rows([1, 2]))

    assert [log.uri for log in find_logs([str(tmp_path / "*.jsonl")])] == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    "name", ["log[1].jsonl", "log[1].csv", "log[1].parquet", "a*b.jsonl", "what?.jsonl", "ü ñ.jsonl"]
)
def test_pattern_characters_in_a_name_are_taken_literally(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    frame = pl.DataFrame(make_rows([0.1, 0.2]))
    {".jsonl": frame.write_ndjson, ".csv": frame.write_csv, ".parquet": frame.write_parquet}[path.suffix](path)

    assert [r["reward"] for r in records(path)] == [0.1, 0.2]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / b"log\xff.jsonl".decode(errors="surrogateescape")
    try:
        write_jsonl(path, make_rows([1, 2]))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")

    with pytest.raises(InputError, match="not UTF-8"):
        find_logs([str(path)])


def test_the_same_log_twice_is_refused(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([1, 2]))
    (tmp_path / "link.jsonl").symlink_to(log)

    with pytest.raises(UsageError, match="given twice"):
        find_logs([str(log), str(tmp_path / "link.jsonl")])


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_three_formats_give_the_same_records(tmp_path: Path, kind: str) -> None:
    rows = [{"prompt": f'Say "{i}",\nplease', "response": f"é {i}", "reward": i / 8} for i in range(8)]
    path = tmp_path / f"log.{kind}"
    if kind == "jsonl":
        write_jsonl(path, rows)
    elif kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["prompt", "response", "reward"])
            writer.writeheader()
            writer.writerows(rows)

    found = records(path)

    assert [{k: r[k] for k in ("prompt", "response", "reward")} for r in found] == rows
    assert [r["row"] for r in found] == list(range(1, 9))


def test_blank_lines_in_jsonl_are_no_records_but_count_as_lines(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in make_rows([0.5, 1.0])]
    path = tmp_path / "log.jsonl"
    path.write_bytes(("\r\n".join([lines[0], "", lines[1]]) + "\r\n").encode())

    assert [(r["row"], r["reward"]) for r in records(path)] == [(1, 0.5), (3, 1.0)]


def test_a_column_that_comes_late_is_not_lost(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response": "r"} for _ in range(2000)] + [{"prompt": "p", "response": "r", "reward": 0.5}]

    found = records(write_jsonl(tmp_path / "log.jsonl", rows))

    assert found[-1]["reward"] == 0.5
    assert {r["reject"] for r in found[:-1]} == {"null_reward"}


@pytest.mark.parametrize(
    ("rows", "fields", "error", "message"),
    [
        (
            [{"prompt": "p", "response": "r", "score": 1.0}],
            {},
            DataError,
            r"no column 'reward'.*say --map reward=score; nearest: score \(1\.0\)",
        ),
        ([{"prompt": "p", "response": "r", "rewrad": 1.0}], {}, DataError, r"no column 'reward'.*nearest: rewrad"),
        ([{"question": "p", "answer": "r", "reward": 1.0}], {}, DataError, r"no column 'prompt'.*nearest: question"),
        (
            [{"a": "p", "b": "r", "c": 1.0}],
            {},
            DataError,
            r"it has a, b, c; a log that can be used says what was asked; say --map prompt=COLUMN",
        ),
        ([{"prompt": "p", "response": "r", "reward": 1.0}], {"reward": "1 +"}, UsageError, "is not a SQL expression"),
        ([{"prompt": "p", "response": "r", "reward": {"x": 1.0}}], {}, DataError, "one of its fields with a dot: x"),
        ([{"prompt": "p", "response": "r", "reward": {"x": 1}}], {"reward": "reward.y"}, DataError, "does not fit"),
        ([{"prompt": "p", "response": "r", "reward": [1.0]}], {}, DataError, r"--reward-reduce mean\|median"),
        ([{"prompt": 7, "response": "r", "reward": 1.0}], {}, DataError, "the prompt must be text or a list"),
        ([{"prompt": "p", "response": 42, "reward": 1.0}], {}, DataError, r"found Int64; cast it: .*AS VARCHAR"),
        ([{"prompt": "p", "response": ["r"], "reward": 1.0}], {}, DataError, "the response must be text"),
        ([{"prompt": "p", "response": "r", "reward": 1.0}], {"messages": "prompt"}, DataError, "does not fit"),
        (
            [{"prompt": "p", "response": "r", "reward": 1.0}],
            {"messages": "prompt", "prompt": "prompt"},
            UsageError,
            "both say what the prompt is",
        ),
    ],
)
def test_a_log_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, rows: list[dict[str, Any]], fields: dict[str, str], error: type[GcslError], message: str
) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    with pytest.raises(error, match=message) as caught:
        records(log, record__map=fields)
    assert "\n" not in caught.value.message


def test_prompts_of_two_kinds_are_refused(tmp_path: Path) -> None:
    text = write_jsonl(tmp_path / "a.jsonl", make_rows(TEN))
    turns = [{**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in make_rows(TEN)]
    chat = write_jsonl(tmp_path / "b.jsonl", turns)

    with pytest.raises(DataError, match=r"text in a\.jsonl and chat messages in b\.jsonl"):
        records(text, chat)


@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: 1e-9 < abs(x) < 1e12 or x == 0))
def test_rewards_have_twelve_significant_digits_and_zero_no_sign(value: float) -> None:
    frame = pl.DataFrame({"x": [value]})

    (found,) = frame.select(reward(pl.col("x"), pl.Float64(), direction="higher")).to_series().to_list()

    unit = Decimal(1).scaleb(Decimal(value).adjusted() - 11)
    assert found == reference.significant(found)
    assert abs(Decimal(found) - Decimal(value)) <= unit * Decimal("0.501")
    assert math.copysign(1, found) == 1 or found != 0


@pytest.mark.parametrize(
    ("direction", "expected"), [("higher", [0.19, 0.0, 0.0, 2.0]), ("lower", [-0.19, 0.0, 0.0, -2.0])]
)
def test_float_dust_and_the_sign_of_zero_go(direction: Any, expected: list[float]) -> None:
    frame = pl.DataFrame({"x": [1 - 0.81, -0.0, 0.0, 2.0]})

    found = frame.select(reward(pl.col("x"), pl.Float64(), direction=direction)).to_series().to_list()

    assert [value.hex() for value in found] == [value.hex() for value in expected]


def test_float32_rewards_have_seven_significant_digits(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(make_rows([0.1, 0.7, 1 / 3])).with_columns(pl.col("reward").cast(pl.Float32)).write_parquet(path)

    assert [r["reward"] for r in records(path)] == [0.1, 0.7, 0.3333333]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt32, pl.Int64, pl.Decimal(10, 2)])
def test_whole_and_decimal_rewards_become_floats(tmp_path: Path, dtype: pl.DataType) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(make_rows([1, 3])).with_columns(pl.col("reward").cast(dtype)).write_parquet(path)

    assert [r["reward"] for r in records(path)] == [1.0, 3.0]


def test_lower_is_better_prints_the_logged_unit_and_says_at_most(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(range(1, 11)), record__direction="lower")

    assert manifest.fit.comparator == "<="
    assert manifest.goal(manifest.inference_goal).text == "Generate a response with a score of at most 2."
    best = [row for row in examples(tmp_path / "out") if row["goal_index"] == manifest.inference_goal]
    assert [(row["row"], row["reward"], row["threshold"]) for row in best] == [(1, -1.0, 2.0), (2, -2.0, 2.0)]


def test_a_group_is_kept_as_text_and_falls_back_to_the_prompt_hash(tmp_path: Path) -> None:
    rows = [{**row, "task": None if i == 1 else i} for i, row in enumerate(make_rows([0.1, 0.2]))]

    first, second = records(write_jsonl(tmp_path / "log.jsonl", rows), record__map={"group": "task"})

    assert first["group"] == "0"
    assert second["group"] == second["prompt_hash"] != None  # noqa: E711


def test_two_logs_make_one_dataset(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", make_rows(TEN))
    second = tmp_path / "b.csv"
    pl.DataFrame(make_rows(TEN)).write_csv(second)

    manifest = expand(tmp_path / "out", second, first)

    assert [(log.uri, log.rows) for log in manifest.inputs] == [("a.jsonl", 10), ("b.csv", 10)]
    assert manifest.accounting.rows == 20
