"""What machines read of `check`, read back by the readers of others: junitparser, the models of SARIF, GitHub's rules."""

import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from pydantic import BaseModel
from sarif_pydantic import Sarif

from gcsl_data.audit.finding import RULES, Finding, Report, found
from gcsl_data.audit.formats import github, junit, sarif

from .support import expand_rows, forge, gcsl_data, make_rows

HOSTILE = [
    "]]></failure></testsuite>", "<!-- & \" ' -->", "\x00\x07\x1b[31m\x7f\x9b", "\ufffe\uffff", "\ud800", "::error::no",
    "%0A::error::x", "a\r\n::set-output name=x::y", "a,b:c=d", "%", "%25", "\u2028\u2029\u202e", "é\U0001f600", " ",
    "../../etc/passwd", "C:\\x y", "a#b?c",
]  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12), st.characters())
files = texts.map("f{}".format)
levels = st.sampled_from(["error", "warning", "note"])


def findings(rules: st.SearchStrategy[str]) -> st.SearchStrategy[Finding]:
    """As the rules make them, and with anything at all in them: no format depends on what was done to a finding before."""
    raw = st.builds(Finding, rules, levels, files, st.none() | st.integers(1, 10**9), texts, texts)
    return raw | st.builds(found, rules, files, texts)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    rules = tuple(draw(st.lists(st.sampled_from(list(RULES)), min_size=1, unique=True)))
    some = draw(st.lists(findings(st.sampled_from(rules)), max_size=4))
    base = draw(st.sampled_from(["", "out", "/tmp/out"]))
    return Report(draw(texts), base, rules, tuple(some), 7, draw(st.sampled_from([None, "0" * 64])))


def without_halves(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "�", text)


def in_xml(text: str) -> str:
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", text)


@given(reports())
def test_junit_is_read_back_by_a_reader_of_it(report: Report) -> None:
    text = junit(report)

    ElementTree.fromstring(text.encode())
    (suite,) = JUnitXml.fromstring(text.encode())
    assert [case.name for case in suite] == list(report.rules)
    assert suite.tests == len(report.rules)
    assert suite.failures == sum(bool(case.result) for case in suite)
    for case in suite:
        errors = [one for one in report.of(case.name) if one.level == "error"]
        assert len(case.result) == bool(errors)
        if errors:
            (failure,) = case.result
            assert failure.type == case.name
            flat = " ".join(failure.text.split())
            for one in errors:
                assert " ".join(in_xml(f"{one.message}. {one.fix}").split()) in flat


def strict(model: object) -> None:
    """No key in a parsed log that the models of SARIF do not know."""
    if not isinstance(model, BaseModel):
        return
    assert not model.model_extra, type(model)
    for value in dict(model).values():
        for one in value if isinstance(value, list) else [value]:
            strict(one)


@given(reports())
def test_sarif_is_read_back_by_the_models_of_it(report: Report) -> None:
    text = sarif(report)

    log = Sarif.model_validate_json(text)
    strict(log)
    (run,) = json.loads(text)["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(report.rules)
    assert len(run["results"]) == len(report.findings)
    for result, one in zip(run["results"], report.findings, strict=True):
        place = result["locations"][0]["physicalLocation"]
        assert (result["ruleId"], result["level"]) == (one.rule, one.level)
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == one.rule
        assert result["message"]["text"] == without_halves(f"{one.message}. {one.fix}")
        assert re.fullmatch(r"[!-~]+", place["artifactLocation"]["uri"]), "a URI is printable ASCII"
        told = unquote(place["artifactLocation"]["uri"]).removeprefix("file://")
        assert told == without_halves(report.path(one))
        assert place.get("region", {}).get("startLine") == one.row


def as_github_reads(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner takes it apart: `::name key=value,key=value::message`, unescaped afterwards."""
    command = re.fullmatch(r"::(\w+) ([^\r\n]*?)::([^\r\n]*)", line)
    assert command, line
    pairs = dict(pair.split("=", 1) for pair in command[2].split(","))

    def data(text: str) -> str:
        return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")

    values = {name: data(value.replace("%3A", ":").replace("%2C", ",")) for name, value in pairs.items()}
    return command[1], values, data(command[3])


@given(reports())
def test_github_gets_one_annotation_for_each_finding(report: Report) -> None:
    lines = re.split(r"[\r\n]", github(report)) if report.findings else []

    assert len(lines) == len(report.findings)
    for line, one in zip(lines, report.findings, strict=True):
        level, place, message = as_github_reads(line)
        assert level == {"error": "error", "warning": "warning", "note": "notice"}[one.level]
        whole = without_halves(f"{one.message}. {one.fix}")
        assert message == whole
        assert place["file"] == without_halves(report.path(one))
        assert place.get("line") == (None if one.row is None else str(one.row))
        assert place["title"].endswith(one.rule)


def test_an_annotation_reads_as_github_documents_it() -> None:
    one = Finding("rows.true", "error", "data/a,b:c.arrow", 3, "50% is\r\nwrong", "Fix: it.")

    assert github(Report("out", "out", ("rows.true",), (one,), 1)) == (
        "::error file=out/data/a%2Cb%3Ac.arrow,line=3,title=gcsl-data check rows.true::50%25 is%0D%0Awrong. Fix: it."
    )


@pytest.mark.parametrize("format_name", ["text", "json", "junit", "sarif", "github"])
def test_the_program_prints_each_format_alone_on_standard_output(tmp_path: Path, format_name: str) -> None:
    expand_rows(tmp_path, make_rows(i / 40 for i in range(40)))
    forge(tmp_path / "out", lambda rows: [{**rows[0], "id": "\x1b[31m</failure>\n::error::", "goal": "]]>"}, *rows[1:]])

    outcome = gcsl_data("check", "out", "--format", format_name, cwd=tmp_path)

    assert outcome.status == 1
    assert "\x1b" not in outcome.out + outcome.err
    if format_name == "junit":
        assert JUnitXml.fromstring(outcome.out.encode()).failures == 2
    elif format_name == "github":
        assert all(as_github_reads(line)[0] == "error" for line in outcome.out.splitlines())
    elif format_name == "sarif":
        strict(Sarif.model_validate_json(outcome.out))
    elif format_name == "json":
        assert {one["rule"] for one in outcome.json["findings"]} == {"rows.id", "rows.goal"}
