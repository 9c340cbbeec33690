"""The numbers of the stats by the names that gates use: those of `--json`, totals of what was left out, and reasons that did
not occur.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gcsl_data.audit.gates import Number, numbers
from gcsl_data.stages.builders import built
from gcsl_data.stages.checks import FILTERED, REASONS
from gcsl_data.stages.labels import BELOW_CUT, BEYOND_SCALE, NO_GOAL_REACHED

# Part of the accounting -> every reason that a row can be counted under there.
KNOWN_REASONS = {
    "rejected": tuple(REASONS),
    "filtered": (*FILTERED, NO_GOAL_REACHED, BEYOND_SCALE, BELOW_CUT, *built.REASONS),
}


def stat_numbers(document: Mapping[str, Any]) -> dict[str, Number]:
    """The numbers of stats (as JSON), with `accounting.rejected` and `accounting.filtered` as totals before their reasons."""
    return dict(_with_totals(document))


def gate_numbers(document: Mapping[str, Any]) -> dict[str, Number]:
    """`stat_numbers`, and 0 for each known reason under which no row is counted."""
    absent = {f"accounting.{part}.{reason}": 0 for part, known in KNOWN_REASONS.items() for reason in known}
    named = stat_numbers(document)
    return {**named, **{name: value for name, value in absent.items() if name not in named}}


def _with_totals(document: Mapping[str, Any]) -> Iterator[tuple[str, Number]]:
    account = document["accounting"]
    totals = {part: sum(account[part].values()) for part in KNOWN_REASONS}
    for name, value in numbers({**document, "accounting": {**account, **totals}}).items():
        yield name, value
        part = name.removeprefix("accounting.")
        if part != name and part in totals:
            yield from numbers({"accounting": {part: account[part]}}).items()
