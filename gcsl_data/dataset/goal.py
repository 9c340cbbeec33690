"""Where a goal stands in a prompt: put it in, take it out, and nothing else. Standard library only.

Training data, inference and the goal-free reference all go through here, so a goal reads the same everywhere, byte for
byte. A prompt is text, or chat messages (`[{"role": ..., "content": ...}, ...]`); a placement is one of

    prefix   the goal, a blank line, then the last user turn (the default: it reads naturally before a task)
    suffix   the last user turn, a blank line, then the goal
    system   the goal as the system message, or before the existing one

`remove(place(prompt, goal), goal)` gives back `prompt` exactly.
Source: our choice; the paper shows no layout, and Quark puts its token before the prompt.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict, get_args, overload

Placement = Literal["prefix", "suffix", "system"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
BLANK_LINE = "\n\n"


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


Messages = Sequence[Message]


class Affix(NamedTuple):
    """What a goal adds to the text it stands in: `before + text + after`."""

    before: str
    after: str


def token(index: int) -> str:
    """The text of goal k where goals are special tokens."""
    return f"<|goal_{index}|>"


def affix(goal: str, placement: Placement) -> Affix:
    """The two strings that a goal adds to the turn it stands in.

    The data side concatenates these per row in Polars; everything else goes through `place`.
    """
    return Affix("", BLANK_LINE + goal) if placement == "suffix" else Affix(goal + BLANK_LINE, "")


@overload
def place(prompt: str, goal: str | None, placement: Placement) -> str: ...
@overload
def place(prompt: Messages, goal: str | None, placement: Placement) -> list[Message]: ...
def place(prompt: str | Messages, goal: str | None, placement: Placement) -> str | list[Message]:
    """The prompt with the goal in it; a goal of None leaves the prompt as it is.

    Raises ValueError for a conversation without a user turn and for a system goal in a plain-text prompt.
    """
    if isinstance(prompt, str):
        return prompt if goal is None else _wrap(prompt, affix(goal, _text_placement(placement)))
    messages: list[Message] = [Message(role=m["role"], content=m["content"]) for m in prompt]
    if goal is None:
        return messages
    if placement == "system" and not _starts_with_system(messages):
        return [Message(role="system", content=goal), *messages]
    at = _target(messages, placement)
    messages[at]["content"] = _wrap(messages[at]["content"], affix(goal, placement))
    return messages


@overload
def remove(prompt: str, goal: str | None, placement: Placement) -> str: ...
@overload
def remove(prompt: Messages, goal: str | None, placement: Placement) -> list[Message]: ...
def remove(prompt: str | Messages, goal: str | None, placement: Placement) -> str | list[Message]:
    """The prompt without its goal: the exact inverse of `place`.

    Raises ValueError when the goal does not stand where the placement says.
    """
    if isinstance(prompt, str):
        return prompt if goal is None else _unwrap(prompt, affix(goal, _text_placement(placement)))
    messages: list[Message] = [Message(role=m["role"], content=m["content"]) for m in prompt]
    if goal is None:
        return messages
    if placement == "system" and _starts_with_system(messages) and messages[0]["content"] == goal:
        return messages[1:]
    at = _target(messages, placement)
    messages[at]["content"] = _unwrap(messages[at]["content"], affix(goal, placement))
    return messages


def _target(messages: list[Message], placement: Placement) -> int:
    if placement == "system":
        return 0
    for at in reversed(range(len(messages))):
        if messages[at]["role"] == "user":
            return at
    raise ValueError("a conversation needs a user turn for the goal to stand in")


def _starts_with_system(messages: list[Message]) -> bool:
    return bool(messages) and messages[0]["role"] == "system"


def _text_placement(placement: Placement) -> Placement:
    if placement == "system":
        raise ValueError("a plain-text prompt has no system message; place the goal as prefix or suffix")
    return placement


def _wrap(text: str, around: Affix) -> str:
    return around.before + text + around.after


def _unwrap(text: str, around: Affix) -> str:
    if not (text.startswith(around.before) and text.endswith(around.after)):
        raise ValueError("the goal does not stand in this prompt where the placement says")
    return text[len(around.before) : len(text) - len(around.after)]
