"""Elements as text, so that nothing from a log can become one.

`element` escapes every child and attribute that is not `Html`, and only this package makes `Html`. Control codes and
directional overrides are shown as U+FFFD.
"""

import re
from html import escape

from gcsl_data.errors import without_controls

LONGEST_TEXT = 2000
LONGEST_NAME = 160
VOID = frozenset({"meta", "br"})
_NO_TEXT = re.compile(r"[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")  # half a pair, and what is never a character
_FLAG = re.compile(r"(--[a-z][a-z-]*)")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | None


def element(tag: str, /, *children: Child, **attributes: str | int | None) -> Html:
    """`<tag attributes>children</tag>`; `class_` stands for `class`, `_` for `-`; None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """Children one after the other, escaped where they are not markup."""
    return Html("".join(_markup(child) for child in children if child is not None))


def visible(text: str) -> str:
    """`text` with its lines and tabs, but with U+FFFD for each control code."""
    plain = text.replace("\r\n", "\n")
    return _NO_TEXT.sub("�", "\n".join(without_controls(line) for line in plain.split("\n")))


def cut(text: str) -> Html:
    """A text of a log in a block of its own, at most 2,000 characters of it; what is missing is said."""
    shown = element("pre", text[:LONGEST_TEXT], dir="auto")
    if len(text) <= LONGEST_TEXT:
        return shown
    note = f"The first {LONGEST_TEXT:,} of {len(text):,} characters."
    return join(shown, element("p", note, class_="note"))


def name(text: str) -> Html:
    """A name out of a log or a recipe, kept apart from the direction in which the sentence around it is read."""
    return element("bdi", text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…")


def with_flags(sentence: str) -> Html:
    """A sentence in which `--flag value` is not torn apart at its hyphens."""
    return join(*(element("code", part) if place % 2 else part for place, part in enumerate(_FLAG.split(sentence))))


def _markup(child: str) -> str:
    return child if isinstance(child, Html) else escape(visible(child))
