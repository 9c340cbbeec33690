"""What `check --format sarif` prints, held to the public JSON Schema of SARIF 2.1.0."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.data.support import gcsl_data, make_rows, write_jsonl

pytestmark = pytest.mark.system
PACKAGE = "@microsoft/sarif-multitool-linux@5.7.0"  # MIT; the one package known to ship the schema


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and no Python package ships the schema of SARIF")
    folder = tmp_path_factory.mktemp("sarif")
    fetched = subprocess.run(["npm", "pack", PACKAGE], cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"{PACKAGE} could not be fetched: {fetched.stderr.strip()[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile("package/sarif-2.1.0.json")
        assert member is not None
        return json.load(member)


@pytest.mark.parametrize(
    "flags",
    [["set"], ["set", "--fail-on", "bins.effective < 99"], ["bad.jsonl"], ["bad.jsonl", "--schema", "row.schema.json"]],
    ids=["whole", "gate", "log", "schema"],
)
def test_it_is_valid(tmp_path: Path, schema: dict[str, Any], flags: list[str]) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 40 for i in range(40)))
    assert gcsl_data("expand", "log.jsonl", "-o", "set", cwd=tmp_path).status == 0
    bad = {"prompt": "<script>\x1b[31m ::error::\u202e", "response": "", "reward": None}
    write_jsonl(tmp_path / "bad.jsonl", [*make_rows([0.1, 0.2, 0.3]), bad])
    (tmp_path / "row.schema.json").write_text('{"properties": {"response": {"minLength": 1}}, "required": ["reward"]}')

    outcome = gcsl_data("check", *flags, "--format", "sarif", cwd=tmp_path)

    document = json.loads(outcome.out)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert bool(document["runs"][0]["results"]) == (flags != ["set"])
    assert outcome.status == (0 if flags == ["set"] else 1)
