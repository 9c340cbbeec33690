"""Numbers as people read them, with the exact value beside: `<data value="0.19909502262443438">19.9%</data>`."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from gcsl_data.audit.meanings import MEANINGS, Form
from gcsl_data.audit.report.html import Html, element, join, with_flags

Number = int | float


def as_text(value: Number, form: Form) -> str:
    """Shares as per cent, counts with their thousands apart, rewards with six significant digits, other numbers with four."""
    if form == "share":
        return f"{value:.1%}" if value == 0 or value >= 0.001 else "<0.1%"
    if form in ("count", "length"):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return f"{value + 0.0:.4g}" if form == "number" else f"{value + 0.0:.6g}"


def in_log(value: Number, direction: str) -> Number:
    """A reward in the log's own unit: where lower is better, `reward` holds the negated value."""
    return -value + 0.0 if direction == "lower" else value


def number(key: str, value: Number | None, direction: str = "higher") -> Html:
    """One number of the stats, by its dotted name; an en dash where there is none."""
    if value is None:
        return element("span", "–", class_="none")
    form = MEANINGS[key].form
    told = in_log(value, direction) if form == "reward" else value
    return element("data", as_text(told, form), value=repr(told), data_number=key)


def figure(key: str, value: Number | None, direction: str = "higher") -> Html:
    """A number with its name, what it means, and when to look closer."""
    meaning = MEANINGS[key]
    return element(
        "div",
        element("dt", meaning.label),
        element("dd", number(key, value, direction), class_="value"),
        _said(key),
    )


def numbers_of(at: str, section: Any) -> list[tuple[str, Number | None]]:
    """The numbers of a section that stands at the dotted name `at`, in the order of its fields."""
    found = [(f"{at}.{field.name}", getattr(section, field.name)) for field in fields(section)]
    return [(key, value) for key, value in found if key in MEANINGS and isinstance(value, int | float)]


def figures(values: Sequence[tuple[str, Number | None]], direction: str = "higher") -> Html:
    """Several numbers side by side; those that do not exist here are left out."""
    shown = [figure(key, value, direction) for key, value in values if value is not None]
    return element("dl", *shown, class_="figures") if shown else Html()


def meanings(keys: Sequence[str], *, summary: str = "What these columns say") -> Html:
    """What the columns of a table mean."""
    entries = [element("div", element("dt", MEANINGS[key].label), _said(key)) for key in keys]
    listed = element("dl", *entries, class_="meanings")
    return element("details", element("summary", summary), listed, class_="columns")


def _said(key: str) -> Html:
    meaning = MEANINGS[key]
    worry = (
        element("dd", element("b", "Look closer when:"), " ", with_flags(_inside(meaning.worry)), class_="worry")
        if meaning.worry
        else None
    )
    return join(element("dd", with_flags(meaning.says), class_="says"), worry)


def _inside(sentence: str) -> str:
    """A sentence that goes on after a colon."""
    return sentence[0].lower() + sentence[1:]
