"""The report of `check` as machines read it: JUnit XML, SARIF 2.1.0, GitHub's workflow commands.

Findings quote logs, so nothing in them may end an element, a string or a line of these formats.
"""

import json
import re
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from gcsl_data import __version__
from gcsl_data.audit.finding import RULES, Finding, Report

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # production [2] of XML 1.0
_HALF = re.compile("[\ud800-\udfff]")
_GITHUB_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def junit(report: Report) -> str:
    """One test case for each rule; errors are failures, warnings and notes stand in its output."""
    suites = ElementTree.Element("testsuites", name="gcsl-data check")
    failed = sum(any(one.level == "error" for one in report.of(rule)) for rule in report.rules)
    counts = {"tests": str(len(report.rules)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _xml(report.name), **counts})
    for rule in report.rules:
        case = ElementTree.SubElement(suite, "testcase", classname="gcsl-data.check", name=rule)
        errors = [one for one in report.of(rule) if one.level == "error"]
        others = [one for one in report.of(rule) if one.level != "error"]
        if errors:
            message = errors[0].message + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
            failure = ElementTree.SubElement(case, "failure", message=_xml(message), type=rule)
            failure.text = _xml("\n".join(_line(report, one) for one in errors))
        if others:
            said = ElementTree.SubElement(case, "system-out")
            said.text = _xml("\n".join(f"{one.level}: {_line(report, one)}" for one in others))
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}'


def sarif(report: Report) -> str:
    """One run with every rule that was looked at; a row of a log or a shard is the line of its place."""
    driver = {
        "name": "gcsl-data",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [
            {
                "id": rule,
                "shortDescription": {"text": RULES[rule].holds},
                "help": {"text": RULES[rule].fix},
                "defaultConfiguration": {"level": RULES[rule].level},
            }
            for rule in report.rules
        ],
    }
    properties = {"rows": report.rows} | ({"manifestSha256": report.sha256} if report.sha256 else {})
    run = {
        "tool": {"driver": driver},
        "results": [_result(report, finding) for finding in report.findings],
        "properties": properties,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def github(report: Report) -> str:
    """A workflow command for each finding, which GitHub shows beside the file, and the verdict as a plain line."""
    lines = []
    for one in report.findings:
        place = {"file": report.path(one), "line": one.row, "title": f"gcsl-data check {one.rule}"}
        told = ",".join(f"{name}={_property(str(value))}" for name, value in place.items() if value is not None)
        lines.append(f"::{_GITHUB_LEVELS[one.level]} {told}::{_data(f'{one.message}. {one.fix}')}")
    return "\n".join(lines)


def _result(report: Report, finding: Finding) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(report.path(finding))}}
    if finding.row is not None:
        place["region"] = {"startLine": finding.row}
    return {
        "ruleId": finding.rule,
        "ruleIndex": report.rules.index(finding.rule),
        "level": finding.level,
        "message": {"text": _HALF.sub("�", f"{finding.message}. {finding.fix}")},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """A path as a URI reference; a URI stays one."""
    safe = "/:" if re.match("[a-z][a-z0-9+.-]+://", path) else "/"
    return quote(
        ("file://" if path.startswith("/") else "") + _HALF.sub("�", path),
        safe=safe + (":" if path.startswith("/") else ""),
    )


def _line(report: Report, finding: Finding) -> str:
    row = "" if finding.row is None else f", row {finding.row}"
    return f"{report.path(finding)}{row}: {finding.message}. {finding.fix}"


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("�", text)


def _data(text: str) -> str:
    return _HALF.sub("�", text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
