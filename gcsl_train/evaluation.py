"""What `evaluate` finds, and how it is printed."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The loss of some records under one goal (None: under no goal): mean of -log p over the tokens of their answers.

    Where goals are rewards, `reward` is the one asked for, in the log's own unit, and `asked` is None.
    """

    asked: int | None
    level: int
    records: int
    tokens: int
    loss: float
    reward: float | None = None

    @property
    def head(self) -> str:
        """What was asked for, in a word or two."""
        return name_of(self.asked, self.reward)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """The same answers, those of the highest level, under the lowest and the highest goal; `gap` is lowest minus highest."""

    level: int
    records: int
    lowest: float
    highest: float
    gap: float

    @property
    def shown(self) -> str:
        """The gap for people, with its sign; what rounds to 0 has a plus."""
        return f"{round(self.gap, 4) + 0.0:+.4f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The loss of one goal over the records that reach it; `index` is None for records under no goal, all of them.

    Where goals are rewards, `reward` is the one asked for, in the log's own unit, of all records too.
    """

    index: int | None
    text: str | None
    records: int
    loss: float
    reward: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model makes of a split. `scores` has every goal and level, `goals` the loss by goal; no swap below two goals."""

    split: str
    records: int
    dropped: int
    scores: tuple[Score, ...]
    goals: tuple[Goal, ...]
    swap: Swap | None


def as_text(found: Evaluation) -> str:
    """The evaluation as a table for people: a row for each level of answers, best first, a column for each goal asked for."""
    heads = list(dict.fromkeys(score.head for score in found.scores))
    levels = sorted({score.level for score in found.scores}, reverse=True)
    by_place = {(score.level, score.head): score for score in found.scores}
    wide = max(10, *(len(head) + 2 for head in heads))
    lines = [f"{'answers':<10}{'records':>8}" + "".join(f"{head:>{wide}}" for head in heads)]
    for level in levels:
        row = [by_place[level, head] for head in heads]
        lines.append(
            f"{f'level {level}':<10}{row[0].records:>8}" + "".join(f"{score.loss:>{wide}.4f}" for score in row)
        )
    text = f"loss of {found.records} records of {found.split}, by what the answers are and what was asked for"
    text += f" ({found.dropped} too long)\n" if found.dropped else "\n"
    text += "\n".join(lines) + "\n"
    if found.swap:
        s = found.swap
        under = f"the loss {s.lowest:.4f} under the lowest goal, {s.highest:.4f} under the highest"
        text += f"goal swap  {s.shown}: the {s.records} answers of level {s.level} have {under}\n"
    return text


def as_json(found: Evaluation) -> str:
    """The evaluation as one JSON object."""
    return json.dumps(dataclasses.asdict(found), ensure_ascii=False)


def name_of(index: int | None, reward: float | None) -> str:
    """A goal in a word or two; both None: no goal."""
    if reward is not None:
        return f"reward {reward:.3g}"
    return "none" if index is None else f"goal {index}"
