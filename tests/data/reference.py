"""The truth rules in plain Python, straight from the design: slow, short, and written apart from the code they check."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

HOLDS = {
    ">=": lambda value, number: value >= number,
    ">": lambda value, number: value > number,
    "<=": lambda value, number: value <= number,
    "<": lambda value, number: value < number,
}


def thresholds(rewards: Sequence[float], count: int) -> list[float]:
    """Rule 2 under ties "merge": observed order statistics, remainder in the lowest bin."""
    distinct = sorted(set(rewards))
    if len(distinct) <= count:
        return distinct
    s, size = sorted(rewards), len(rewards) // count
    return sorted({s[0], *(s[len(s) - (count - k + 1) * size] for k in range(2, count + 1))})


def mean(rewards: Sequence[float]) -> float:
    """Rule 4: the correctly rounded sum, divided by the number of records."""
    return float(sum(map(Fraction, rewards))) / len(rewards)


def snapped(edge: float, comparator: str, decimals: int) -> Decimal:
    """Rule 1: the number printed for an edge (in the unit of `reward`), by integer arithmetic on exact fractions."""
    steps = Fraction(repr(edge)) * 10**decimals
    if comparator in ("<=", "<"):
        steps = -steps
    whole = {
        ">=": math.floor(steps),
        ">": math.ceil(steps) - 1,
        "<=": math.ceil(steps),
        "<": math.floor(steps) + 1,
    }[comparator]
    return Decimal(whole).scaleb(-decimals)


def logged(reward: float, comparator: str) -> Decimal:
    """The reward as the log had it, exactly as its shortest decimal form reads."""
    value = Decimal(repr(reward))
    return -value if comparator in ("<=", "<") else value


def level(reward: float, numbers: Sequence[Decimal], comparator: str) -> int:
    """How many printed numbers a reward reaches."""
    return sum(HOLDS[comparator](logged(reward, comparator), number) for number in numbers)


def auto_decimals(rewards: Sequence[float], edges: Sequence[float], comparator: str) -> int | None:
    """Rule 1, `decimals = "auto"`; None means exact."""
    needed = max(max(0, -Decimal(repr(reward)).normalize().as_tuple().exponent) for reward in rewards)
    exact = [sum(sum(r >= edge for edge in edges) == k for r in rewards) for k in range(1, len(edges) + 1)]
    for decimals in range(min(needed, 2), 7):
        numbers = [snapped(edge, comparator, decimals) for edge in edges]
        sizes = [sum(level(r, numbers, comparator) == k for r in rewards) for k in range(1, len(edges) + 1)]
        near = all(abs(a - b) <= max(1, 0.005 * len(rewards)) for a, b in zip(exact, sizes, strict=True))
        if near and len(set(numbers)) == len(numbers):
            return decimals
    return None


def kept(edges: Sequence[float], rewards: Sequence[float]) -> list[int]:
    """Rule 4, goal filter `mean`, before the rule for an empty choice."""
    slack = 1e-12 * max(abs(min(rewards)), abs(max(rewards)))
    return [k for k, edge in enumerate(edges, start=1) if edge - mean(rewards) > slack]


def expand(
    rewards: Sequence[float], numbers: Sequence[Decimal], comparator: str, goals: Sequence[int]
) -> list[tuple[int, int]]:
    """Beyond expansion: (position of the record, goal) for every kept goal that the record reaches."""
    return [(at, k) for at, r in enumerate(rewards) for k in goals if k <= level(r, numbers, comparator)]


def significant(value: float, digits: int = 12) -> float:
    """A float rounded to so many significant decimal digits."""
    return float(f"{value:.{digits - 1}e}")
