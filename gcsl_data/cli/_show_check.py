"""How `check` reads on a terminal of 80 columns: a table of rules, the findings with place and fix, the verdict."""

import sys
import textwrap
from collections.abc import Iterable, Iterator
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
    for alike in _blocks(report.findings):
        _say(alike)
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


def _blocks(findings: "Iterable[Finding]") -> "Iterator[list[Finding]]":
    """Findings that follow each other and tell of the same fault in rows further on, together."""
    block: list[Finding] = []
    for one in findings:
        if block and not _continues(block[-1], one):
            yield block
            block = []
        block.append(one)
    if block:
        yield block


def _continues(one: "Finding", other: "Finding") -> bool:
    is_same = (one.rule, one.file, one.fault, one.rows) == (other.rule, other.file, other.fault, other.rows)
    return one.fault is not None and is_same and (one.row or 0) < (other.row or 0)


def _say(alike: "list[Finding]") -> None:
    """A block for findings of the same fault: the words are those of the first."""
    finding = alike[0]
    print(one_line(f"{finding.level}: {finding.rule}: {finding.file}{_place(alike)}", limit=400), file=sys.stderr)
    for text in (finding.message, f"-> {finding.fix}"):
        for line in textwrap.wrap(one_line(text, limit=1000), _WIDTH - 2):
            print(f"  {line}", file=sys.stderr)


def _place(alike: "list[Finding]") -> str:
    named = [f"{one.row:,}" for one in alike if one.row is not None]
    more = (alike[0].rows or len(named)) - len(named)
    if not named:
        return ""
    if more > 0:
        return f" rows {', '.join(named)} and {more:,} more" if len(named) > 1 else f" row {named[0]} and {more:,} more"
    return f" row {named[0]}" if len(named) == 1 else f" rows {', '.join(named[:-1])} and {named[-1]}"
