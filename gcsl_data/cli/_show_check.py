"""How `check` reads on a terminal of 80 columns: a table of rules, the findings with place and fix, the verdict."""

import sys
import textwrap
from typing import TYPE_CHECKING

from gcsl_data.cli._show import print_json
from gcsl_data.errors import one_line

if TYPE_CHECKING:
    from gcsl_data.audit.finding import Finding, Report

_WIDTH = 80
_WORDS = {"error": "FAIL", "warning": "warn", "note": "note"}


def show_report(report: "Report", *, status: int) -> None:
    """Rules and verdict on standard output, findings on standard error; `status` is what the program will exit with."""
    from gcsl_data.audit.finding import RULES

    worst = {"error": 0, "warning": 1, "note": 2}
    for rule in report.rules:
        levels = sorted((one.level for one in report.of(rule)), key=worst.__getitem__)
        print(f"{_WORDS[levels[0]] if levels else 'ok':<4}  {rule:<17} {RULES[rule].holds}")
    for rule in report.unseen:
        print(f"{'-':<4}  {rule:<17} not looked at")
    for finding in report.findings:
        _say(report, finding)
    if report.sha256:
        print(f"manifest sha256 {report.sha256}")
    allowed = " (exit 0: --warn-only)" if report.errors and not status else ""
    print(f"{verdict(report)}{allowed}")


def verdict(report: "Report") -> str:
    """The outcome in a line."""
    broken = {one.rule for one in report.findings if one.level == "error"}
    others = sum(one.level != "error" for one in report.findings)
    held = len(report.rules) - len(broken)
    more = f", {others} warning{'s' * (others > 1)}" if others else ""
    return f"{one_line(report.name)}: {held} of {len(report.rules)} hold, {report.rows:,} rows{more}"


def show_json(report: "Report", *, status: int) -> None:
    """The one JSON object; `ok` says that the exit status is 0."""
    from gcsl_data.dataset.decode import encode

    print_json(
        {
            "ok": status == 0,
            "exit_code": status,
            "dataset" if report.sha256 else "logs": report.name,
            "manifest_sha256": report.sha256,
            "rows": report.rows,
            "rules": list(report.rules),
            "findings": encode(report.findings),
        }
    )


def _say(report: "Report", finding: "Finding") -> None:
    row = "" if finding.row is None else f" row {finding.row}"
    print(one_line(f"{finding.level}: {finding.rule}: {finding.file}{row}", limit=400), file=sys.stderr)
    for text in (finding.message, f"-> {finding.fix}"):
        for line in textwrap.wrap(one_line(text, limit=1000), _WIDTH - 2):
            print(f"  {line}", file=sys.stderr)
