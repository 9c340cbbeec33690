"""A row is rejected only for what makes it unusable, and every row is accounted for."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError

from .support import examples, expand, expand_rows, make_rows, plan_of, write_jsonl

USER = {"role": "user", "content": "Why?"}
SCHEMA = {
    "prompt": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
    "response": pl.String,
    "reward": pl.Float64,
}


def reasons(frame: pl.DataFrame, folder: Path) -> list[str | None]:
    frame.write_parquet(folder / "log.parquet")
    return plan_of(folder / "log.parquet")[0].records.collect()["reject"].to_list()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("p", "r", 1.0), None),
        (("p", "r", -math.inf), "nonfinite_reward"),
        (("p", "r", math.inf), "nonfinite_reward"),
        (("p", "r", math.nan), "nonfinite_reward"),
        (("p", "r", None), "null_reward"),
        (("p", None, 1.0), "empty_response"),
        (("p", " \t\n", 1.0), "empty_response"),
        (("p", "\u00a0\u2003", 1.0), "empty_response"),
        (("", "r", 1.0), "empty_prompt"),
        ((None, "r", 1.0), "empty_prompt"),
        (("", "", None), "empty_prompt"),
        (("0", "0", 0.0), None),
        (("\u200b", "r", 1.0), None),
        (("a\0", "r", 1.0), "nul_in_text"),
        (("p", "\0", 1.0), "nul_in_text"),
        (("p", "\0", None), "nul_in_text"),
        (("p\\0", "\\u0000", 1.0), None),
    ],
)
def test_a_text_row_is_rejected_for_the_first_rule_it_breaks(tmp_path: Path, row: tuple[Any, ...], reason: str) -> None:
    frame = pl.DataFrame([row], schema={**SCHEMA, "prompt": pl.String}, orient="row")

    assert reasons(frame, tmp_path) == [reason]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ([USER], None),
        ([{"role": "system", "content": ""}, USER], None),
        ([USER, {"role": "assistant", "content": "So."}, USER], None),
        ([USER, {"role": "tool", "content": "{}"}], None),
        ([{"role": "developer", "content": "x"}, USER], None),
        (None, "bad_messages"),
        ([], "bad_messages"),
        ([None], "bad_messages"),
        ([{"role": "system", "content": "x"}], "bad_messages"),
        ([{"role": "User", "content": "x"}], "bad_messages"),
        ([USER, {"role": None, "content": "x"}], "bad_messages"),
        ([USER, {"role": "assistant", "content": None}], "bad_messages"),
        ([{"role": "user", "content": None}], "bad_messages"),
        ([{"role": "user", "content": " "}], "empty_prompt"),
        ([USER, {"role": "user", "content": ""}], "empty_prompt"),
        ([{"role": "system", "content": "a\0b"}, USER], "nul_in_text"),
    ],
)
def test_a_conversation_needs_a_user_turn_and_known_roles(tmp_path: Path, prompt: Any, reason: str | None) -> None:
    frame = pl.DataFrame({"prompt": [prompt], "response": ["r"], "reward": [1.0]}, schema=SCHEMA)

    assert reasons(frame, tmp_path) == [reason]


@pytest.mark.parametrize("name", ["gain", "harm"])
@pytest.mark.parametrize(
    ("reward", "reason"),
    [(math.nan, "nonfinite_reward"), (math.inf, "nonfinite_reward"), (None, "null_reward"), (0.5, None)],
)
def test_a_row_is_rejected_for_any_of_its_rewards(
    tmp_path: Path, name: str, reward: float | None, reason: str | None
) -> None:
    row = {"prompt": "p", "response": "r", "gain": 1.0, "harm": 2.0, name: reward}
    schema = {"prompt": pl.String, "response": pl.String, "gain": pl.Float64, "harm": pl.Float64}
    pl.DataFrame([row], schema=schema).write_parquet(tmp_path / "log.parquet")

    plan, _ = plan_of(tmp_path / "log.parquet", record__rewards={"gain": "gain", "harm": "harm"})

    assert plan.records.collect()["reject"].to_list() == [reason]


def test_a_conversation_without_an_answer_is_rejected(tmp_path: Path) -> None:
    answered = [USER, {"role": "assistant", "content": "Because."}]
    rows = [{"messages": turns, "reward": 1.0} for turns in (answered, [USER], answered[1:])]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    found = plan_of(log, record__map={"messages": "messages"})[0].records.collect()

    assert found["reject"].to_list() == [None, "bad_messages", "bad_messages"]


def test_the_first_bad_row_stops_the_build_and_is_named(tmp_path: Path) -> None:
    rows = make_rows([0.1, 0.2, None, 0.4, None])

    with pytest.raises(DataError, match=r"log\.jsonl:3: the reward is null \(1 more rows.*--on-error quarantine"):
        expand_rows(tmp_path, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl"]


def test_quarantine_sets_rows_aside_and_writes_down_why(tmp_path: Path) -> None:
    rows = [*make_rows([i / 100 for i in range(200)]), {"prompt": "", "response": "r", "reward": 1.0}]
    rows[7]["reward"] = None

    manifest = expand_rows(tmp_path, rows, checks__on_error="quarantine")

    assert manifest.accounting.rejected == {"empty_prompt": 1, "null_reward": 1}
    assert manifest.inputs[0].rejected == manifest.accounting.rejected
    lines = (tmp_path / "out" / "_gcsl" / "rejects.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "log.jsonl", "row": 8, "reason": "null_reward", "excerpt": "Task 7"},
        {"source": "log.jsonl", "row": 201, "reason": "empty_prompt", "excerpt": "r"},
    ]
    assert not {8, 201} & {row["row"] for row in examples(tmp_path / "out")}


@pytest.mark.parametrize(("rate", "passes"), [(0.1, True), (0.0999, False), (0.0, False), (1.0, True)])
def test_quarantine_fails_above_the_reject_rate(tmp_path: Path, rate: float, passes: bool) -> None:
    rows = make_rows([*(i / 10 for i in range(18)), None, None])
    flags = {"checks__on_error": "quarantine", "checks__max_reject_rate": rate}

    if passes:
        assert expand_rows(tmp_path, rows, **flags).accounting.rejected == {"null_reward": 2}
    else:
        with pytest.raises(DataError, match="2 of 20 rows cannot be used"):
            expand_rows(tmp_path, rows, **flags)


def test_a_log_whose_every_row_is_rejected_is_an_error(tmp_path: Path) -> None:
    flags = {"checks__on_error": "quarantine", "checks__max_reject_rate": 1}

    with pytest.raises(DataError, match=r"none of 2 rows is left \(2 null_reward\)"):
        expand_rows(tmp_path, make_rows([None, None]), **flags)


def test_nan_in_parquet_never_counts_as_a_reward(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(make_rows([*(i / 10 for i in range(10)), math.nan])).write_parquet(path)

    flags = {"checks__on_error": "quarantine", "checks__max_reject_rate": 0.5}
    manifest = expand(tmp_path / "out", path, **flags)

    assert manifest.accounting.rejected == {"nonfinite_reward": 1}
    assert manifest.fit.maximum == 0.9
    assert manifest.fit.mean == 0.45


rows_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": st.sampled_from(["p", "q", "", " \n", None]),
            "response": st.sampled_from(["r", "s", "\t", None]),
            "reward": st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, None, math.nan, math.inf, -math.inf, -0.0]),
        }
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_any_kind, st.sampled_from([(), (0.5, 0.5)]))
def test_rows_are_used_rejected_or_filtered_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], shares: tuple[float, ...]
) -> None:
    def blank(text: str | None) -> bool:
        return text is None or not text.strip()

    folder = tmp_path_factory.mktemp("accounting")
    rows = [*rows, *({"prompt": f"x{i}", "response": "r", "reward": i / 8} for i in range(16))]
    schema = {"prompt": pl.String, "response": pl.String, "reward": pl.Float64}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "log.parquet")
    expected: dict[str, int] = {}
    for row in rows:
        reason = (
            "empty_prompt" if blank(row["prompt"])
            else "empty_response" if blank(row["response"])
            else "null_reward" if row["reward"] is None
            else None if math.isfinite(row["reward"])
            else "nonfinite_reward"
        )  # fmt: skip
        if reason:
            expected[reason] = expected.get(reason, 0) + 1

    flags = {"checks__on_error": "quarantine", "checks__max_reject_rate": 1, "splits__shares": shares}
    manifest = expand(folder / "out", folder / "log.parquet", **flags)

    account = manifest.accounting
    assert account.rows == len(rows) == manifest.inputs[0].rows
    assert account.rejected == expected
    assert account.rows == account.used + sum(account.rejected.values()) + sum(account.filtered.values())
    assert account.used == len({row["row"] for row in examples(folder / "out")})
    assert sum(split.records for split in manifest.splits) == account.rows - sum(expected.values())
