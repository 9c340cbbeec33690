"""`check` of a dataset: the contract, what was expected, and gates over its stats."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from gcsl_data.audit.contract import extract, look_at
from gcsl_data.audit.finding import CONTRACT, Report, divided, found
from gcsl_data.audit.gates import Gate
from gcsl_data.audit.gating import gate_findings, with_gates
from gcsl_data.audit.stat_numbers import gate_numbers
from gcsl_data.audit.stats import stats_of
from gcsl_data.audit.subject import Subject, subject_of_dataset
from gcsl_data.dataset.decode import encode
from gcsl_data.dataset.files import staged_file
from gcsl_data.dataset.manifest import MANIFEST_NAME, load_unidentified
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import DataError, reading

# Rules that a row breaks by itself.
ROW_RULES = ("rows.id", "rows.goal", "rows.true")
Reference = tuple[str, Subject]
# Rules without which rows cannot be read, or say nothing.
_BEFORE_STATS = ("manifest.schema", "manifest.counts", "shards.hash", "shards.columns", "rows.count")


def check_folder(
    path: Path,
    gates: Sequence[Gate] = (),
    *,
    expected: str | None = None,
    against: Reference | None = None,
    tokenizer: str | None = None,
) -> Report:
    """The report on a dataset; `expected` is the SHA-256 that its manifest must have, `against` what its drift is
    from, `tokenizer` a tokenizer.json or its folder that counts the tokens.

    Raises InputError (66) or DataError (65) when there is no manifest that can be read, UsageError (2) for a gate with a name
    that the stats do not have.
    """
    findings, looked_at = look_at(path)
    with reading(path / MANIFEST_NAME):
        digest = hashlib.sha256((path / MANIFEST_NAME).read_bytes()).hexdigest()
    rules = CONTRACT
    if expected is not None:
        rules = ("manifest.expected", *rules)
        looked_at.add("manifest.expected")
        if digest != expected.lower():
            words = f"its SHA-256 is {digest}, expected was {expected.lower()}"
            findings = [found("manifest.expected", MANIFEST_NAME, words), *findings]
    rows, values = 0, None
    try:
        manifest = load_unidentified(path)
        rows = sum(shard.rows for shard in manifest.shards)
        if gates and not any(one.level == "error" and one.rule in _BEFORE_STATS for one in findings):
            subject = subject_of_dataset(path, manifest)
            values = gate_numbers(encode(stats_of(subject, str(path), against=against, tokenizer=tokenizer)))
    except DataError:
        if not findings:  # a finding says why it cannot be read
            raise
    findings = [*findings, *gate_findings(gates, values, MANIFEST_NAME)]
    seen, unseen = divided(rules, looked_at, findings)
    return Report(str(path), str(path), with_gates(seen, gates), tuple(findings), rows, digest, unseen)


def write_extract(report: Report, target: Path, engine: LocalEngine, *, overwrite: bool = False) -> Report:
    """Writes the rows of a dataset that break a rule by themselves to a Parquet file, if there are any."""
    rows = extract(Path(report.base)) if any(one.rule in ROW_RULES for one in report.findings) else None
    if rows is None or not engine.measure(rows.select(pl.len())).item():
        return report
    with staged_file(target, overwrite=overwrite) as file:
        engine.sink_parquet(rows.rename({"shard": "_gcsl_file"}).drop("split"), file, metadata={})
    return replace(report, extracted=True)
