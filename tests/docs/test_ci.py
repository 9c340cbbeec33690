"""docs/ci.md: every job on the page is parsed and its lines are run, on a dataset that holds and on one that does not.

Services are not there: what they would do around the lines (check out, upload) is not tested.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.contract.test_packaging import PARTS

from .blocks import ROOT, blocks, lines, run, session

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
INSTALL = 'pip install "$GCSL"'
SHARD = "logs-gcsl/data/train-00000-of-00001.arrow"


def job(section: str) -> Any:
    (text,) = blocks(SECTIONS[section], "yaml")
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, its dataset and a template, as the page has them."""
    folder = tmp_path_factory.mktemp("ci")
    shutil.copy(ROOT / "examples" / "code_efficiency" / "logs.parquet", folder)
    run("gcsl-data expand logs.parquet", folder)
    (folder / "goals").mkdir()
    shutil.copy(ROOT / "templates" / "at_least.j2", folder / "goals")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "repository")


@pytest.fixture
def damaged(folder: Path) -> Path:
    """The same with a shard that lost its end."""
    shard = folder / SHARD
    shard.write_bytes(shard.read_bytes()[:-1])
    return folder


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One line as a runner has it: in bash, stopping at the first failure."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": tools, "NO_COLOR": "1", "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def steps(section: str) -> list[str]:
    """The lines of a job that use gcsl, without its installation."""
    found = {
        "GitHub Actions": lambda: [step["run"] for step in job(section)["jobs"]["check"]["steps"] if "run" in step],
        "GitLab": lambda: job(section)["dataset"]["script"],
    }[section]()
    assert found[0] == INSTALL
    return found[1:]


def test_the_installation_gives_the_program(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in PARTS:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    offline = {"PIP_TARGET": str(site), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}

    installed = shell(INSTALL, tmp_path, GCSL=str(source), **offline)
    checked = shell("gcsl-data --version", tmp_path, PYTHONPATH=str(site), PATH=f"{site / 'bin'}:{os.environ['PATH']}")

    assert installed.returncode == 0, installed.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", checked.stdout), checked.stderr


def test_the_github_job_passes_and_uploads_an_empty_report(folder: Path) -> None:
    done = [shell(line, folder) for line in steps("GitHub Actions")]

    assert [step.returncode for step in done] == [0, 0], done
    assert "::error" not in done[0].stdout
    assert json.loads((folder / "gcsl.sarif").read_text())["runs"][0]["results"] == []


def test_the_github_job_fails_beside_the_file_and_still_uploads(damaged: Path) -> None:
    done = [shell(line, damaged) for line in steps("GitHub Actions")]
    after = job("GitHub Actions")["jobs"]["check"]["steps"][4:]
    results = json.loads((damaged / after[1]["with"]["sarif_file"]).read_text())["runs"][0]["results"]

    assert [step.returncode for step in done] == [1, 0]
    assert re.search(rf"^::error file={SHARD},[^\n]*shards\.hash::", done[0].stdout, re.MULTILINE)
    assert {result["ruleId"] for result in results} == {"shards.hash", "gate"}
    assert [step["if"] for step in after] == ["always()"] * 2


def failures(report: Path) -> dict[str | None, bool]:
    cases = ElementTree.parse(report).findall(".//testcase")
    return {case.get("name"): case.find("failure") is not None for case in cases}


def test_the_gitlab_job_reports_each_rule(folder: Path) -> None:
    (line,) = steps("GitLab")
    report = folder / job("GitLab")["dataset"]["artifacts"]["reports"]["junit"]

    passed = shell(line, folder)
    held = failures(report)
    (folder / SHARD).unlink()
    failed = shell(line, folder)

    assert (passed.returncode, failed.returncode) == (0, 1), passed.stderr
    assert len(held) > 5
    assert [rule for rule, failed in held.items() if failed] == []
    assert {rule for rule, failed in failures(report).items() if failed} - {"gate"} == {"shards.hash"}


def local_hooks() -> dict[str, Any]:
    """The page's configuration with the hooks of this checkout, run by the program that is installed."""
    (repository,) = job("pre-commit")["repos"]
    hooks = [{**HOOKS[hook["id"]], **hook, "language": "system"} for hook in repository["hooks"]]
    return {"repos": [{"repo": "local", "hooks": hooks}]}


def test_the_hooks_run_in_a_repository(folder: Path) -> None:
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(local_hooks()))
    shell("git init -q && git add .", folder)
    home = {"PRE_COMMIT_HOME": str(folder.parent / "pre-commit")}

    passed = shell("pre-commit run --all-files", folder, **home)
    (folder / "goals" / "at_least.j2").write_text("Write something good.\n")
    (folder / "other.j2").write_text("{{ not_ours }}\n")
    shell("git add .", folder)
    wordless = shell("pre-commit run --all-files", folder, **home)
    (folder / SHARD).unlink()
    shell("git add .", folder)
    no_shard = shell("pre-commit run gcsl-data-check --all-files", folder, **home)

    assert (passed.returncode, passed.stdout.count("Passed")) == (0, 2), passed.stdout
    assert (wordless.returncode, wordless.stdout.count("Passed")) == (1, 1)
    assert "hook id: gcsl-data-templates-lint" in wordless.stdout
    assert "not_ours" not in wordless.stdout  # `files` leaves it to others
    assert no_shard.returncode == 1
    assert SHARD.removeprefix("logs-gcsl/") in no_shard.stdout


