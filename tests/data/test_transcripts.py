"""Conversations that are written as one text, against a plain reference that reads them from left to right."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError, UsageError

from .support import records, write_jsonl

tried = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MARKERS = [("\n\nHuman:", "\n\nAssistant:"), ("A:", "BA:"), ("AB", "ABC"), ("a", "u"), ("$1", "\\"), ("[U]", "[U].*")]
Piece = tuple[str, str]


def pieces(text: str, user: str, assistant: str) -> tuple[str, list[Piece]]:
    """What stands before the first marker, and each turn as (whose, text after its marker)."""
    longest_first = "|".join(map(re.escape, sorted((user, assistant), key=len, reverse=True)))
    preface, *rest = re.split(f"({longest_first})", text)
    return preface, list(zip(rest[::2], rest[1::2], strict=True))


def parsed(
    texts: Sequence[str | None], user: str, assistant: str
) -> list[tuple[list[dict[str, str]] | None, str | None]]:
    """Prompt and response of each transcript of a row; the answers begin where the one with the fewest has its last."""
    read = [None if text is None or "\0" in text else pieces(text, user, assistant) for text in texts]
    places = [[n for n, (who, _) in enumerate(one[1]) if who == assistant] for one in read if one]
    fewest = min(map(len, places), default=0)
    found = []
    for text, one in zip(texts, read, strict=True):
        if text is not None and one is None:
            found.append(([{"role": "user", "content": text}], text))
            continue
        if one is None or fewest == 0:
            found.append((None, None))
            continue
        preface, turns = one
        start = [n for n, (who, _) in enumerate(turns) if who == assistant][fewest - 1]
        prompt = [
            {"role": "assistant" if who == assistant else "user", "content": said.strip()}
            for who, said in turns[:start]
        ]
        if preface.strip():
            prompt.insert(0, {"role": "system", "content": preface.strip()})
        response = "".join(who + said for who, said in turns[start:]).removeprefix(assistant).removeprefix(" ")
        found.append((prompt, response))
    return found


def judged(prompt: list[dict[str, str]] | None, response: str | None) -> str | None:
    asked = [message["content"] for message in prompt or () if message["role"] == "user"]
    if not asked:
        return "bad_messages"
    if not asked[-1].strip():
        return "empty_prompt"
    if not (response or "").strip():
        return "empty_response"
    return "nul_in_text" if "\0" in "".join(m["content"] for m in prompt or ()) + (response or "") else None


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, str, list[tuple[str | None, str | None]]]:
    user, assistant = draw(st.sampled_from(MARKERS).flatmap(st.permutations))
    part = st.sampled_from([user, assistant, user, assistant, " ", "x", " y z", "\0", "\0a", "A", "é"])
    text = st.none() | st.lists(part, max_size=8).map("".join)
    shared = st.lists(st.sampled_from([user, assistant, " x"]), max_size=4).map("".join)
    pair = st.tuples(shared, text, text).map(lambda p: (p[1] and p[0] + p[1], p[2] and p[0] + p[2]))
    return user, assistant, draw(st.lists(pair, min_size=1, max_size=4))


@tried
@given(logs())
def test_transcripts_are_taken_apart_as_a_reader_does(tmp_path: Path, log: tuple[str, str, list[Any]]) -> None:
    user, assistant, pairs = log
    rows = [{"good one": good, "bad": bad} for good, bad in [("x", "y"), *pairs]]
    path = write_jsonl(tmp_path / "log.jsonl", rows)

    found = records(
        path,
        shape__transcripts={"columns": ["good one", "bad"], "user": user, "assistant": assistant},
        shape__variants={
            name: {"prompt": f'"{name}".prompt', "response": f'"{name}".response', "reward": reward}
            for name, reward in (("good one", "1"), ("bad", "0"))
        },
    )

    expected = [
        (number, part, judged(prompt, response), prompt, response, float(part == 0))
        for number, row in enumerate(rows, start=1)
        for part, (prompt, response) in enumerate(parsed([row["good one"], row["bad"]], user, assistant))
    ]
    assert found == expected


@pytest.mark.parametrize(("value", "columns"), [([1], "log"), (1, "log"), ("x", "lg")])
def test_a_transcript_is_a_column_of_text(tmp_path: Path, value: Any, columns: str) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [{"log": value, "reward": 1}])

    with pytest.raises(DataError, match="GD1245"):
        records(path, shape__transcripts={"columns": columns, "user": "U:", "assistant": "A:"})


@pytest.mark.parametrize("markers", [("X", "X"), ("", "A")])
def test_markers_tell_turns_apart(tmp_path: Path, markers: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="GD0202"):
        records(tmp_path, shape__transcripts={"columns": "log", "user": markers[0], "assistant": markers[1]})
