"""What `expand` would make of logs, as findings instead of an abort, and the stats of it for gates."""

from collections.abc import Mapping

import polars as pl

from gcsl_data.audit.finding import Finding, found
from gcsl_data.audit.gates import Number
from gcsl_data.audit.log_rows import file_of, reject_findings
from gcsl_data.audit.stat_numbers import gate_numbers
from gcsl_data.audit.stats import stats_of
from gcsl_data.audit.subject import Subject, subject_of_log
from gcsl_data.census import take_census
from gcsl_data.dataset.decode import encode
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError
from gcsl_data.ingest.inputs import Log
from gcsl_data.measure import Measured, measure
from gcsl_data.plan import make_plan
from gcsl_data.recipe import Recipe
from gcsl_data.settle import settle

_LOOK = "Look at the bins with gcsl-data stats and the same settings."


class Expansion:
    """What `expand` would say: `findings`, how many `rows` there are, their `rejects` (source, row, reason, excerpt; null for
    none), the rules that were `looked_at`, and the `values` that gates are held against (null where there are none)."""

    def __init__(
        self,
        logs: tuple[Log, ...],
        recipe: Recipe,
        engine: Engine,
        against: tuple[str, Subject] | None,
        tokenizer: str | None,
        *,
        needs_stats: bool,
    ) -> None:
        self.findings: list[Finding] = []
        self.rows = 0
        self.looked_at: set[str] = {"log.expand"}
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
        census = measured.census if measured else take_census(plan.known, engine, list(plan.rewards))
        self.rows = census.rows
        self.looked_at.add("log.rows")
        self.findings += reject_findings(census, logs, recipe.checks)
        if any(census.rejected()):
            self.rejects = engine.measure(plan.rejects())
        if refused:
            self.findings.append(found("log.expand", place, refused.message))
        if measured:
            self._take(measured, place)
        if measured and needs_stats:
            subject = subject_of_log(plan, measured, engine)
            self.values = gate_numbers(encode(stats_of(subject, place, against=against, tokenizer=tokenizer)))

    def _take(self, measured: Measured, place: str) -> None:
        for warning in measured.warnings:
            self.findings.append(found("log.expand", place, warning, level="warning", fix=_LOOK))
        self.looked_at.add("splits.empty")
        for split in measured.splits:
            if not split.examples:
                self.findings.append(found("splits.empty", place, f"{split.name} would have no rows"))
