"""The hooks as another repository gets them: pre-commit clones ours, builds its environment with pip, and runs them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_packaging import PARTS, REPOSITORY

pytestmark = pytest.mark.system


def run(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        line, shell=True, cwd=folder, env={**inherited, "PATH": tools, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def hooks(tmp_path: Path) -> str:
    """A repository that holds what ours does, and its commit."""
    ours = tmp_path / "gcsl"
    ours.mkdir()
    for name in (*PARTS, ".pre-commit-hooks.yaml"):
        (shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy)(REPOSITORY / name, ours / name)
    commit = "git init -q && git add . && git -c user.name=a -c user.email=a@example.org commit -qm all"
    assert run(f"{commit} && git rev-parse HEAD > ../commit", ours).returncode == 0
    return (tmp_path / "commit").read_text().strip()


def test_the_hooks_run_from_an_environment_of_their_own(hooks: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    log = REPOSITORY / "examples" / "code_efficiency" / "logs.parquet"
    made = run(f"{sys.executable} -m gcsl_data expand {log} -o logs-gcsl", theirs, PYTHONPATH=str(REPOSITORY))
    assert made.returncode == 0, made.stdout
    shutil.copy(REPOSITORY / "templates" / "code.j2", theirs)
    (theirs / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {tmp_path / 'gcsl'}\n  rev: {hooks}\n  hooks:\n"
        "  - id: gcsl-data-check\n    args: [logs-gcsl]\n  - id: gcsl-data-templates-lint\n"
    )
    run("git init -q && git add .", theirs)
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}

    passed = run("pre-commit run --all-files", theirs, **home)
    (theirs / "code.j2").write_text("Write something good.\n")
    next((theirs / "logs-gcsl" / "data").iterdir()).unlink()
    run("git add .", theirs)
    failed = run("pre-commit run --all-files", theirs, **home)

    assert (passed.returncode, passed.stdout.count("Passed")) == (0, 2), passed.stdout
    assert (failed.returncode, failed.stdout.count("Failed")) == (1, 2), failed.stdout
