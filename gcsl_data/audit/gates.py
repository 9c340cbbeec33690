"""Gates: conditions over the numbers of `stats` under which `check` fails, in a small language of their own.

    bins.effective < 4 or goals.kept == 0
    abs(text.length_reward_corr) > 0.3
    accounting.used / accounting.rows < 0.5

Names, numbers, true and false, + - * /, abs(), comparisons (also chained), and, or, not, parentheses; nothing else.
Python's parser reads a gate, an allow-list of its nodes takes it over, and nothing is ever handed to eval.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gcsl_data.errors import UsageError, nearest, shown

MOST_CHARACTERS = 500
DEEPEST = 30
Number = float | int | bool | None

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_COMPUTE: dict[type[ast.operator], Callable[[Any, Any], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a gate is met, which fails the check; None when that cannot be told. `words` has the numbers that made it so.

    `without` are its names that have no value here.
    """

    is_met: bool | None
    words: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition, as it was written and as it was understood; `names` in the order in which they stand."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Gate":
        """Raises UsageError (2), naming what is not understood, for anything outside the language."""
        if len(text) > MOST_CHARACTERS:
            raise UsageError(
                "GD0291",
                f"a gate has at most {MOST_CHARACTERS} characters, {shown(text)} has {len(text):,}; make two of it",
            )
        try:
            with warnings.catch_warnings(action="ignore"):  # Python's doubts about `1 is 2` and the like
                tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _refused(text, "expected a comparison such as bins.effective < 4") from None
        if not _is_condition(tree):
            raise _refused(
                text, "it is true or false of nothing; compare it with something, such as bins.effective < 4"
            )
        return cls(text.strip(), tree, tuple(dict.fromkeys(_names(tree, text, 0))))

    def verdict(self, numbers: Mapping[str, Number]) -> Verdict:
        """Whether the gate is met by these numbers; raises UsageError (2) for a name that they do not have."""
        values = {name: _value(name, numbers) for name in self.names}
        told = ", ".join(f"{name} = {_shown(value)}" for name, value in values.items())
        if empty := [name for name, value in values.items() if value is None]:
            words = f"{self.text} cannot be told: {empty[0]} has no value here ({told})"
            return Verdict(None, words, tuple(empty))
        try:
            is_met = _truth(self.tree, values, self.text)
        except ZeroDivisionError:
            return Verdict(None, f"{self.text} cannot be told: it divides by zero ({told})")
        except OverflowError:
            return Verdict(None, f"{self.text} cannot be told: a number in it is too large ({told})")
        return Verdict(is_met, f"{self.text} {'is met' if is_met else 'is not met'}: {told or 'it has no names'}")


def numbers(document: Mapping[str, Any]) -> dict[str, Number]:
    """The numbers, booleans and nulls of a JSON object by their path with dots; texts and lists have no name."""
    return dict(_flat(document, ""))


def _flat(document: Mapping[str, Any], at: str) -> Iterator[tuple[str, Number]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}{key}.")
        elif value is None or isinstance(value, bool | int | float):
            yield f"{at}{key}", value


def _value(name: str, numbers: Mapping[str, Number]) -> Number:
    """A number by its name; null where the part that it stands in is null."""
    if name in numbers:
        return numbers[name]
    parts = name.split(".")
    if any(numbers.get(".".join(parts[:end]), 0) is None for end in range(1, len(parts))):
        return None
    raise UsageError("GD0292", f"no number {name!r} in the stats; {_hint(name, numbers)}")


def _hint(name: str, numbers: Mapping[str, Number]) -> str:
    """The nearest name by all of it, else by its last part, which people remember best."""
    last = name.rsplit(".", 1)[-1]
    same = [known for known in numbers if known.rsplit(".", 1)[-1] == last]
    return f"did you mean {same[0]!r}?" if same else nearest(name, numbers)


def _refused(text: str, why: str) -> UsageError:
    return UsageError("GD0293", f"the gate {shown(text, limit=80)} is not understood: {why}")


def _is_condition(node: ast.expr) -> bool:
    """Whether a node can be true or false by itself; a name may be, which is known only once it has a value."""
    is_not = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    is_truth = isinstance(node, ast.Constant) and isinstance(node.value, bool)
    return is_not or is_truth or isinstance(node, ast.BoolOp | ast.Compare | ast.Name | ast.Attribute)


def _names(node: ast.expr, text: str, depth: int) -> Iterator[str]:
    """The names in an expression that is in the language; raises UsageError (2) for any node that is not."""
    if depth > DEEPEST:
        raise _refused(text, f"it is nested more than {DEEPEST} deep")
    match node:
        case ast.Constant(value=bool() | int() | float()) if not math.isfinite(_as_float(node.value)):
            raise _refused(text, "a number in it is too large")
        case ast.Constant(value=bool() | int() | float()):
            return
        case ast.Name(id="true" | "false"):
            return
        case ast.Name() | ast.Attribute():
            yield _path(node, text)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=inner):
            yield from _names(inner, text, depth + 1)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            yield from _names(left, text, depth + 1)
            yield from _names(right, text, depth + 1)
        case ast.BoolOp(values=values):
            for value in values:
                if not _is_condition(value):
                    raise _refused(text, "and, or and not go between comparisons")
                yield from _names(value, text, depth + 1)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            for value in (left, *others):
                yield from _names(value, text, depth + 1)
        case ast.Call(func=ast.Name(id="abs"), args=[inner], keywords=[]) if not isinstance(inner, ast.Starred):
            yield from _names(inner, text, depth + 1)
        case _:
            piece = ast.get_source_segment(text.strip(), node) or text
            raise _refused(
                text,
                f"{shown(piece)} is not of the language (names, numbers, + - * /, abs(), < <= > >= == !=, and or not)",
            )


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _path(node: ast.expr, text: str) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise _refused(text, "a name is words with dots, such as bins.effective")
    return ".".join([node.id, *reversed(parts)])


def _truth(node: ast.expr, values: Mapping[str, Number], text: str) -> bool:
    value = _evaluated(node, values, text)
    if not isinstance(value, bool):
        raise _refused(text, f"{shown(ast.unparse(node))} is a number, not true or false")
    return value


def _evaluated(node: ast.expr, values: Mapping[str, Number], text: str) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id="true" | "false"):
            return node.id == "true"
        case ast.Name() | ast.Attribute():
            return values[_path(node, text)]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _truth(inner, values, text)
        case ast.UnaryOp(op=op, operand=inner):
            value = _evaluated(inner, values, text)
            return -value if isinstance(op, ast.USub) else +value
        case ast.BinOp(left=left, op=op, right=right):
            result = _COMPUTE[type(op)](_evaluated(left, values, text), _evaluated(right, values, text))
            if not math.isfinite(result):  # a comparison with NaN is false whatever it says
                raise OverflowError
            return result
        case ast.BoolOp(op=op, values=parts):
            combine = all if isinstance(op, ast.And) else any
            return combine(_truth(part, values, text) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=others):
            terms = [_evaluated(part, values, text) for part in (left, *others)]
            return all(_COMPARE[type(op)](a, b) for op, a, b in zip(ops, terms, terms[1:], strict=False))
        case ast.Call(args=[inner]):
            return abs(_evaluated(inner, values, text))
    raise AssertionError(f"{ast.dump(node)} was taken into the language and is not evaluated")


def _shown(value: Number) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
