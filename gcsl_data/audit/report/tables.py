"""Tables of numbers with a caption and headed rows and columns, and what the columns mean below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Generic, TypeVar, cast

from gcsl_data.audit.meanings import MEANINGS
from gcsl_data.audit.report.figures import Number, meanings, number
from gcsl_data.audit.report.html import Html, element, join

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Numbers(Generic[Row]):
    """A column of numbers, headed by the label of its meaning; `heading` says another one."""

    key: str
    of: Callable[[Row], Number | None]
    direction: str = "higher"
    heading: str | None = None


@dataclass(frozen=True, slots=True)
class Words(Generic[Row]):
    """A column of words."""

    heading: str
    of: Callable[[Row], str | None]


Column = Numbers[Row] | Words[Row]


def columns_of(at: str, kind: type[Row], *, without: Sequence[str] = ()) -> list[Column[Row]]:
    """A column for each number of a dataclass whose items stand at the dotted name `at`, in the order of its fields."""
    names = [field.name for field in fields(cast("Any", kind)) if f"{at}.{field.name}" in MEANINGS]
    return [Numbers(f"{at}.{name}", attrgetter(name)) for name in names if name not in without]


def table(caption: str, columns: Sequence[Column[Row]], rows: Sequence[Row]) -> Html:
    """A table whose first column heads its rows, and a fold that says what its numbers mean."""
    keys = list(dict.fromkeys(column.key for column in columns if isinstance(column, Numbers)))
    made = plain_table(
        caption, [_heading(column) for column in columns], [[_content(c, row) for c in columns] for row in rows]
    )
    return join(made, meanings(keys) if keys else None)


def plain_table(caption: str, headings: Sequence[Html], rows: Sequence[Sequence[str | None]]) -> Html:
    """Cells under their headings, in a frame that scrolls, by keyboard too; words stand left, numbers right."""
    words = ["words" if 'class="words"' in heading else None for heading in headings]
    lines = [
        [
            element("td" if at else "th", cell, scope=None if at else "row", class_=words[at])
            for at, cell in enumerate(row)
        ]
        for row in rows
    ]
    head = element("thead", element("tr", *headings))
    made = element(
        "table", element("caption", caption), head, element("tbody", *(element("tr", *line) for line in lines))
    )
    return element("div", made, class_="scroll", role="region", aria_label=caption, tabindex=0)


def heading(text: str, *, words: bool = False) -> Html:
    """The head of a column."""
    return element("th", text, scope="col", class_="words" if words else None)


def folded(summary: str, *children: Html) -> Html:
    """What a reader opens, by keyboard too."""
    return element("details", element("summary", summary), *children)


def _heading(column: Column[Row]) -> Html:
    if isinstance(column, Words):
        return heading(column.heading, words=True)
    return heading(column.heading or MEANINGS[column.key].label)


def _content(column: Column[Row], row: Row) -> str | None:
    if isinstance(column, Words):
        return column.of(row)
    return number(column.key, column.of(row), column.direction)
