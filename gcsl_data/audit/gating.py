"""Gates held against the stats: a finding for each that holds, or that cannot be told."""

from collections.abc import Iterator, Mapping, Sequence

from gcsl_data.audit.finding import Finding, found
from gcsl_data.audit.gates import Gate, Number


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
        if verdict.holds is not False:
            yield found("gate", file, verdict.words)
