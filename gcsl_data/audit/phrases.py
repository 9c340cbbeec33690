"""What words beside a number claim: "greater than 0.85" claims `>`, "不低于 4" claims `>=`.

A small table of English, German and Chinese. It cannot know every wording: no phrase found means no claim known.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gcsl_data.fit import Comparator

# "better" depends on which way is better: `>` or `<`, and with "or" `>=` or `<=`.
_Claimed = Literal[">=", ">", "<=", "<", "better", "or better"]

BEFORE: dict[_Claimed, tuple[str, ...]] = {
    ">=": (
        "at least", "minimum", "minimum of", "equal or greater than", "equal to or greater than", "greater or equal to",
        "greater than or equal to", "higher than or equal to", "more than or equal to", "≥", ">=",
        "mindestens", "wenigstens", "größer oder gleich", "größer gleich",
        "至少", "大于等于", "大于或等于", "大於等於", "大於或等於",
    ),
    ">": (
        "greater than", "more than", "higher than", "larger than", "above", "over", "exceed", "exceeds", "exceeding", ">",
        "mehr als", "größer als", "höher als", "über", "大于", "超过", "高于", "多于", "大於", "超過", "高於", "多於",
    ),
    "<=": (
        "at most", "maximum", "maximum of", "up to", "equal or less than", "equal to or less than", "less or equal to",
        "less than or equal to", "lower than or equal to", "fewer than or equal to", "≤", "<=",
        "höchstens", "maximal", "kleiner oder gleich", "kleiner gleich", "至多", "最多", "小于等于", "小于或等于", "小於等於",
    ),
    "<": (
        "less than", "fewer than", "lower than", "smaller than", "below", "under", "<",
        "weniger als", "kleiner als", "niedriger als", "unter", "小于", "低于", "少于", "小於", "低於", "少於",
    ),
    "better": ("better than", "besser als", "优于", "優於"),
    "or better": (),
}  # fmt: skip
AFTER: dict[_Claimed, tuple[str, ...]] = {
    ">=": (
        "or more", "or higher", "or greater", "or larger", "or above", "or over", "and above", "and up",
        "oder mehr", "oder höher", "oder größer", "und mehr", "以上", "及以上", "或以上", "或更高",
    ),
    ">": (),
    "<=": (
        "or less", "or fewer", "or lower", "or smaller", "or below", "or under", "and below",
        "oder weniger", "oder niedriger", "oder kleiner", "以下", "及以下", "或以下", "或更低",
    ),
    "<": (),
    "better": (),
    "or better": ("or better", "oder besser", "或更好"),
}  # fmt: skip
_OPPOSITE: dict[Comparator, Comparator] = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
_NEGATED = re.compile(r"(?:\bnot?|\bnever|n't|\bnicht|\bnie)(?:\s+(?:be|to be|sein))?\s+\Z|不\Z", re.IGNORECASE)
_GAP = re.compile(r"[^\d.,;:!?。，；：！？\n]{0,24}")
_TOUCHING = 3  # letters between phrase and number: "of", "to", "a", "为"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a phrase says of the number beside it; `touching` when next to nothing stands between the two."""

    comparator: Comparator
    phrase: str
    touching: bool


def claims(text: str, number: str, *, better: Literal[">", "<"]) -> Iterator[Claim]:
    """The nearest phrase before and after each place where the text prints the number."""
    for place in occurrences(text, number):
        before, after = text[: place.start()], text[place.end() :]
        found = [m for m in _PATTERN_BEFORE.finditer(before) if _GAP.fullmatch(before[m.end() :])]
        if found:
            phrase = found[-1]
            comparator = _comparator(_WORDS_BEFORE[phrase.group().lower()], better)
            negated = _NEGATED.search(before[: phrase.start()])
            words = f"{negated.group().strip()} {phrase.group()}" if negated else phrase.group()
            touching = len(before[phrase.end() :].strip()) <= _TOUCHING
            yield Claim(_OPPOSITE[comparator] if negated else comparator, words, touching)
        phrase = _PATTERN_AFTER.search(after)
        belongs_to_next = phrase and re.match(r"\s*[-−]?\d", after[phrase.end() :])
        if phrase and not belongs_to_next and _GAP.fullmatch(after[: phrase.start()]):
            comparator = _comparator(_WORDS_AFTER[phrase.group().lower()], better)
            yield Claim(comparator, phrase.group(), len(after[: phrase.start()].strip()) <= _TOUCHING)


def occurrences(text: str, number: str) -> Iterator[re.Match[str]]:
    """Where the text prints exactly this number: not as a part of a longer one, and not with another sign."""
    for place in re.finditer(rf"(?<![\d.]){re.escape(number)}(?!\d|[.,]\d)", text):
        if not re.search(r"(?:^|[^\d\s])\s*[-−]\Z|^\s*[-−]\Z", text[: place.start()]):
            yield place


def _comparator(claimed: _Claimed, better: Literal[">", "<"]) -> Comparator:
    if claimed == "better":
        return better
    if claimed == "or better":
        return ">=" if better == ">" else "<="
    return claimed


def _words(table: dict[_Claimed, tuple[str, ...]]) -> dict[str, _Claimed]:
    return {phrase: claimed for claimed, phrases in table.items() for phrase in phrases}


def _pattern(phrases: dict[str, _Claimed]) -> re.Pattern[str]:
    """Longest first; words of letters with spaces end where the word ends, Chinese has no such border."""
    longest_first = sorted(phrases, key=len, reverse=True)
    is_latin = {phrase: phrase[0].isalpha() and phrase[0] < "\u2000" for phrase in phrases}
    bordered = (rf"\b{re.escape(p)}\b" if is_latin[p] else re.escape(p) for p in longest_first)
    return re.compile("|".join(bordered), re.IGNORECASE)


_WORDS_BEFORE, _WORDS_AFTER = _words(BEFORE), _words(AFTER)
_PATTERN_BEFORE, _PATTERN_AFTER = _pattern(_WORDS_BEFORE), _pattern(_WORDS_AFTER)
