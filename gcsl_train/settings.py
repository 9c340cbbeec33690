"""Settings as people write them: a TOML file with a table for each part, and PART.NAME=VALUE on the command line.

Names, shapes and types are checked here, values where the config is built.
"""

import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from gcsl_data.errors import InputError, UsageError, shown
from gcsl_train.errors import nearest

# Not valid TOML, a number of thousands of digits, brackets nested without end.
_UNREADABLE = (ValueError, RecursionError)


def read_toml(path: str, parts: Sequence[str], *, skipped: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The tables of a file by part, names with `_`, without those that are another program's.

    Raises InputError (66) for a file that cannot be read, UsageError (2) for one that is no TOML, unknown parts, parts that
    are no tables, and a setting that stands twice.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("GT6601", f"{path} cannot be read: {error.strerror}; give another --config") from None
    except _UNREADABLE as error:
        raise UsageError("GT0205", f"{path} is not valid TOML ({error})") from None
    return {part: _table(path, part, found, parts) for part, found in raw.items() if part not in skipped}


def assignment(text: str, parts: Sequence[str]) -> tuple[str, str, Any]:
    """Part, name and value of `PART.NAME=VALUE`; the value is a TOML value, or a word as it stands."""
    place, equals, value = text.partition("=")
    part, dot, name = place.strip().partition(".")
    if not (equals and dot and name):
        raise UsageError("GT0228", f"--set takes PART.NAME=VALUE, as in loss.beta=0.2, found {shown(text)}")
    if part not in parts:
        raise UsageError("GT0206", f"--set {text}: unknown part {part!r}; {nearest(part, list(parts))}")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except _UNREADABLE:
        parsed = {}
    whole = parsed.keys() == {"value"}  # anything else was not one value
    return part, name.replace("-", "_"), parsed["value"] if whole else value.strip()


def typed(value: Any, hint: Any, place: str) -> Any:
    """The value as the setting at `place` (PART.NAME) is declared. Raises UsageError (2) for one of another type."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UsageError("GT0208", f"{place} must be one of {', '.join(get_args(hint))}, found {value!r}")
        return value
    if get_origin(hint) is Mapping:  # what a loss takes is its own business, and checked when it is chosen
        return value
    if type(value) is int and abs(value) >= 2**63:
        raise UsageError("GT0208", f"{place} must be a number below 2^63, found {shown(value)}")
    if type(value) is str and "\0" in value:
        raise UsageError("GT0208", f"{place} must be text without null characters, found {shown(value)}")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UsageError("GT0208", f"{place} must be of type {hint.__name__}, found {value!r}")
    return value


def _table(path: str, part: str, found: Any, parts: Sequence[str]) -> dict[str, Any]:
    if part not in parts:
        raise UsageError("GT0206", f"{path}: unknown part [{part}]; {nearest(part, list(parts))}")
    if not isinstance(found, dict):
        raise UsageError("GT0208", f"{path}: {part} must be a table of settings, as in [{part}], found {shown(found)}")
    table = {name.replace("-", "_"): value for name, value in found.items()}
    if len(table) < len(found):
        twice = next(name for name in found if "-" in name and name.replace("-", "_") in found)
        raise UsageError("GT0205", f"{path}: {part}.{twice} stands there twice, with - and with _; keep one")
    return table
