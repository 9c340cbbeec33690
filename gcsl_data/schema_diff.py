"""What a reader of one JSON Schema would miss under another.

A reader takes the fields that it knows and leaves the others. So a field that came is no break; one that went is, and so is
one that may now be absent, or hold what it could not before: another type, null, one more listed value, a wider bound. What
became narrower is no break, unless nothing but null is left of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gcsl_data.errors import DataError, one_line, shown
from gcsl_data.schema_shape import ANYTHING, Document, Inside, Kind, Node, Schema, Shape

MAX_FIELDS = 100_000  # by references, a document of thirty lines can name 2**30 fields
MAX_DEPTH = 200
_AT_LEAST = {"minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"}
_AT_MOST = {"maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"}
_NOTHING = Inside(named={}, always=frozenset(), rest=None, closed=True)
_FEW = 8  # listed values that a line can show
_PLAIN = re.compile(r"[^\s.\[\]*\"]+")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `field` with dots, [] for list items and * for any name; what it was and is; `breaking` for readers."""

    field: str
    before: str | None
    after: str | None
    breaking: bool


@dataclass(frozen=True, slots=True)
class _Pair:
    """One field of both documents, None where it does not stand; `optional` before and after: it may be absent.

    `around` are the pairs that it stands in: one of them once more would say nothing new.
    """

    field: str
    before: Node | None
    after: Node | None
    optional: tuple[bool, bool]
    around: tuple[tuple[int, int], ...]


def diff(before: Schema, after: Schema, *, names: tuple[str, str] = ("BEFORE", "AFTER")) -> list[Change]:
    """What changed from one JSON Schema (2020-12) to the other, by field, sorted.

    Raises DataError (65), with the document's name, for a reference that leads nowhere or out of the document, for a keyword
    that cannot be compared, and for more than `MAX_FIELDS` fields or `MAX_DEPTH` levels.
    """
    limits = f"{MAX_FIELDS} fields or {MAX_DEPTH} levels"
    too_much = DataError("GD6563", f"{names[0]} and {names[1]} have more than {limits}; compare parts of them")
    old, new = Document(before, names[0]), Document(after, names[1])
    changes: list[Change] = []
    num_fields = 0
    try:
        waiting = [_Pair("", old.root, new.root, (False, False), ())]
        while waiting:
            pair = waiting.pop()
            was = None if pair.before is None else old.shape(pair.before)
            now = None if pair.after is None else new.shape(pair.after)
            changes += _change(pair, was, now)
            here = (id(pair.before), id(pair.after))
            if was is None or now is None or here in pair.around or ANYTHING in {*was.kinds, *now.kinds}:
                continue
            for field, stood, stands, optional in _within(was, now, new.node(True)):
                waiting.append(_Pair(pair.field + field, stood, stands, optional, (*pair.around, here)))
                num_fields += 1
                if num_fields > MAX_FIELDS or len(pair.around) > MAX_DEPTH:
                    raise too_much
    except RecursionError:  # of a listed value
        raise too_much from None
    return sorted(changes, key=lambda change: change.field)


def _within(
    was: Shape, now: Shape, anything: Node
) -> Iterator[tuple[str, Node | None, Node | None, tuple[bool, bool]]]:
    """What stands in an object or an array, by the end of its name."""
    for kind, old in was.inside.items():
        new = now.inside.get(kind, _NOTHING)
        for label in dict.fromkeys([*old.named, *new.named]):
            stands = new.named.get(label, new.rest if isinstance(label, int) else None)
            optional = (label not in old.always, label not in new.always)
            yield _end(label), old.named.get(label, old.rest), stands, optional
        others = new.rest if new.rest is not None or new.closed or old.rest is None else anything
        all_named = new.closed and new.named  # each was compared with what the others could be
        if (old.rest is not None or others is not None) and not (others is None and all_named):
            yield ".*" if kind == "object" else "[]", old.rest, others, (True, True)


def _end(label: str | int) -> str:
    if isinstance(label, int):
        return f"[{label}]"
    return f".{label if _PLAIN.fullmatch(label) else shown(label)}"


def _change(pair: _Pair, was: Shape | None, now: Shape | None) -> list[Change]:
    """The difference of the field itself, whatever stands in it."""
    field = pair.field.removeprefix(".") or "(document)"
    if was is None or now is None:
        texts = [shape and _text(shape.kinds, {}) for shape in (was, now)]
        return [Change(field, *texts, breaking=now is None)] if was or now else []
    stays_optional = pair.optional[0] == pair.optional[1]
    if was.kinds == now.kinds and stays_optional:
        return []
    texts = [_text(was.kinds, now.kinds), _text(now.kinds, was.kinds)]
    if not stays_optional:
        texts[1 if pair.optional[1] else 0] += " or absent"
    goes_absent = not pair.optional[0] and pair.optional[1]
    is_lost = now.kinds.keys() <= {"null"} and not was.kinds.keys() <= {"null"}
    return [Change(field, *texts, breaking=goes_absent or is_lost or not _covers(was.kinds, now.kinds))]


def _covers(was: Mapping[str, Kind], now: Mapping[str, Kind]) -> bool:
    """Whether whatever a value may be now, it could be before."""
    for kind, new in now.items():
        pools = [was[wider] for wider in (kind, ANYTHING, "number") if wider in was and _holds(wider, kind)]
        ranges = [bounds for pool in pools for bounds in pool.ranges]
        listed = frozenset[str]().union(*[pool.values for pool in pools])
        if {} not in ranges and not new.values <= listed:
            return False
        if not all(any(_is_wider(old, bounds) for old in ranges) for bounds in new.ranges):
            return False
    return True


def _holds(wider: str, kind: str) -> bool:
    return wider in (kind, ANYTHING) or (wider, kind) == ("number", "integer")


def _is_wider(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether what keeps the new bounds keeps the old ones."""
    return all(key in new and _is_as_wide(key, bound, new[key]) for key, bound in old.items())


def _is_as_wide(key: str, old: Any, new: Any) -> bool:
    if key in _AT_LEAST:
        return old <= new
    return old >= new if key in _AT_MOST else old == new


def _text(kinds: Mapping[str, Kind], other: Mapping[str, Kind]) -> str:
    """The types with their bounds, or the listed values; of many only those that the other side lacks."""
    words = []
    for name in sorted(kinds, key=lambda name: (name == "null", name)):
        values = kinds[name].values
        if len(values) > _FEW and name in other:
            values = values - other[name].values
            words += ["…"]
        words += [one_line(value, limit=60) for value in sorted(values)]
        for bounds in kinds[name].ranges:
            limits = ", ".join(f"{key} {shown(bound)}" for key, bound in bounds.items())
            words.append(f"{name}({limits})" if limits else name)
    return "|".join(words) or "nothing"
