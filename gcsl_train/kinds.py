"""What a row of each kind of dataset holds for the trainer: which columns are answers, which are numbers of a loss.

One answer together with the row's prompt is one document. The documents of a row, or of all rows of a group, are one item,
which stands in one pack whole.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gcsl_data.dataset.manifest import Kind

_LARGEST = 3.4e38  # packs hold float32


def _fits(value: float) -> bool:
    return abs(value) <= _LARGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that a row carries for its loss; None as default: no row can do without it."""

    default: float | None = None
    holds: Callable[[float], bool] = _fits
    wanted: str = f"a finite number of at most {_LARGEST:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`answers` are columns with one answer, in the order of an item's documents; `several` is one with a list of them.

    `group` names the column whose equal values, in neighbouring rows, make one item.
    """

    answers: tuple[str, ...]
    several: str | None = None
    numbers: dict[str, Number]
    group: str | None = None

    @property
    def responses(self) -> tuple[str, ...]:
        """All columns that hold answers."""
        return self.answers if self.several is None else (*self.answers, self.several)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that no row can do without."""
        numbers = [name for name, number in self.numbers.items() if number.default is None]
        return ("id", "prompt", *self.responses, *numbers, *([self.group] if self.group else []))


_WEIGHT = Number(default=1.0)
_SMOOTHING = Number(default=0.0, holds=lambda v: 0.0 <= v < 0.5, wanted="from 0 to less than 0.5")
_LABEL = Number(holds=lambda v: v in (0.0, 1.0), wanted="true or false (1 or 0)")

LAYOUTS: dict[Kind, Layout] = {
    "examples": Layout(answers=("completion",), numbers={"weight": _WEIGHT}),
    "pairs": Layout(answers=("chosen", "rejected"), numbers={"weight": _WEIGHT, "smoothing": _SMOOTHING}),
    "multi-negative": Layout(answers=("chosen",), several="rejected", numbers={"weight": _WEIGHT}),
    "unpaired": Layout(answers=("completion",), numbers={"weight": _WEIGHT, "label": _LABEL}),
    "groups": Layout(answers=("completion",), numbers={"weight": _WEIGHT, "advantage": Number()}, group="group"),
}
