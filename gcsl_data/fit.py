"""The fit: every number that had to be measured before a record could be labelled, frozen. Standard library only.

It is taken from the train split alone, stands in the manifest and in `_gcsl/fit.json`, and labels tomorrow's log exactly
as it labelled today's. Floats carry their hexadecimal form beside the decimal one, so nothing is lost in JSON.
"""

from dataclasses import dataclass
from typing import Literal

Comparator = Literal[">=", ">", "<=", "<"]
Direction = Literal["higher", "lower"]
Ties = Literal["merge", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The lower edge of one bin, and what the train split looks like between it and the next.

    `edge` is exact and in the unit of the `reward` column (higher is better); `printed` is the number that the goal
    sentence prints, in the log's own unit, and the one that records are labelled with. `records` have exactly this
    level, `reached` at least this level; `mean_reward` is that of `records` (null when there are none).
    """

    index: int
    edge: float
    edge_hex: str
    printed: str
    records: int
    reached: int
    mean_reward: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What was learned from the train split: K asked, K effective (`len(thresholds)`), mean, decimals.

    `decimals` is the number of digits after the point in every printed number; null means each number is written
    out exactly. `distinct` counts different rewards.
    """

    split: str
    records: int
    distinct: int
    mean: float
    mean_hex: str
    minimum: float
    maximum: float
    direction: Direction
    comparator: Comparator
    decimals: int | None
    ties: Ties
    bins_asked: int
    thresholds: tuple[Threshold, ...]

    @property
    def sign(self) -> int:
        """+1 when a higher logged value is better, -1 when a lower one is (then `reward` holds the negated value)."""
        return 1 if self.direction == "higher" else -1
