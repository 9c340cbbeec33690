"""The truth rules in plain Python, straight from the design: slow, short, and written apart from the code they check."""

import hashlib
import math
from collections import Counter
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


def spread(rewards: Sequence[float], count: int) -> list[float]:
    """Rule 2 under ties "spread": a value too heavy for a bin is a threshold by itself; the rest fills the bins left."""
    if len(set(rewards)) <= count:
        return sorted(set(rewards))
    rest, bins_left, heavy = list(rewards), count, []
    while rest and bins_left > 1:
        value, records = min(Counter(rest).items(), key=lambda item: (-item[1], item[0]))
        if records <= len(rest) // bins_left:
            break
        heavy.append(value)
        rest, bins_left = [r for r in rest if r != value], bins_left - 1
    return sorted({*heavy, *(thresholds(rest, bins_left) if rest else ())})


def quark_levels(rewards: Sequence[float], count: int) -> list[int]:
    """Quark's bins by rank: a stable sort, best first, bins of N // K, the remainder in the worst one, which is level 1."""
    size = len(rewards) // count
    ranked = sorted(range(len(rewards)), key=lambda at: -rewards[at])
    levels = {at: count - min(rank // size, count - 1) for rank, at in enumerate(ranked)}
    return [levels[at] for at in range(len(rewards))]


def median(rewards: Sequence[float]) -> float:
    """The lower median: a reward that occurred."""
    return sorted(rewards)[(len(rewards) - 1) // 2]


def cut(rewards: Sequence[float], share: float) -> float:
    """The lowest reward of the best share; those that equal it stay as well."""
    return sorted(rewards)[len(rewards) - math.ceil(share * len(rewards))]


def split(prompt: str, shares: Sequence[float]) -> int:
    """Which split an ASCII prompt without runs of white space is in: 52 bits of its SHA-256 against the sums of shares."""
    place = int(hashlib.sha256(prompt.encode()).hexdigest()[:13], 16) / 16**13
    return sum(place >= sum(shares[: n + 1]) for n in range(len(shares) - 1))


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


def kept(
    edges: Sequence[float], rewards: Sequence[float], asked: str = "mean", *, midpoint: float | None = None
) -> list[int]:
    """Rule 4, before the rule for an empty choice; `midpoint` is that of the scale, in the unit of `reward`."""
    goals = range(1, len(edges) + 1)
    if asked == "none":
        return list(goals)
    if asked.startswith("top:"):
        return list(goals)[-int(asked.removeprefix("top:")) :]
    if asked[0].isdigit():
        return [k for k in goals if str(k) in asked.split(",")]
    line = {"mean": mean(rewards), "median": median(rewards), "midpoint": midpoint}[asked]
    slack = 1e-12 * max(abs(min(rewards)), abs(max(rewards)))
    return [k for k in goals if edges[k - 1] - line > slack]


def expand(
    rewards: Sequence[float], numbers: Sequence[Decimal], comparator: str, goals: Sequence[int]
) -> list[tuple[int, int]]:
    """Beyond expansion: (position of the record, goal) for every kept goal that the record reaches."""
    return [(at, k) for at, r in enumerate(rewards) for k in goals if k <= level(r, numbers, comparator)]


def text(number: Decimal) -> str:
    """A number as sentences have it: its digits, and no sign before zero."""
    digits = format(number, "f")
    return digits.removeprefix("-") if number == 0 else digits


def exact(edge: float, comparator: str) -> Decimal:
    """The number of an edge with all its digits and no more."""
    value = logged(edge, comparator)
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def printed(edges: Sequence[float], train: Sequence[float], comparator: str) -> list[Decimal]:
    """Rule 1: the number of each edge, as few digits as keep the bins."""
    decimals = auto_decimals(train, edges, comparator)
    return [exact(edge, comparator) if decimals is None else snapped(edge, comparator, decimals) for edge in edges]


Emitted = Counter[tuple[int, int | None, str | None]]


def emitted(
    formulation: str,
    log: Sequence[float],
    *,
    direction: str = "higher",
    in_train: Sequence[bool] | None = None,
    count: int = 5,
    ties: str = "merge",
    asked: str = "mean",
    share: float = 0.25,
) -> Emitted | None:
    """How often a formulation emits (row of the log from 1, goal_index, goal); None where the log gives too few thresholds.

    `log` has the rewards as logged. Sentences are those of the packaged templates; the fit is that of the train rows.
    """
    rewards = [r if direction == "higher" else (-r or 0.0) for r in log]
    train = [r for at, r in enumerate(rewards) if in_train is None or in_train[at]]
    comparator, word = (">=", "at least") if direction == "higher" else ("<=", "at most")
    rows: Emitted = Counter()
    if formulation == "sft":
        return Counter({(at, None, None): 1 for at, r in enumerate(rewards, start=1) if r >= cut(train, share)})
    if formulation == "reward-embedding":
        return Counter({(at, None, None): 1 for at, _ in enumerate(rewards, start=1)})
    if formulation == "ca":
        for at, reward in enumerate(log, start=1):
            number = text(Decimal(repr(reward)).quantize(Decimal("0.01"), rounding="ROUND_HALF_EVEN"))
            rows[at, None, f"Generate a response with a score of {number}."] = 1
        return rows
    edges = (spread if ties == "spread" else thresholds)(train, count) if train else []
    if len(edges) < 2:
        return None
    goals = kept(edges, train, asked) or [len(edges)]
    in_words = formulation in ("gcsl-bey-nl", "gcsl-bey-snl", "gcsl-nl")
    numbers = printed(edges, train, comparator) if in_words else [exact(edge, comparator) for edge in edges]
    for at, reward in enumerate(rewards, start=1):
        q = level(reward, numbers, comparator)
        if formulation == "gcsl" and q:
            rows[at, q, f"<|goal_{q}|>"] = 1
        if formulation == "gcsl-nl" and q:
            ends = sorted(numbers[q - 1 : q + 1])
            words = f"of {word} {text(ends[0])}" if len(ends) < 2 else f"between {text(ends[0])} and {text(ends[1])}"
            rows[at, q, f"Generate a response with a score {words}."] = 1
        for k in (k for k in goals if k <= q):
            number = text(numbers[k - 1])
            if formulation == "sft-aug":
                rows[at, None, None] += 1
            if formulation == "gcsl-bey":
                rows[at, k, f"<|goal_{k}|>"] = 1
            if formulation == "gcsl-bey-nl":
                rows[at, k, f"Generate a response with a score of {word} {number}."] = 1
            if formulation == "gcsl-bey-snl":
                rows[at, k, f"Target score: {word} {number}."] = 1
    return rows


def ladder(kept_of: Sequence[Sequence[Decimal]]) -> list[tuple[Decimal, ...]]:
    """Joint goals: goal j takes from each aspect its min(j, |H|)-th lowest kept number."""
    top = max(map(len, kept_of))
    return [tuple(numbers[min(j, len(numbers)) - 1] for numbers in kept_of) for j in range(1, top + 1)]


def significant(value: float, digits: int = 12) -> float:
    """A float rounded to so many significant decimal digits."""
    return float(f"{value:.{digits - 1}e}")
