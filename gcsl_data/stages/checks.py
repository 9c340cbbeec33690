"""Which records can be used: named rules as expressions. A record is rejected only for what makes it unusable.

Needs `fault`; adds `reject`: that, or the name of the first rule that a record breaks, or null. No row is dropped by that.
"""

from collections.abc import Callable, Sequence

import polars as pl

from gcsl_data.columns import ROLES, TIME
from gcsl_data.ingest.conversations import last_index_of_role
from gcsl_data.ingest.fault import DECODING_REASONS, EXCERPT_CHARACTERS, SHAPE_REASONS


def _is_blank(text: pl.Expr) -> pl.Expr:
    return text.is_null() | (text.str.strip_chars() == "")


def _breaks_turns(prompt: pl.Expr) -> pl.Expr:
    role, content = pl.element().struct.field("role"), pl.element().struct.field("content")
    bad = prompt.list.eval(~role.is_in(ROLES) | role.is_null() | content.is_null()).list.any()
    return prompt.is_null() | bad | last_index_of_role(prompt, "user").is_null()


def _blank_prompt(is_text: bool) -> pl.Expr:
    prompt = pl.col("prompt")
    if is_text:
        return _is_blank(prompt)
    asked = prompt.list.get(last_index_of_role(prompt, "user"), null_on_oob=True)
    return _is_blank(asked.struct.field("content"))


def _bad_messages(is_text: bool) -> pl.Expr:
    return pl.lit(False) if is_text else _breaks_turns(pl.col("prompt"))


def _has_nul(is_text: bool) -> pl.Expr:
    """Tokenizers and databases end a text at a NUL character, or refuse it."""
    return in_any_text(lambda text: text.str.contains("\0", literal=True), is_text=is_text)


def in_any_text(holds: Callable[[pl.Expr], pl.Expr], *, is_text: bool) -> pl.Expr:
    """Whether something holds of the prompt, of any message in it, or of the response."""
    prompt, content = pl.col("prompt"), pl.element().struct.field("content")
    asked = holds(prompt) if is_text else prompt.list.eval(holds(content)).list.any()
    return asked | holds(pl.col("response"))


REWARD_RULES: dict[str, Callable[[str], pl.Expr]] = {
    "null_reward": lambda name: pl.col(name).is_null(),
    "nonfinite_reward": lambda name: ~pl.col(name).is_finite(),
}

# Rule name -> maker of "this record breaks it" (given whether prompts are text). The name is the reason in
# rejects.jsonl, the manifest and the messages; the first one broken counts.
#
# Before them all comes `fault`: why a row could not be decoded, or its reward not be read.
RULES: dict[str, Callable[[bool], pl.Expr]] = {
    "bad_messages": _bad_messages,
    "empty_prompt": _blank_prompt,
    "empty_response": lambda _: _is_blank(pl.col("response")),
    "nul_in_text": _has_nul,
    "null_reward": lambda _: REWARD_RULES["null_reward"]("reward"),
    "nonfinite_reward": lambda _: REWARD_RULES["nonfinite_reward"]("reward"),
}
TIME_RULES: dict[str, Callable[[], pl.Expr]] = {"no_time": lambda: pl.col(TIME).is_null()}  # when time splits the log

REASONS = {
    **DECODING_REASONS,
    **SHAPE_REASONS,
    "bad_reward": "the reward is text that is no number (give --reward-order for labels)",
    "unknown_label": "the reward is a label that --reward-order does not have",
    "bad_messages": "the conversation has no user turn before the answer, no answer, an unknown role or a null content",
    "empty_prompt": "the prompt is missing or blank",
    "empty_response": "the response is missing or blank",
    "nul_in_text": "the prompt or the response holds a NUL character",
    "null_reward": "the reward is null",
    "nonfinite_reward": "the reward is NaN or infinite",
    "no_time": "the time is missing or cannot be read (ISO 8601 text is, such as 2026-03-01T08:00:00Z)",
}

# Reasons for which usable records are left out all the same, because of the log's shape or because somebody asked for it.
# They are counted as filtered, not as rejected: no limit applies to them, and they are not listed.
FILTERED = {
    "opening": "nothing was said, or chosen, before it",
    "short_history": "the user has fewer rows than --min-history",
    "control_tokens": "the prompt or the response holds a control token of a chat template",
    "too_long": "the prompt and the response together have more characters than --max-chars",
    "duplicate": "an earlier record has the same prompt, response and reward",
    "conflicting": "another record has the same prompt and response and another reward",
}

# What somebody says to leave such records out, where that can leave none.
ASKED_BY = {
    "short_history": "--min-history",
    "control_tokens": "--control-tokens reject",
    "too_long": "--max-chars",
    "conflicting": "--conflicts reject",
}


def flag_rejects(
    records: pl.LazyFrame, *, is_text: bool, aspects: Sequence[str] = (), needs_time: bool = False
) -> pl.LazyFrame:
    """The records with `reject` (String or null). NaN must not get past here: in Polars NaN >= 0.85 is true.

    A record with several rewards can be used when each of them can: `aspects` names their columns. With `needs_time`, a
    record without a readable time cannot.
    """
    rules = {name: rule(is_text) for name, rule in RULES.items()}
    for name in ("null_reward", "nonfinite_reward") if aspects else ():
        rules[name] = pl.any_horizontal(REWARD_RULES[name](aspect).fill_null(True) for aspect in aspects)
    rules |= {name: rule() for name, rule in TIME_RULES.items() if needs_time}
    broken = [pl.when(rule.fill_null(True)).then(pl.lit(name)) for name, rule in rules.items()]
    return records.with_columns(reject=pl.coalesce("fault", *broken))


def said_of_rejected(*, is_text: bool) -> pl.Expr:
    """How the prompt of a record begins, else its response."""
    prompt = pl.col("prompt") if is_text else pl.col("prompt").list.last().struct.field("content")
    said = pl.when(prompt.str.contains(r"\S")).then(prompt).otherwise("response")
    return said.str.slice(0, EXCERPT_CHARACTERS)


def is_rejected() -> pl.Expr:
    """Whether a flagged record cannot be used (and was not left out for another reason)."""
    return pl.col("reject").is_not_null() & ~pl.col("reject").is_in([*FILTERED])
