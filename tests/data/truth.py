"""Goal sentences read back as people read them: is what they say true of a value?"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)"
SAYS: dict[str, Callable[..., bool]] = {
    rf"at least {NUMBER}": lambda value, low: value >= low,
    rf"at most {NUMBER}": lambda value, high: value <= high,
    rf"greater than {NUMBER}": lambda value, low: value > low,
    rf"less than {NUMBER}": lambda value, high: value < high,
    rf"between {NUMBER} and {NUMBER}": lambda value, low, high: low <= value <= high,
}
PATTERNS = [re.compile(pattern) for pattern in SAYS]
CLAIMS = list(SAYS.values())


def claims(goal: str) -> list[tuple[str, Callable[[Decimal], bool]]]:
    """Every claim in a goal with what it is about (the words before it): one, or one for each of several aspects."""
    sentences = [sentence for sentence in re.split(r"\.(?: |$)", goal) if sentence]
    return [_claim(sentence) for sentence in sentences]


def is_true(goal: str, values: Decimal | Mapping[str, Decimal]) -> bool:
    """Whether every claim holds; `values` by aspect, whose name stands in the words before its claim."""
    for words, holds in claims(goal):
        named = [value for name, value in values.items() if name in words] if isinstance(values, Mapping) else [values]
        (value,) = named
        if not holds(value):
            return False
    return True


def is_true_of_label(goal: str, label: str, order: Sequence[str]) -> bool:
    """Whether a label, as one of an order, is as good as the one that the goal asks for."""
    (asked,) = [word for word in order if f"at least {word}." in goal]
    return order.index(label) >= order.index(asked)


def _claim(sentence: str) -> tuple[str, Callable[[Decimal], bool]]:
    found = [
        (match, claim) for pattern, claim in zip(PATTERNS, CLAIMS, strict=True) if (match := pattern.search(sentence))
    ]
    ((match, claim),) = found
    numbers = [Decimal(text) for text in match.groups()]
    return sentence[: match.start()], lambda value: claim(value, *numbers)
