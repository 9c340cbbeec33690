"""Gates: a condition means what Python would make of it, everything else is refused, and nothing is ever run."""

import contextlib
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gcsl_data.audit.gates import DEEPEST, MOST_CHARACTERS, Gate, numbers
from gcsl_data.errors import UsageError

STATS = {
    "name": "logs",
    "mean": 0.5,
    "bins": {"asked": 5, "effective": 3, "rows": [{"k": 1}], "merged": True},
    "goals": {"kept": 0, "top": {"share": 0.25}},
    "drift": None,
    "text": {"length_reward_corr": -0.4, "language": "en"},
}
NUMBERS = numbers(STATS)


def test_numbers_are_named_by_their_path() -> None:
    assert NUMBERS == {
        "mean": 0.5,
        "bins.asked": 5,
        "bins.effective": 3,
        "bins.merged": True,
        "goals.kept": 0,
        "goals.top.share": 0.25,
        "drift": None,
        "text.length_reward_corr": -0.4,
    }


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("bins.effective < 4", True),
        ("bins.effective<3", False),
        ("bins.effective == bins.asked", False),
        ("bins.effective != bins.asked", True),
        ("0 < goals.top.share <= 0.25", True),
        ("abs(text.length_reward_corr) > 0.3", True),
        ("-text.length_reward_corr > 0.5", False),
        ("bins.effective / bins.asked < 0.5 + 0.1 * 2", True),
        ("(bins.effective - 1) * 2 >= +4", True),
        ("not bins.effective < 4", False),
        ("bins.merged", True),
        ("bins.merged and not goals.kept > 0", True),
        ("bins.merged == true and false != true", True),
        ("goals.kept > 0 or mean > 0.4 and mean < 0.6", True),
        ("True", True),
        ("1e3 > 999.5", True),
    ],
)
def test_a_gate_means_what_it_says(text: str, holds: bool) -> None:
    assert Gate.parse(text).verdict(NUMBERS).is_met is holds


def test_the_verdict_shows_the_numbers() -> None:
    assert Gate.parse("bins.effective < 4").verdict(NUMBERS).words == "bins.effective < 4 is met: bins.effective = 3"
    words = Gate.parse(" mean > 1 or bins.merged ").verdict(NUMBERS).words
    assert words == "mean > 1 or bins.merged is met: mean = 0.5, bins.merged = true"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drift > 1", "drift has no value here"),
        ("drift.psi > 1", "drift.psi has no value here"),
        ("mean > 0 and drift.psi > 1", "drift.psi has no value here"),
        ("mean / goals.kept > 1", "divides by zero"),
        ("1 / 0 > 1", "divides by zero"),
        ("mean * (1" + "0" * 200 + " * 1" + "0" * 200 + ") > 1", "too large"),
    ],
)
def test_what_cannot_be_told_is_no_crash(text: str, words: str) -> None:
    verdict = Gate.parse(text).verdict(NUMBERS)
    assert verdict.is_met is None
    assert words in verdict.words


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bins.efective", "did you mean 'bins.effective'?"),
        ("effective", "did you mean 'bins.effective'?"),
        ("bins", "did you mean"),
        ("name", "did you mean 'mean'?"),
        ("bins.rows", "did you mean"),
        ("zzzzqqq", "known: mean"),
    ],
)
def test_a_name_with_a_typo_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="no number") as caught:
        Gate.parse(f"mean > 0 or {name} > 1").verdict(NUMBERS)
    assert hint in caught.value.message


OUTSIDE = [
    "", " ", "rewards", "1", "1 +", "mean +", "mean > ", "mean >> 2", "mean ** 2 > 1", "mean // 2 > 1", "mean % 2 > 1",
    "~mean > 1", "mean is 1", "mean in (1, 2)", "(1, 2) > 1", "[1] > 1", "{} > 1", "{1: 2} > 1", "mean > 'a'", "mean > 1j",
    "mean > b'a'", "__import__('os').system('true') > 1", "abs(mean, 1) > 1", "abs() > 1", "abs(x=mean) > 1",
    "abs(*mean) > 1", "abs.x > 1 and abs(abs)", "max(mean, 1) > 1", "mean.bit_length() > 1", "(lambda: 1)() > 1",
    "mean[0] > 1", "(mean := 1) > 1", "mean if 1 else 2 > 1", "f'{mean}' > 1", "[x for x in y] > 1", "mean > 1; mean > 2",
    "mean > 1\nmean > 2", "import os", "mean > ...", "mean > None", "await mean > 1", "(1).real > 1", "1 and mean > 1",
    "not (mean + 1)", "not 1", "mean > 1e999", "mean > " + "9" * 400, "mean = 1", "mean > 1 # \0", "\ud800 > 1", "mean",
    "(" * 90 + "mean" + ")" * 90 + "> 1" + " and ", "mean > 0x", "mean > 1_", "'mean' > 1", "not mean", "mean and mean > 1",
]  # fmt: skip


@pytest.mark.parametrize("text", OUTSIDE)
def test_everything_outside_the_language_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Gate.parse(text).verdict(NUMBERS)


@pytest.mark.parametrize(
    "text",
    [
        "mean > 1 " + "and mean > 1 " * 1000,
        "x" * 10_000,
        "not " * 100 + "mean > 1",
        "-" * 300 + "mean > 1",
        "(" * 240 + "mean > 1" + ")" * 240,
        "1+" * 200 + "1 > 1",
    ],
)
def test_a_gate_is_neither_long_nor_deep(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Gate.parse(text).verdict(NUMBERS)
    assert len(caught.value.message) <= 300


def test_what_is_not_too_deep_works() -> None:
    assert Gate.parse("not " * (DEEPEST - 2) + "mean > 1").verdict(NUMBERS).is_met is False


NAMES = {"a": 1, "b.c": -2.5, "b.d": 0, "e_1": 1e6}
terms = st.recursive(
    st.one_of(st.sampled_from(list(NAMES)), st.integers(0, 9).map(str), st.floats(0, 9).map(repr)),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join).map("({})".format),
        inner.map("abs({})".format),
        inner.map("-{}".format),
    ),
    max_leaves=6,
)
comparisons = st.tuples(terms, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), terms).map(" ".join)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join), inner.map("not ({})".format)
    ),
    max_leaves=4,
)


class _Dots:
    """What Python's own eval reads the names from."""

    c, d = NAMES["b.c"], NAMES["b.d"]


@given(conditions)
@example("1 / b.d > 0 and a > 0")
def test_a_gate_agrees_with_python(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        return
    try:
        expected: Any = eval(text, {"a": NAMES["a"], "b": _Dots, "e_1": NAMES["e_1"], "abs": abs})
    except ZeroDivisionError:
        expected = None

    assert Gate.parse(text).verdict(NAMES).is_met is expected


@given(st.text(st.sampled_from(string.printable + "é\0\ud800\u202e"), max_size=60))
def test_no_text_is_a_crash(text: str) -> None:
    with contextlib.suppress(UsageError):
        Gate.parse(text).verdict(NUMBERS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: st.dictionaries(st.text(), x)
    )
)
def test_numbers_of_any_object(document: Any) -> None:
    if isinstance(document, dict):
        assert all(value is None or isinstance(value, int | float) for value in numbers(document).values())


@pytest.mark.parametrize("text", ["1e308*10 - 1e308*10 < 5", "1e308*10 - 1e308*10 > 5", "x * 1e300 > 1"])
def test_a_number_that_has_no_end_cannot_be_told(text: str) -> None:
    assert Gate.parse(text).verdict({"x": 1e300}).is_met is None
