"""One line of JSON lines, read by Python's own decoder, which says what is wrong with it."""

import json
import re
from collections import Counter
from typing import Any

from gcsl_data.errors import shown
from gcsl_data.ingest.fault import Fault, fault_in

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
MAX_INTEGER = 2**127 - 1
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


class _FaultyError(ValueError):
    """A line that cannot be used: the reason's name and more in words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def examined(line: bytes, number: int, start: int) -> Fault | dict[str, Any]:
    """What is wrong with a line, else its object."""
    if len(line) > MAX_LINE_BYTES + 1:
        return fault_in(line, "line_too_long", f"more than {MAX_LINE_BYTES} bytes", line=number, byte=start)
    try:
        text = line.decode("utf-8")
        value = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite_float,
            parse_int=_readable_integer,
            object_pairs_hook=_unique_keys,
        )
        if not isinstance(value, dict):
            raise _FaultyError("not_object", f"found {shown(value)}")
        _check_texts(value)
    except _FaultyError as error:
        reason, detail, at = error.reason, str(error), start
    except UnicodeDecodeError as error:
        reason, detail, at = "bad_utf8", f"byte {line[error.start]:#04x}", start + error.start
    except RecursionError:
        reason, detail, at = "too_deep", f"more than {MAX_DEPTH} levels", start
    except ValueError as error:
        reason, detail, at = "bad_json", str(error), start
    else:
        return value
    return fault_in(line, reason, detail, line=number, byte=at)


def _no_constant(name: str) -> None:
    raise _FaultyError("nonfinite_number", f"found {name}")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _FaultyError("nonfinite_number", f"found {text}")
    return value


def _readable_integer(text: str) -> int:
    if len(text) > 40 or abs(int(text)) > MAX_INTEGER:
        raise _FaultyError("nonfinite_number", f"found {shown(text)}")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        twice = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise _FaultyError("duplicate_key", f"key {shown(twice)}")
    return keys


def _check_texts(value: Any, depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise _FaultyError("too_deep", f"more than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if _HALF_SURROGATE.search(value):
            raise _FaultyError("bad_unicode", "half of a surrogate pair")
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key, depth + 1)
            _check_texts(item, depth + 1)
