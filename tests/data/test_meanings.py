"""Every number of the audit is explained in a sentence, and no sentence is left over."""

import dataclasses
import types
import typing
from typing import Any

import pytest

from gcsl_data.audit.meanings import MEANINGS
from gcsl_data.audit.stats import Stats


def numbers(kind: Any, at: str = "") -> set[str]:
    """Dotted names of all numbers that a type may hold; items of tuples and dicts stand for themselves."""
    if kind in (int, float):
        return {at}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        fields = [field.name for field in dataclasses.fields(kind)]
        return set().union(*(numbers(hints[name], f"{at}.{name}".lstrip(".")) for name in fields))
    return set().union(*(numbers(part, at) for part in typing.get_args(kind) if part is not types.NoneType))


def test_every_number_of_the_stats_has_a_meaning_and_no_meaning_is_stale() -> None:
    found = numbers(Stats)

    assert {"rewards.most_frequent_share", "bins.rows.records", "bins.cut.value", "sources.rows.levels"} <= found
    assert set(MEANINGS) == found


@pytest.mark.parametrize("key", MEANINGS)
def test_meanings_are_short_plain_sentences(key: str) -> None:
    meaning = MEANINGS[key]

    for sentence in (meaning.says, meaning.worry or "Well."):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert len(sentence) <= 140
    assert 0 < len(meaning.label) <= 32
