"""How two datasets differ, for people: a section per part of the manifest, in 80 columns."""

import json
import re
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from gcsl_data.audit.diff import Difference
from gcsl_data.errors import one_line

WIDTH = 80
_NAME_WIDTH = 28
_SHA256 = re.compile(r"[0-9a-f]{64}")


def show_differences(differences: Sequence[Difference]) -> None:
    """Every difference as `name  before -> after`; long values on lines of their own, `-` the old and `+` the new."""
    for section, found in groupby(differences, key=lambda difference: difference.section):
        print(section)
        for difference in found:
            print("\n".join(_lines(difference)))


def _lines(difference: Difference) -> list[str]:
    name = one_line(difference.name, limit=WIDTH - 2)
    before, after = _text(difference.before), _text(difference.after)
    if before == after:  # they differ in what one line does not show
        before, after = json.dumps(difference.before), json.dumps(difference.after)
    line = f"  {name:<{_NAME_WIDTH}} {before} -> {after}"
    if len(line) <= WIDTH:
        return [line]
    old = _wrapped("- ", before) if difference.before is not None else []
    new = _wrapped("+ ", after) if difference.after is not None else []
    return [f"  {name}", *old, *new]


def _wrapped(mark: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"    {mark}", subsequent_indent="      ", break_on_hyphens=False)


def _text(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, str):
        return value[:12] if _SHA256.fullmatch(value) else one_line(value, limit=1000)
    if isinstance(value, dict):
        return ", ".join(f"{one_line(name)} {_text(inner)}" for name, inner in value.items()) or "none"
    return one_line(json.dumps(value, ensure_ascii=False), limit=1000)
