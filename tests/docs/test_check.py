"""The page on checking says what the code says: rules, the schema and the gates in it work."""

import json
import re
import tomllib
from pathlib import Path

from gcsl_data.audit.finding import RULES
from gcsl_data.audit.gates import Gate
from gcsl_data.audit.row_schema import read_schema
from gcsl_data.audit.stat_numbers import gate_numbers

from .blocks import ROOT, blocks, run

PAGE = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_that_of_the_code() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]

    assert rows == [f"| `{name}` | {rule.level} | {rule.holds} | {rule.fix} |" for name, rule in RULES.items()]


def test_the_schema_is_one(tmp_path: Path) -> None:
    (tmp_path / "row.schema.json").write_text(blocks(PAGE, "json")[0], encoding="utf-8")

    assert read_schema(str(tmp_path / "row.schema.json")).document["required"] == ["prompt", "response", "reward"]


def test_the_gates_name_numbers_of_stats(tmp_path: Path) -> None:
    said = re.findall(r'--fail-on "([^"]+)"', PAGE)
    gates = [*said, *tomllib.loads(blocks(PAGE, "toml")[0])["check"]["fail_on"]]
    log = ROOT / "examples" / "code_efficiency" / "logs.parquet"
    known = gate_numbers(json.loads(run(f"gcsl-data stats {log} --template code.j2 --json 2>/dev/null", tmp_path)))

    assert len(gates) >= 5
    for gate in gates:
        Gate.parse(gate).verdict(known)
