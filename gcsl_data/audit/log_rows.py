"""The rows of logs, looked at for `check`: against a JSON Schema, or as what `expand` would make of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from gcsl_data.audit.finding import Finding, Level, found, quoted
from gcsl_data.audit.row_schema import RowSchema
from gcsl_data.audit.schema_rows import Check, row_checks
from gcsl_data.census import Census
from gcsl_data.columns import ROW_INDEX
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError
from gcsl_data.ingest.explain import UNREADABLE, explain
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.plain import is_temporary
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.checks import FILTERED, REASONS

_RARE = 10_000  # rows; so many row numbers are held at once for each kind of fault
FIRST = 5  # rows that are named for each kind of fault


def file_of(log: Log) -> str:
    """How a finding names a log: by its path, or by its URI if it was fetched or read from standard input."""
    return log.uri if is_temporary(log.path) else str(log.path)


def schema_findings(log: Log, schema: RowSchema, engine: Engine) -> tuple[int, list[Finding]]:
    """How many rows a log has, and for each kind of fault the first rows that have it."""
    rows, checks = _decodable(log), _checks(log, schema)
    names = [str(at) for at in range(len(checks))]
    flagged = rows.select(ROW_INDEX, *[check.breaks.alias(name) for check, name in zip(checks, names, strict=True)])
    counts = engine.measure(flagged.select(pl.len(), *[pl.col(name).sum() for name in names])).row(0)
    total, broken = counts[0], {at: count for at, count in enumerate(counts[1:]) if count}
    first = _first_rows(flagged, {names[at]: count for at, count in broken.items()}, engine)
    values = {names[at]: value for at in broken if (value := checks[at].value) is not None}
    wanted = sorted({row for some in first.values() for row in some})
    cells = engine.measure(rows.filter(pl.col(ROW_INDEX).is_in(wanted)).select(ROW_INDEX, **values)) if wanted else None
    by_row = {row[ROW_INDEX]: row for row in cells.iter_rows(named=True)} if cells is not None else {}
    return total, [
        _finding(log, checks[at], row, by_row[row].get(names[at]), count, total)
        for at, count in broken.items()
        for row in first[names[at]][: 1 if checks[at].is_of_column else FIRST]
    ]


def _first_rows(flagged: pl.LazyFrame, counts: dict[str, int], engine: Engine) -> dict[str, list[int]]:
    """The first rows of each flag. Rare ones are looked for in one pass; those of a flag that is often set come soon."""
    rare = [name for name, count in counts.items() if count <= _RARE]
    first = {}
    if rare:
        some = engine.measure(flagged.filter(pl.any_horizontal(rare)).select(ROW_INDEX, *rare)).sort(ROW_INDEX)
        first = {name: some.filter(pl.col(name))[ROW_INDEX].head(FIRST).to_list() for name in rare}
    for name in counts.keys() - first.keys():
        first[name] = sorted(engine.measure(flagged.filter(name).select(ROW_INDEX).head(FIRST))[ROW_INDEX].to_list())
    return first


def broken_by_schema(log: Log, schema: RowSchema) -> pl.LazyFrame:
    """The rows of a log that are not valid, with `_gcsl_rule`, and `_gcsl_fault`: what is wrong with them."""
    checks = _checks(log, schema)
    names = [pl.when(check.breaks).then(pl.lit(check.name)) for check in checks]
    any_fault = pl.any_horizontal(pl.lit(False), *[check.breaks for check in checks])
    faults = pl.concat_str(names, separator="; ", ignore_nulls=True) if names else pl.lit(None, pl.String)
    return _decodable(log).filter(any_fault).with_columns(_gcsl_rule=pl.lit("log.schema"), _gcsl_fault=faults)


def broken_by_use(log: Log, rejects: pl.DataFrame) -> pl.LazyFrame:
    """The rows of a log that cannot be used, with `_gcsl_rule`, and `_gcsl_fault`: why; `rejects` has source, row, reason."""
    told = rejects.lazy().unique(["source", "row"], keep="first", maintain_order=True).select(
        "source", "row", _gcsl_rule=pl.lit("log.rows"), _gcsl_fault="reason"
    )  # fmt: skip
    if log.records:  # a file of records says itself which log and row they are of
        return log.scanned.join(told, on=["source", "row"], how="inner", maintain_order="left")
    own = told.filter(pl.col("source") == log.uri).drop("source")
    index = _columns(log)[ROW_INDEX]
    own = own.with_columns(pl.col("row").cast(index))
    return log.scanned.join(own, left_on=ROW_INDEX, right_on="row", how="inner", maintain_order="left")


def decoding_findings(log: Log) -> Iterator[Finding]:
    """Lines of a log that are no rows, by reason."""
    reasons: dict[str, list[int]] = {}
    for row, fault in log.faults.rows.items():
        reasons.setdefault(fault.reason, []).append(row)
    for reason, rows in reasons.items():
        detail = log.faults.rows[rows[0]].detail
        yield found("log.rows", file_of(log), _reason(reason, detail, len(rows)), row=rows[0])


def reject_findings(census: Census, logs: Sequence[Log], stage: ChecksStage) -> Iterator[Finding]:
    """Rows that cannot be used, by reason; a warning where `stage` sets so many aside."""
    named = {log.uri: log for log in logs}
    rejected = census.frame.filter(pl.col("reject").is_not_null() & ~pl.col("reject").is_in([*FILTERED]))
    share = sum(census.rejected().values()) / max(census.rows, 1)
    is_set_aside = stage.on_error == "quarantine" and share <= stage.max_reject_rate
    level: Level = "warning" if is_set_aside else "error"
    fix = None if stage.on_error == "fail" else f"Mend the rows, or raise --max-reject-rate above {share:.3g}."
    for reason, count in census.rejected().items():
        first = rejected.filter(pl.col("reject") == reason).sort("source", "first_row").row(0, named=True)
        source, row = first["source"], first["first_row"]
        log = named.get(source)
        fault = log.faults.rows.get(row) if log else None
        words = _reason(reason, fault.detail if fault else None, count)
        yield found("log.rows", file_of(log) if log else source, words, row=row, level=level, fix=fix)


def _reason(reason: str, detail: str | None, count: int) -> str:
    more = f" ({detail})" if detail else ""
    return f"{reason}: {REASONS[reason]}{more}; {_rows(count)} like this"


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _checks(log: Log, schema: RowSchema) -> list[Check]:
    """Raises DataError (65) for a schema that refers to itself where alternatives stand, so that it has no end."""
    try:
        return row_checks(schema, {name: dtype for name, dtype in _columns(log).items() if name != ROW_INDEX})
    except RecursionError:
        raise DataError("GD6551", "the schema refers to itself without end; give each alternative a type") from None


def _columns(log: Log) -> pl.Schema:
    """Raises DataError (65) when the log cannot be decoded."""
    try:
        return log.scanned.collect_schema()
    except UNREADABLE as error:
        raise explain(error, [log]) from error


def _decodable(log: Log) -> pl.LazyFrame:
    """The rows without the placeholders of lines that are none."""
    gone = [*log.faults.rows, *log.faults.blank]
    return log.scanned.filter(~pl.col(ROW_INDEX).is_in(gone)) if gone else log.scanned


def _finding(log: Log, check: Check, row: int, cell: object, count: int, total: int) -> Finding:
    what = check.words if cell is None or check.column else f"{_cell(cell)} {check.words}"
    at = f"{check.field}: " if check.field else ""
    told = found("log.schema", file_of(log), f"{at}{what} ({count:,} of {total:,} rows)", row=row)
    return told if check.is_of_column else replace(told, fault=check.name, rows=count)


def _cell(value: object) -> str:
    return quoted(json.dumps(value, ensure_ascii=False, default=str))
