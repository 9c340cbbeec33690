"""Gates held against the stats: a finding for each that is met, or that cannot be told."""

from collections.abc import Iterator, Mapping, Sequence

from gcsl_data.audit.finding import Finding, found
from gcsl_data.audit.gates import Gate, Number

# Part of the stats, null unless it is asked for -> how to ask.
_GIVEN_BY = {
    "drift": "Give --against DIR|LOG, which is what the numbers of drift compare with.",
    "text.tokens": "Give --tokenizer FILE|FOLDER, which counts the tokens.",
}


def with_gates(rules: tuple[str, ...], gates: Sequence[Gate]) -> tuple[str, ...]:
    """The rules that were looked at, gates among them if there are any."""
    return (*rules, "gate") if gates else rules


def gate_findings(gates: Sequence[Gate], values: Mapping[str, Number] | None, file: str) -> Iterator[Finding]:
    """What `values` (null: there are no stats) say to each gate; raises UsageError (2) for a name that they do not have."""
    for gate in gates:
        if values is None:
            yield found("gate", file, f"{gate.text} cannot be told: there are no stats, for the reasons above")
            continue
        verdict = gate.verdict(values)
        if verdict.is_met is not False:
            yield found("gate", file, verdict.words, fix=_fix(verdict.without, values))


def _fix(without: Sequence[str], values: Mapping[str, Number]) -> str | None:
    """The option that gives names a value; null where none does."""
    for part, fix in _GIVEN_BY.items():
        if part in values and any(f"{name}.".startswith(f"{part}.") for name in without):
            return fix
    return None
