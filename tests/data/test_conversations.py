"""Splitting conversations in an expression, against plain Python."""

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.columns import MESSAGES
from gcsl_data.ingest.conversations import last_index_of_role, split_conversation

roles = st.sampled_from(["system", "user", "assistant", "tool"])
turns = st.fixed_dictionaries({"role": roles, "content": st.text(max_size=3)})
chats = st.lists(st.lists(turns, max_size=6), min_size=1, max_size=8)


def frame_of(conversations: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({"m": conversations}, schema={"m": MESSAGES})


@given(chats, roles)
def test_the_last_turn_of_a_role_is_found(conversations: list[Any], role: str) -> None:
    found = frame_of(conversations).select(at=last_index_of_role(pl.col("m"), role))["at"].to_list()

    expected = [max((i for i, turn in enumerate(chat) if turn["role"] == role), default=None) for chat in conversations]
    assert found == expected


@given(chats)
def test_prompt_and_response_are_split_at_the_last_answer(conversations: list[Any]) -> None:
    prompt, response = split_conversation(pl.col("m"))

    found = frame_of(conversations).select(prompt=prompt, response=response).rows()

    for chat, (before, answer) in zip(conversations, found, strict=True):
        at = max((i for i, turn in enumerate(chat) if turn["role"] == "assistant"), default=None)
        assert before == (None if at is None else chat[:at])
        assert answer == (None if at is None else chat[at]["content"])
