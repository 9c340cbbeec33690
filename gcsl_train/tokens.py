"""Text to token ids: prompt and completion apart, exactly as inference sees them, and log text never as structure.

A prompt goes through the chat template with its generation prompt; a completion is the answer's text followed by the tokens
that the template writes to end an assistant turn (supervised, so the model learns to stop). The two are encoded apart and
concatenated: at inference the prompt's last token is also a seam, so nothing merges over it.

Structure is the tokenizer's business alone. The list of added tokens, special or not, is what control ids are made of; when
a log's text contains one of them ("<|im_start|>", "<think>"), that text is encoded as the ordinary characters it is. The
token of a goal is structure where the goal stands, and only there.
"""

import json
import re
from typing import Any

from gcsl_data.dataset.goal import Message, Messages, place, remove
from gcsl_data.dataset.manifest import Format
from gcsl_data.errors import DataError, UsageError, shown
from gcsl_train.goal_tokens import GoalTokens

_PRIVATE_USE = range(0xE000, 0xF900)


class Encoder:
    """Prompt and completion ids for one tokenizer and one dataset format; `goals` are those that are tokens, if any are."""

    def __init__(self, tokenizer: Any, format: Format, *, goals: GoalTokens | None = None) -> None:
        from tokenizers import Tokenizer

        if not getattr(tokenizer, "is_fast", False):
            raise UsageError("GT0209", "this model has no fast tokenizer (tokenizer.json); choose another --model")
        if format == "messages" and not tokenizer.chat_template:
            raise DataError(
                "GT6506", "the dataset holds chat messages but the tokenizer has no chat template; use --format text"
            )
        self.tokenizer, self.goals, self._format = tokenizer, goals, format
        source = tokenizer.backend_tokenizer.to_str()
        self._normal = _unpadded(Tokenizer.from_str(source))
        self._structural = _structural_ids(tokenizer)
        self._unknown = tokenizer.unk_token_id if _makes_unknown(source) else None
        self._plain = _unpadded(Tokenizer.from_str(_without_added_tokens(source, self._structural)))
        self.end_ids = self._end_of_answer()

    def prompt(self, prompt: str | Messages, goal: str | None = None) -> list[int]:
        """The ids of a prompt, ready to be answered. `goal` is what it asks for, if that is a token, which is in it already.

        Raises DataError (65) when the chat template refuses the prompt, and when the goal is not in its place.
        """
        if self.goals is not None and goal is not None:
            return self._with_goal(prompt, goal, self.goals)
        if isinstance(prompt, str):
            return [*self._first_ids(), *self._as_text(prompt)]
        messages, stand_ins = self._shielded(prompt)
        return self._encoded(self._template(messages, generation_prompt=True), stand_ins)

    def completion(self, completion: str | Messages) -> list[int]:
        """The ids of an answer, up to and including the end of its turn. Raises DataError (65) for several messages."""
        if not isinstance(completion, str):
            if len(completion) != 1 or completion[0]["role"] != "assistant":
                raise DataError("GT6507", f"a completion is one assistant message, found {shown(completion)}")
            completion = completion[0]["content"]
        return [*self._as_text(completion), *self.end_ids]

    def stop_ids(self, named: int | list[int] | None) -> list[int]:
        """What ends an answer: the token that training ended answers with, the tokenizer's own, and those a model names."""
        own = named if isinstance(named, list) else [named]
        return sorted({i for i in [self.end_ids[-1], self.tokenizer.eos_token_id, *own] if i is not None})

    def is_structural(self, token_id: int) -> bool:
        """Whether an id belongs to the template, so that no log text may become it."""
        return token_id in self._structural and token_id != self._unknown

    def _as_text(self, text: str) -> list[int]:
        ids = self._plain.encode(text, add_special_tokens=False).ids
        spelled = self._unknown in ids and self.tokenizer.unk_token in text
        if not spelled and not any(map(self.is_structural, ids)):
            return ids
        # Some vocabularies spell a control token in one piece; single characters never do.
        ids = [i for character in text for i in self._plain.encode(character, add_special_tokens=False).ids]
        if any(map(self.is_structural, ids)):
            raise DataError(
                "GT6508", f"this text cannot be kept apart from control tokens: {shown(text)}; drop the row"
            )
        return ids

    def _with_goal(self, prompt: str | Messages, goal: str, goals: GoalTokens) -> list[int]:
        """The ids of a prompt whose goal is one of the tokens: taken out, and put back when no other text can become it."""
        if goal not in goals.texts:
            raise DataError(
                "GT6527", f"the goal {shown(goal)} is not one of {', '.join(goals.texts)}; build the dataset again"
            )
        try:
            bare = remove(prompt, goal, goals.placement)
        except ValueError as error:
            raise DataError("GT6528", f"{error}; build the dataset again") from None
        if isinstance(bare, str):
            [message], stand_ins = self._shielded([Message(role="user", content=bare)])
            text = place(message["content"], goal, goals.placement)
            ids = [*self._first_ids(), *self._encoded(text, stand_ins)]
        else:
            messages, stand_ins = self._shielded(bare)
            placed = place(messages, goal, goals.placement)
            ids = self._encoded(self._template(placed, generation_prompt=True), stand_ins)
        if sum(i in goals.ids for i in ids) != 1:
            raise DataError("GT6529", f"the chat template does not write the goal {goal} once; choose another --model")
        return ids

    def _shielded(self, prompt: Messages) -> tuple[list[Message], dict[str, str]]:
        """The messages with a private character for each control token in their text, and what each stands for."""
        messages = [Message(role=m["role"], content=m["content"]) for m in prompt]
        free = (chr(c) for c in _PRIVATE_USE if not any(chr(c) in m["role"] + m["content"] for m in messages))
        stand_ins: dict[str, str] = {}

        def shield(text: str) -> str:
            for piece in self._control_texts(text):
                mark = next((m for m, p in stand_ins.items() if p == piece), "") or next(free, "")
                if not mark:
                    raise DataError("GT6508", f"no private character is left to stand for {shown(piece)}; drop the row")
                stand_ins[mark] = piece
                text = text.replace(piece, mark)
            return text

        return [Message(role=shield(m["role"]), content=shield(m["content"])) for m in messages], stand_ins

    def _encoded(self, text: str, stand_ins: dict[str, str]) -> list[int]:
        """The ids of a text that may hold structure; what its private characters stand for is encoded as text."""
        if not stand_ins:
            return self._normal.encode(text, add_special_tokens=False).ids
        ids: list[int] = []
        for part in re.split(f"([{''.join(stand_ins)}])", text):
            if part in stand_ins:
                ids += self._as_text(stand_ins[part])
            elif part:
                ids += self._normal.encode(part, add_special_tokens=False).ids
        return ids

    def _control_texts(self, text: str) -> list[str]:
        """The pieces of `text` that would become control ids, longest first."""
        encoding = self._normal.encode(text, add_special_tokens=False)
        if self._structural.isdisjoint(encoding.ids):
            return []
        spans = [(i, o) for i, o in zip(encoding.ids, encoding.offsets, strict=True) if i in self._structural]
        # A character that the vocabulary lacks becomes the unknown token too, and is no control text.
        pieces = {text[a:b] for i, (a, b) in spans if i != self._unknown or text[a:b] == self.tokenizer.unk_token}
        return sorted(pieces - {""}, key=len, reverse=True)

    def _template(self, messages: list[Message], *, generation_prompt: bool) -> str:
        try:
            return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation_prompt)
        except MemoryError:
            raise
        except Exception as error:  # a template is a program of its own: it fails in any way there is
            roles = ", ".join(m["role"] for m in messages)
            what = f"with the roles {roles}" if messages else "without a message"
            raise DataError("GT6509", f"the chat template refuses a prompt {what}: {error}") from None

    def _first_ids(self) -> list[int]:
        """What this tokenizer puts before plain text: its beginning-of-text token, or nothing."""
        ids = self.tokenizer("a", verbose=False)["input_ids"]
        bos = self.tokenizer.bos_token_id
        return [bos] if bos is not None and ids[:1] == [bos] else []

    def _end_of_answer(self) -> list[int]:
        """What ends an answer: the template's tokens after an assistant message up to the first control id, or eos."""
        if self._format == "messages":
            mark = chr(_PRIVATE_USE[0])
            turns = [Message(role="user", content="x"), Message(role="assistant", content=mark)]
            tail = self._template(turns, generation_prompt=False).rpartition(mark)[2]
            ids = self._normal.encode(tail, add_special_tokens=False).ids
            for at, token_id in enumerate(ids):
                if token_id in self._structural:
                    return ids[: at + 1]
        if self.tokenizer.eos_token_id is None:
            raise DataError("GT6510", "the tokenizer names no end-of-text token, so answers would never end")
        return [self.tokenizer.eos_token_id]


def _structural_ids(tokenizer: Any) -> frozenset[int]:
    """Added and special token ids, without runs of white space (some vocabularies have those)."""
    ids = set(tokenizer.all_special_ids)
    ids |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.content.replace("▁", " ").strip()}
    return frozenset(ids)


def _makes_unknown(source: str) -> bool:
    """Whether the vocabulary gives the unknown token to characters that it lacks; for bytes there are none."""
    model = json.loads(source)["model"]
    return model.get("unk_token") is not None or model.get("unk_id") is not None


def _without_added_tokens(source: str, structural: frozenset[int]) -> str:
    """The same tokenizer, blind to control tokens; added white-space runs stay when the vocabulary itself has them."""
    spec = json.loads(source)
    vocabulary = spec["model"].get("vocab", {})
    known = set(vocabulary) if isinstance(vocabulary, dict) else {entry[0] for entry in vocabulary}
    spec["added_tokens"] = [t for t in spec["added_tokens"] if t["id"] not in structural and t["content"] in known]
    spec["post_processor"] = None
    return json.dumps(spec)


def _unpadded(tokenizer: Any) -> Any:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
