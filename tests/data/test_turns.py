"""Conversations whose answers are records, against a plain reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError

from .support import records, write_jsonl

tried = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
turns = st.none() | st.fixed_dictionaries(
    {
        "who": st.none() | st.sampled_from(["ann", "bob", "user", "assistant", "system", "tool", "rules"]),
        "said": st.none() | st.sampled_from(["", " ", "a", "b"]),
        "grade": st.none() | st.integers(0, 5),
    }
)
conversations = st.none() | st.lists(turns, max_size=6)
WHOLE = [{"who": "user", "said": "x", "grade": None}, {"who": "ann", "said": "y", "grade": 1}]
ROLES = ("system", "developer", "user", "assistant", "tool")


def seen(turn: dict[str, Any] | None, speaker: str, system: list[str]) -> dict[str, Any]:
    """A turn as the one who answers sees it."""
    role, content = (turn or {}).get("who"), (turn or {}).get("said")
    if role is None:
        return {"role": None, "content": content}
    kept = role in ("system", "developer", "tool")
    as_seen = "assistant" if role == speaker else "system" if role in system else role if kept else "user"
    return {"role": as_seen, "content": content}


def judged(prompt: list[dict[str, Any]] | None, response: str | None, reward: Any) -> str | None:
    """Why an answer cannot be used, in the order of the rules."""
    if prompt is not None and all(message["role"] in ("system", "developer") for message in prompt):
        return "opening"
    asked = [message["content"] for message in prompt or () if message["role"] == "user"]
    if not asked or any(message["role"] not in ROLES or message["content"] is None for message in prompt or ()):
        return "bad_messages"
    if not asked[-1].strip():
        return "empty_prompt"
    if not (response or "").strip():
        return "empty_response"
    return "null_reward" if reward is None else None


def expected(log: list[Any], answers: list[str], system: list[str], *, last: bool) -> Iterator[tuple[Any, ...]]:
    for number, said in enumerate(log, start=1):
        at = [n for n, turn in enumerate(said or ()) if turn and turn["who"] in answers]
        for place in at[-1:] if last else at:
            turn = said[place]
            prompt = [seen(before, turn["who"], system) for before in said[:place]]
            yield number, place, judged(prompt, turn["said"], turn["grade"]), prompt, turn["said"], turn["grade"]
        if not at:
            yield number, 0, "bad_messages", None, None, None


@tried
@given(
    st.lists(conversations, max_size=4),
    st.lists(st.sampled_from(["ann", "bob", "assistant", "user"]), min_size=1, max_size=3, unique=True),
    st.sampled_from([["system"], ["rules", "system"], []]),
    st.booleans(),
    st.sampled_from(["jsonl", "parquet"]),
)
def test_every_answer_is_a_record(
    tmp_path: Path, log: list[Any], answers: list[str], system: list[str], last: bool, form: str
) -> None:
    log = [WHOLE, *log]
    path = tmp_path / f"log.{form}"
    if form == "jsonl":
        write_jsonl(path, [{"talk": said} for said in log])
    else:
        pl.DataFrame({"talk": log}).write_parquet(path)
    shape = {"messages": "talk", "role": "who", "content": "said", "answers": answers, "system": system}

    found = records(
        path, shape__turns=shape | {"which": "last" if last else "all"}, record__map={"reward": "turn.grade"}
    )

    assert found == [*expected(log, answers, system, last=last)]


@tried
@given(st.lists(st.none() | st.lists(conversations, max_size=3), max_size=3))
def test_conversations_inside_rows_have_parts_of_their_own(tmp_path: Path, log: list[Any]) -> None:
    log = [[WHOLE], *log]
    path = write_jsonl(tmp_path / "log.jsonl", [{"days": days and [{"talk": said} for said in days]} for days in log])
    shape = {"messages": "talk", "role": "who", "content": "said", "answers": "ann,bob"}

    found = records(path, shape__records="days", shape__turns=shape, record__map={"reward": "turn.grade"})

    said = []
    for number, days in enumerate(log, start=1):
        inner = [*expected(days or [None], ["ann", "bob"], ["system"], last=False)]
        said += [(number, part, *rest) for part, (_, _, *rest) in enumerate(inner)]
    assert found == said


def test_roles_may_be_numbers_or_labels(tmp_path: Path) -> None:
    said = [{"role": 0, "content": "q"}, {"role": 1, "content": "a"}]
    path = write_jsonl(tmp_path / "log.jsonl", [{"m": said, "reward": 1}])
    kind = pl.List(pl.Struct({"role": pl.Enum(["user", "assistant"]), "content": pl.Categorical}))
    labels = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    pl.DataFrame({"m": [labels], "reward": [1]}, schema_overrides={"m": kind}).write_ipc(tmp_path / "log.arrow")

    expected = [(1, 1, None, [{"role": "user", "content": "q"}], "a", 1.0)]
    assert records(path, shape__turns={"messages": "m", "answers": "1"}) == expected
    assert records(tmp_path / "log.arrow", shape__turns={"messages": "m"}) == expected


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([], "GD1240"),
        ("text", "GD1240"),
        (["text"], "GD1240"),
        ([{"role": "user"}], "GD1241"),
        ([{"role": "user", "content": ["parts"]}], "GD1249"),
        ([{"role": "user", "content": {"text": "x"}}], "GD1249"),
        ([{"role": {"name": "user"}, "content": "x"}], "GD1249"),
        ([{"role": 1, "content": "x"}, {"role": [1], "content": "x"}], "GD1215"),
    ],
)
def test_what_is_no_conversation_is_refused(tmp_path: Path, messages: Any, code: str) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [{"m": messages, "reward": 1}] * 2)

    with pytest.raises(DataError, match=code):
        records(path, shape__turns={"messages": "m"})


def test_a_field_of_several_types_that_no_record_needs_is_no_trouble(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "q", "meta": 1}, {"role": "assistant", "content": "a", "meta": [1]}]
    path = write_jsonl(tmp_path / "log.jsonl", [{"m": said, "reward": 1}])

    assert [reject for _, _, reject, *_ in records(path, shape__turns={"messages": "m"})] == [None]
    with pytest.raises(DataError, match="GD1215"):
        records(path, shape__turns={"messages": "m"}, record__map={"reward": "turn.meta"})
