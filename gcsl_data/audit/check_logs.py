"""`check` of logs: every row against a JSON Schema, or against what `expand` can use, and gates over the stats."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gcsl_data.audit.finding import Finding, Report, divided
from gcsl_data.audit.gates import Gate
from gcsl_data.audit.gating import gate_findings, with_gates
from gcsl_data.audit.log_rows import broken_by_schema, broken_by_use, decoding_findings, file_of, schema_findings
from gcsl_data.audit.row_schema import RowSchema
from gcsl_data.columns import ROW_INDEX
from gcsl_data.dataset.files import staged_file
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import UsageError
from gcsl_data.ingest.inputs import Log
from gcsl_data.recipe import Recipe

if TYPE_CHECKING:
    from gcsl_data.audit.subject import Subject


def check_logs(
    logs: tuple[Log, ...],
    recipe: Recipe,
    engine: LocalEngine,
    gates: Sequence[Gate] = (),
    *,
    schema: RowSchema | None = None,
    extract_to: Path | None = None,
    against: "tuple[str, Subject] | None" = None,
    tokenizer: str | None = None,
    overwrite: bool = False,
) -> Report:
    """The report on logs: whether every row is valid against the schema or, without one, can be used by `expand` with these
    settings; gates ask for the latter as well. `extract_to` is a Parquet file to write with the rows that break a rule, if
    there are any; `overwrite` replaces one that is there.

    Raises DataError (65) when a log cannot be decoded, RecipeError (78) for a template that is wrong.
    """
    findings: list[Finding] = []
    broken: list[tuple[Log, pl.LazyFrame]] = []
    rules, looked_at = ("log.rows",), set[str]()
    rows, values = 0, None
    if schema:
        rules += ("log.schema",)
        looked_at.add("log.schema")
        for log in logs:
            count, wrong = schema_findings(log, schema, engine)
            rows += count + len(log.faults.rows)
            findings += wrong
            broken.append((log, broken_by_schema(log, schema)))
    if schema and not gates:
        findings = [*(one for log in logs for one in decoding_findings(log)), *findings]
        broken = [(log, _undecodable(log)) for log in logs if log.faults.rows] + broken
    else:
        from gcsl_data.audit.expansion import Expansion  # all of gcsl; a schema alone needs none of it

        rules += ("log.expand", "splits.empty")
        outcome = Expansion(logs, recipe, engine, against if gates else None, tokenizer, needs_stats=bool(gates))
        findings = [*outcome.findings, *findings]
        looked_at |= outcome.looked_at
        rows, values = outcome.rows or rows, outcome.values
        if outcome.rejects is not None:
            broken = [(log, broken_by_use(log, outcome.rejects)) for log in logs] + broken
    findings += gate_findings(gates, values, file_of(logs[0]))
    extracted = False
    if extract_to is not None and any(one.rule in ("log.rows", "log.schema") for one in findings):
        extracted = _write(broken, extract_to, engine, overwrite=overwrite)
    name = ", ".join(file_of(log) for log in logs[:3]) + (f" and {len(logs) - 3} more" if len(logs) > 3 else "")
    seen, unseen = divided(rules, looked_at, findings)
    return Report(name, "", with_gates(seen, gates), tuple(findings), rows, unseen=unseen, extracted=extracted)


def _undecodable(log: Log) -> pl.LazyFrame:
    faults = log.faults.rows
    rejects = {"source": [log.uri] * len(faults), "row": list(faults), "reason": [f.reason for f in faults.values()]}
    return broken_by_use(log, pl.DataFrame(rejects))


def _write(broken: list[tuple[Log, pl.LazyFrame]], target: Path, engine: LocalEngine, *, overwrite: bool) -> bool:
    """Whether there were rows to write."""
    if not broken:
        return False
    frames = [rows.with_columns(_gcsl_file=pl.lit(file_of(log))) for log, rows in broken]
    try:
        everything = pl.concat(frames, how="diagonal_relaxed")
        everything.collect_schema()
    except pl.exceptions.PolarsError:
        raise UsageError(
            "GD0294", "--write-extract writes one table, and the columns of these logs differ; check them one by one"
        ) from None
    ours = ["_gcsl_file", ROW_INDEX, "_gcsl_rule", "_gcsl_fault"]
    with staged_file(target, overwrite=overwrite) as file:
        engine.sink_parquet(everything.select(*ours, pl.all().exclude(ours)), file, metadata={})
    return True
