"""For tests of whoever keeps a dataset: `assert_dataset` fails with everything that `gcsl-data check` finds.

It needs no plugin and no fixture, and importing this loads next to nothing: no polars, no pyarrow.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gcsl_data.errors import one_line

if TYPE_CHECKING:
    from gcsl_data.audit.finding import Finding, Report


def assert_dataset(dataset: str | os.PathLike[str], *, fail_on: Sequence[str] = ()) -> None:
    """Raises AssertionError, naming every finding, unless the dataset holds and no gate of `fail_on` is met.

    What it takes and says is what `gcsl-data check DIR --fail-on EXPR` does: a finding has its level, rule and place, what is
    wrong, and what to do. Warnings and notes alone pass. Raises InputError or DataError for a folder without a manifest that
    can be read, UsageError for a gate that is not understood.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    from pathlib import Path

    from gcsl_data.audit.check_folder import check_folder
    from gcsl_data.audit.gates import Gate

    if isinstance(fail_on, str):  # its letters would be gates
        fail_on = [fail_on]
    report = check_folder(Path(dataset), [Gate.parse(text) for text in fail_on])
    if report.errors:
        raise AssertionError("\n".join([_verdict(report), *(_told(report, finding) for finding in report.findings)]))


def _verdict(report: "Report") -> str:
    return f"{one_line(report.name)}: {report.errors} error{'s' * (report.errors > 1)} in {report.rows:,} rows"


def _told(report: "Report", finding: "Finding") -> str:
    row = "" if finding.row is None else f" row {finding.row}"
    return f"{finding.level}: {finding.rule}: {finding.file}{row}\n  {finding.message}\n  -> {finding.fix}"
