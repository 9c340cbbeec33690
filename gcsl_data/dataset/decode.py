"""JSON to frozen dataclasses and back, strictly, with the standard library alone.

A manifest may come from a stranger. A missing key, an unknown key, a wrong type or a duplicate key is an error that
names its place; nothing is coerced (except that JSON writes a whole float as `1` and so an int is taken for a float).
"""

import dataclasses
import json
import math
import re
import types
import typing
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # an escape that is half of a pair, or half of nothing


def parse(text: str | bytes) -> Any:
    """JSON text (UTF-8, no byte order mark) as Python values.

    A duplicate key, NaN, Infinity and an escaped half of a surrogate pair (which no UTF-8 can hold) are ValueError.
    """
    text = text.decode() if isinstance(text, bytes) else text
    value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)
    if _SURROGATE.search(text):
        canonical(value)
    return value


def canonical(value: Any) -> bytes:
    """The one byte string for a JSON value (sorted keys, no spaces, UTF-8): what hashes are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pretty(value: Any) -> bytes:
    """A JSON value as a file that people read: two spaces, keys in their own order, a final newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def encode(value: Any) -> Any:
    """A dataclass (nested ones too) as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any, *, at: str = "") -> T:
    """`value` (parsed JSON) as `kind`: a dataclass whose fields are dataclasses, tuples, dicts, unions or scalars.

    Raises ValueError with the place of the first thing that does not fit, for example `shards[2].rows`.
    """
    return typing.cast("T", _decode(kind, value, at))


def _decode(kind: Any, value: Any, at: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _decode_optional(args, value, at)
    if origin is Literal:
        if not any(value is arg or (type(value) is type(arg) and value == arg) for arg in args):
            raise ValueError(f"{at} must be one of {', '.join(map(repr, args))}, found {value!r}")
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, _expect(dict, value, at), at)
    if origin is tuple:
        return tuple(_decode(args[0], item, f"{at}[{i}]") for i, item in enumerate(_expect(list, value, at)))
    if origin is dict:
        return {key: _decode(args[1], item, f"{at}.{key}") for key, item in _expect(dict, value, at).items()}
    if kind is float and type(value) is int:
        return float(value)
    return _expect(kind, value, at)


def _decode_optional(args: tuple[Any, ...], value: Any, at: str) -> Any:
    if value is None and type(None) in args:
        return None
    (inner,) = (arg for arg in args if arg is not type(None))
    return _decode(inner, value, at)


def _decode_dataclass(kind: Any, value: dict[str, Any], at: str) -> Any:
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    place = f"{at}." if at else ""
    for name in names:
        if name not in value:
            raise ValueError(f"{place}{name} is missing")
    for name in value:
        if name not in names:
            raise ValueError(f"{place}{name} is not known in this format version")
    return kind(**{name: _decode(hints[name], value[name], place + name) for name in names})


def _expect(kind: type, value: Any, at: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{at or 'the document'} must be of type {kind.__name__}, found {type(value).__name__}")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return keys


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is not a number that fits")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