def test_the_hooks_are_as_pre_commit_wants_them(tmp_path: Path) -> None:
    assert set(HOOKS) == {hook["id"] for hook in job("pre-commit")["repos"][0]["hooks"]}
    assert shell(f"pre-commit validate-manifest {ROOT}/.pre-commit-hooks.yaml", tmp_path).returncode == 0
    (tmp_path / "config.yaml").write_text(blocks(SECTIONS["pre-commit"], "yaml")[0])
    assert shell("pre-commit validate-config config.yaml", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("a/logs-gcsl/manifest.json", True),
        ("logs-gcsl/data/train-00000-of-00001.arrow", True),
        ("logs-gcsl/_gcsl/goals.json", True),
        ("web/data/x.csv", False),
        ("web/site_manifest.json", False),
    ],
)
def test_without_files_the_hook_runs_for_the_files_of_any_dataset(path: str, is_ours: bool) -> None:
    assert bool(re.search(HOOKS["gcsl-data-check"]["files"], path)) is is_ours


def test_the_python_block_passes_and_fails_in_pytest(folder: Path) -> None:
    (folder / "test_data.py").write_text(blocks(SECTIONS["pytest"], "python")[0])
    line = "python -m pytest -q -p no:cacheprovider test_data.py"

    passed = shell(line, folder)
    gated = shell(f"sed -i.bak 's/effective < 4/effective < 5/' test_data.py && {line}", folder)

    assert passed.returncode == 0, passed.stdout
    assert gated.returncode == 1
    said = "\n".join(line.removeprefix("E").strip() for line in gated.stdout.splitlines() if line.startswith("E "))
    assert said.split() == blocks(SECTIONS["pytest"], "text")[0].split()


def test_the_make_target_checks(folder: Path) -> None:
    (folder / "Makefile").write_text(blocks(SECTIONS["Make"], "make")[0])

    passed = shell("make check-data", folder)
    (folder / SHARD).unlink()

    assert passed.returncode == 0, passed.stderr
    assert shell("make check-data", folder).returncode == 2  # make's own word for a line that failed


def test_the_shape_of_a_log_is_compared(folder: Path) -> None:
    keep, compare = blocks(SECTIONS["Logs that come from elsewhere"], "sh")[0].splitlines()
    import polars as pl

    log = pl.read_parquet(folder / "logs.parquet")
    log.with_columns(extra=1).write_parquet(folder / "new.parquet")
    assert shell(keep, folder).returncode == 0
    more = shell(compare, folder)
    log.drop("reward").write_parquet(folder / "new.parquet")
    fewer = shell(compare, folder)

    assert (more.returncode, more.stdout) == (0, "")
    assert (fewer.returncode, fewer.stdout) == (1, "breaking  reward: number|null -> absent\n")


def test_the_console_blocks_print_what_the_page_says(tmp_path: Path) -> None:
    for block in blocks(PAGE, "console"):
        for command, expected in session(block):
            assert lines(run(command, tmp_path)) == lines(expected), command


def test_every_page_that_is_linked_is_there() -> None:
    linked = re.findall(r"\]\((\w[\w./]*\.md)\)", PAGE)

    assert linked
    assert [page for page in linked if not (ROOT / "docs" / page).exists()] == []


def test_no_block_of_the_page_is_left_out() -> None:
    tested = {"yaml": 3, "python": 1, "text": 1, "make": 1, "sh": 1, "console": 1}

    assert {language: len(blocks(PAGE, language)) for language in tested} == tested
    assert PAGE.count("```") == 2 * sum(tested.values())
