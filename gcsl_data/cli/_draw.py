"""Bars and tables of plain characters, for 80 columns. Cells are Text, never markup."""

import textwrap
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcsl_data.errors import one_line, without_controls

BAR_WIDTH = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int = BAR_WIDTH) -> str:
    """A bar that is full at 1."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8].strip() if eighths % 8 else "")


def sparkline(counts: Sequence[int]) -> str:
    """A column for each count, the largest the highest; a space for none."""
    largest = max(counts, default=0) or 1
    return "".join(_HEIGHTS[min(7, 8 * count // largest)] if count else " " for count in counts)


def table(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> Table:
    """Columns by name, each "left" or "right". Cells are one line each; a first column of words gives way in 80 columns."""
    made = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    for at, (name, side) in enumerate(columns.items()):
        least = None if at == 0 and side == "left" else max([len(name), *(cell_len(row[at]) for row in rows)])
        made.add_column(name, justify="left" if side == "left" else "right", no_wrap=True, min_width=least)
    for row in rows:
        made.add_row(*(Text(one_line(cell, limit=200)) for cell in row))
    return made


def print_line(console: Console, line: str) -> None:
    """One line; what does not fit goes on below the text, which an indented line has behind a name of ten characters."""
    indent = " " * (12 if line.startswith("  ") else 2)
    print("\n".join(textwrap.wrap(without_controls(line), console.width, subsequent_indent=indent)))


def print_sentence(console: Console, sentence: str, *, indent: str = "") -> None:
    """Words in as many lines as they need, the first one behind `indent`, further ones behind two spaces."""
    lines = textwrap.wrap(one_line(sentence, limit=1000), console.width, initial_indent=indent, subsequent_indent="  ")
    print("\n".join(lines))


def print_table(console: Console, shown: Table) -> None:
    """A table without the spaces that fill its lines."""
    with console.capture() as capture:
        console.print(shown)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))
