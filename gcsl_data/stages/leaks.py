"""What a text looks like that tells its own grade: a goal's sentence, or a score.

A pattern is made of a goal template's fixed words: every number in them stands for any number and the metric for any words,
so goals of an earlier expansion are found too. Patterns are for Polars (Rust's syntax).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from gcsl_data.errors import RecipeError
from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.template_syntax import form_of, parse, split_head
from gcsl_data.stages.templates import (
    COMPARATORS,
    GoalTemplate,
    load_template,
    packaged_templates,
    read_template,
    render_interval,
    render_threshold,
    render_value,
)

FEWEST_BYTES = 12  # of the letters in UTF-8: a sentence with fewer says too little ("Score: 4")
SCORE_WORDS = ("score", "rating", "reward", "grade")
TOKEN_GOAL = r"<\|goal_[0-9]+\|>"
_NUMBER = "[-+]?[0-9]+(?:[.,][0-9]+)?"
_METRIC = "\ue0f1"  # a private-use character, which no template holds
LONGEST_METRIC = 60  # characters; what is longer names no score in a text
_ANY_WORDS = rf"[^\n]{{1,{LONGEST_METRIC}}}?"
_PIECES = re.compile(rf"({_METRIC}|{_NUMBER})")
_RUNGS = 3


def leak_patterns(templates: Iterable[GoalTemplate] = (), metrics: Iterable[str] = ()) -> tuple[str, ...]:
    """The patterns of a leak: goals of the packaged templates and of these, special tokens, and scores.

    A score is a word for it (one of `SCORE_WORDS`, or a metric of these or of a template that has at most `LONGEST_METRIC`
    characters), `is`, `of`, `:`, `=` or nothing, and a number.
    """
    asked = tuple(templates)
    found = {pattern: None for template in (*asked, *_packaged()) for pattern in goal_patterns(template)}
    words = dict.fromkeys((*SCORE_WORDS, *metrics, *(template.metric for template in asked)))
    return (_any_of([TOKEN_GOAL, *found]), _score(word for word in words if len(word) <= LONGEST_METRIC))


def goal_patterns(template: GoalTemplate) -> tuple[str, ...]:
    """What the goals of a template look like, a pattern for each wording; none where fixed words are few."""
    marked = replace(template, metric=_METRIC, scale=template.scale or (0.0, 1.0))
    return tuple(dict.fromkeys(pattern for text in _wordings(marked) if (pattern := _pattern(text))))


def _wordings(template: GoalTemplate) -> Iterator[str]:
    """Sample goals: of the lowest, a middle and the best level, and with an open end where there is one."""
    for level in range(1, _RUNGS + 1):
        try:
            if template.form == "threshold":
                yield render_threshold(template, "0.5", level, _RUNGS)
            elif template.form == "value":
                yield render_value(template, "0.5")
            else:
                low, high = ((None, "0.5"), ("0.5", "0.6"), ("0.5", None))[level - 1]
                yield render_interval(template, low, high, level, _RUNGS)
        except RecipeError:  # an end that the template has no words for
            continue


def _pattern(text: str) -> str | None:
    pieces = _PIECES.split(text.strip())
    while pieces and pieces[0] in ("", _METRIC):  # a pattern that starts or ends with any words finds no more
        del pieces[0]
    while pieces and pieces[-1] in ("", _METRIC):
        del pieces[-1]
    fixed = [piece for piece in pieces if not _PIECES.fullmatch(piece)]
    letters = "".join(filter(str.isalpha, "".join(fixed)))
    if len(letters.encode()) < FEWEST_BYTES:
        return None
    return "".join(map(_as_pattern, pieces)).replace(f" a {_ANY_WORDS}", f" an? {_ANY_WORDS}")


def _as_pattern(piece: str) -> str:
    if piece == _METRIC:
        return _ANY_WORDS
    return _NUMBER if _PIECES.fullmatch(piece) else pl.escape_regex(piece)


def _score(words: Iterable[str]) -> str:
    """Word boundaries are those of ASCII, which are found ten times as fast; other letters have none."""
    named = [_edge(word[0]) + pl.escape_regex(word) + _edge(word[-1]) for word in words]
    return rf"(?i){_any_of(named)}[ \t]*(?:is|of|:|=)?[ \t]*{_NUMBER}(?-u:\b)"


def _edge(letter: str) -> str:
    return r"(?-u:\b)" if letter.isascii() and letter.isalnum() else ""


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


def _packaged() -> Iterator[GoalTemplate]:
    for asked in packaged_templates():
        name, text, _ = read_template(asked)
        head, _ = split_head(name, text)
        direction = "lower" if head.get("comparator") in COMPARATORS["lower"] else "higher"
        yield load_template(GoalsStage(template=asked), direction, form=form_of(parse(name, text)))
