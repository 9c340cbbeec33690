"""The whole of `check`: a dataset or logs in, a report out. Gates are held against the numbers that `stats` prints."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from gcsl_data.audit.contract import check_dataset, extract
from gcsl_data.audit.finding import CONTRACT, Finding, Report, found
from gcsl_data.audit.gates import Gate, Number, numbers
from gcsl_data.audit.log_rows import (
    broken_by_schema,
    broken_by_use,
    decoding_findings,
    file_of,
    reject_findings,
    schema_findings,
)
from gcsl_data.audit.row_schema import RowSchema
from gcsl_data.audit.stats import stats_of
from gcsl_data.audit.subject import Subject, subject_of_dataset, subject_of_log
from gcsl_data.census import Census
from gcsl_data.columns import ROW_INDEX
from gcsl_data.dataset.decode import encode
from gcsl_data.dataset.files import require_absent, staged_file
from gcsl_data.dataset.manifest import MANIFEST_NAME, load
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError, UsageError, reading
from gcsl_data.ingest.inputs import Log
from gcsl_data.measure import Measured, measure
from gcsl_data.plan import make_plan
from gcsl_data.recipe import Recipe
from gcsl_data.settle import settle

Reference = tuple[str, Subject]
# Rules without which rows cannot be read, or say nothing.
_BEFORE_STATS = ("manifest.schema", "manifest.counts", "shards.hash", "shards.columns", "rows.count")
_LOOK = "Look at the bins with gcsl-data stats and the same settings."


def check_folder(
    path: Path, gates: Sequence[Gate] = (), *, expected: str | None = None, against: Reference | None = None
) -> Report:
    """The report on a dataset; `expected` is the SHA-256 that its manifest must have, `against` what its drift is from.

    Raises InputError (66) or DataError (65) when there is no manifest that can be read, UsageError (2) for a gate with a name
    that the stats do not have.
    """
    findings = check_dataset(path)
    with reading(path / MANIFEST_NAME):
        digest = hashlib.sha256((path / MANIFEST_NAME).read_bytes()).hexdigest()
    rules = CONTRACT
    if expected is not None:
        rules = ("manifest.expected", *rules)
        if digest != expected.lower():
            words = f"its SHA-256 is {digest}, expected was {expected.lower()}"
            findings = [found("manifest.expected", MANIFEST_NAME, words), *findings]
    rows, values = 0, None
    try:
        manifest = load(path)
        rows = sum(shard.rows for shard in manifest.shards)
        if gates and not any(one.level == "error" and one.rule in _BEFORE_STATS for one in findings):
            values = _numbers(subject_of_dataset(path, manifest), str(path), against)
    except DataError:
        if not findings:  # a finding says why it cannot be read
            raise
    findings = [*findings, *_gate_findings(gates, values, MANIFEST_NAME)]
    return Report(str(path), str(path), _with_gates(rules, gates), tuple(findings), rows, digest)


def check_logs(
    logs: tuple[Log, ...],
    recipe: Recipe,
    engine: Engine,
    gates: Sequence[Gate] = (),
    *,
    schema: RowSchema | None = None,
    extract_to: Path | None = None,
    against: Reference | None = None,
) -> Report:
    """The report on logs: whether every row is valid against the schema or, without one, can be used by `expand` with these
    settings; gates ask for the latter as well. `extract_to` is a Parquet file to write with the rows that break a rule.

    Raises DataError (65) when a log cannot be decoded, RecipeError (78) for a template that is wrong.
    """
    findings: list[Finding] = []
    broken: list[tuple[Log, pl.LazyFrame]] = []
    rules: tuple[str, ...] = ("log.rows",)
    rows, values = 0, None
    if schema:
        rules += ("log.schema",)
        for log in logs:
            count, wrong = schema_findings(log, schema, engine)
            rows += count + len(log.faults.rows)
            findings += wrong
            broken.append((log, broken_by_schema(log, schema)))
    if schema and not gates:
        findings = [*(one for log in logs for one in decoding_findings(log)), *findings]
        broken = [(log, _undecodable(log)) for log in logs if log.faults.rows] + broken
    else:
        rules += ("log.expand", "splits.empty")
        outcome = _Expansion(logs, recipe, engine, against if gates else None, needs_stats=bool(gates))
        findings = [*outcome.findings, *findings]
        rows, values = outcome.rows or rows, outcome.values
        if outcome.rejects is not None:
            broken = [(log, broken_by_use(log, outcome.rejects)) for log in logs] + broken
    findings += _gate_findings(gates, values, file_of(logs[0]))
    if extract_to is not None:
        _write(broken, extract_to, engine)
    name = ", ".join(file_of(log) for log in logs[:3]) + (f" and {len(logs) - 3} more" if len(logs) > 3 else "")
    return Report(name, "", _with_gates(rules, gates), tuple(findings), rows)


def write_extract(path: Path, target: Path, engine: Engine) -> bool:
    """Writes the rows of a dataset that break a rule to a Parquet file, and says whether there were shards to look at."""
    rows = extract(path)
    if rows is None:
        return False
    require_absent(target)
    with staged_file(target) as file:
        engine.sink_parquet(rows.rename({"shard": "_gcsl_file"}).drop("split"), file, metadata={})
    return True


def _with_gates(rules: tuple[str, ...], gates: Sequence[Gate]) -> tuple[str, ...]:
    return (*rules, "gate") if gates else rules


def _gate_findings(gates: Sequence[Gate], values: Mapping[str, Number] | None, file: str) -> Iterator[Finding]:
    for gate in gates:
        if values is None:
            yield found("gate", file, f"{gate.text} cannot be told: there are no stats, for the reasons above")
            continue
        verdict = gate.verdict(values)
        if verdict.holds is not False:
            yield found("gate", file, verdict.words)


def _numbers(subject: Subject, name: str, against: Reference | None) -> dict[str, Number]:
    return numbers(encode(stats_of(subject, name, against=against)))


class _Expansion:
    """What `expand` would say of the logs, as findings instead of an abort."""

    def __init__(
        self, logs: tuple[Log, ...], recipe: Recipe, engine: Engine, against: Reference | None, *, needs_stats: bool
    ) -> None:
        self.findings: list[Finding] = []
        self.rows = 0
        self.values: Mapping[str, Number] | None = None
        self.rejects: pl.DataFrame | None = None
        lenient = recipe.checks.model_copy(update={"on_error": "quarantine", "max_reject_rate": 1.0})
        place = file_of(logs[0])
        try:
            plan = settle(make_plan(logs, recipe.model_copy(update={"checks": lenient})), engine)
        except DataError as error:
            self.findings.append(found("log.expand", place, error.message))
            return
        measured: Measured | None = None
        refused: DataError | None = None
        try:
            measured = measure(plan, engine)
        except DataError as error:
            refused = error
        census = measured.census if measured else Census(engine.measure(plan.census()))
        self.rows = census.rows
        self.findings += reject_findings(census, logs, recipe.checks)
        if any(census.rejected()):
            self.rejects = engine.measure(plan.rejects())
        if refused:
            self.findings.append(found("log.expand", place, refused.message))
        if measured:
            self._take(measured, place)
        if measured and needs_stats:
            self.values = _numbers(subject_of_log(plan, measured, engine), place, against)

    def _take(self, measured: Measured, place: str) -> None:
        for warning in measured.warnings:
            self.findings.append(found("log.expand", place, warning, level="warning", fix=_LOOK))
        for split in measured.splits:
            if not split.examples:
                self.findings.append(found("splits.empty", place, f"{split.name} would have no rows"))


def _undecodable(log: Log) -> pl.LazyFrame:
    faults = log.faults.rows
    rejects = {"source": [log.uri] * len(faults), "row": list(faults), "reason": [f.reason for f in faults.values()]}
    return broken_by_use(log, pl.DataFrame(rejects))


def _write(broken: list[tuple[Log, pl.LazyFrame]], target: Path, engine: Engine) -> None:
    frames = [rows.with_columns(_gcsl_file=pl.lit(file_of(log))) for log, rows in broken]
    try:
        everything = pl.concat(frames, how="diagonal_relaxed")
        everything.collect_schema()
    except pl.exceptions.PolarsError:
        raise UsageError(
            "GD0294", "--write-extract writes one table, and the columns of these logs differ; check them one by one"
        ) from None
    require_absent(target)
    ours = ["_gcsl_file", ROW_INDEX, "_gcsl_rule", "_gcsl_fault"]
    with staged_file(target) as file:
        engine.sink_parquet(everything.select(*ours, pl.all().exclude(ours)), file, metadata={})
