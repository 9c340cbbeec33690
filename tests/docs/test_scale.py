"""docs/scale.md: its lines are run, with the variables that Slurm and Kubernetes set, and make one and the same dataset.

Slurm, Kubernetes and KubeRay are not there: what they do around the lines is not tested.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.data.lives import hashes
from tests.data.support import make_rows, write_jsonl

from .blocks import ROOT, blocks, run

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
JOBS = SECTIONS["Several jobs, no cluster software"]
SMALL = "GCSL_OUTPUT_FRAGMENT_BYTES=20000 "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs as the page has them, and the dataset that a single command makes of them, as `whole`."""
    rows = make_rows([(i * 37 % 101) / 100 for i in range(2000)])
    write_jsonl(tmp_path / "logs.jsonl", rows)
    (tmp_path / "data" / "logs").mkdir(parents=True)
    run("gcsl-data ingest logs.jsonl -o data/logs/a.parquet", tmp_path)
    run(SMALL + "gcsl-data expand logs.jsonl --out whole", tmp_path)
    return tmp_path


def here(command: str) -> str:
    """A command of a cluster with its volume in this folder."""
    return SMALL + command.replace("/data/", "data/")


def test_jobs_by_hand_and_a_build_that_goes_on(folder: Path) -> None:
    for command in blocks(JOBS, "sh")[0].splitlines():
        run(SMALL + command, folder)
    assert hashes(folder / "big") == hashes(folder / "whole")
    shutil.rmtree(folder / "big")

    (command,) = blocks(SECTIONS["One machine"], "sh")
    run(SMALL + command.strip(), folder)
    assert hashes(folder / "big") == hashes(folder / "whole")


def test_an_array_of_slurm(folder: Path) -> None:
    (script,) = blocks(JOBS, "bash")
    jobs = int(re.findall(r"--array=1-(\d+)", script)[0])
    (line,) = re.findall(r"^srun (.*)\Z", script.replace("\\\n", ""), re.MULTILINE | re.DOTALL)
    (merge,) = re.findall(r'--wrap "([^"]*)"', JOBS)
    for number in range(1, jobs + 1):
        run(f"export SLURM_ARRAY_TASK_ID={number} SLURM_ARRAY_TASK_COUNT={jobs}; {here(line)}", folder)
    run(here(merge), folder)

    run(here('gcsl-data expand "/data/logs/*.parquet" -o /data/whole'), folder)
    assert hashes(folder / "data" / "big") == hashes(folder / "data" / "whole")


def test_an_indexed_job_of_kubernetes(folder: Path) -> None:
    (text,) = blocks(JOBS, "yaml")
    job: Any = yaml.safe_load(text)["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (line,) = container["args"]
    assert (container["command"], job["completionMode"]) == (["sh", "-c"], "Indexed")
    for index in range(job["completions"]):
        run(f"export JOB_COMPLETION_INDEX={index}; {here(line)}", folder)
    run("gcsl-data merge data/big", folder)

    run(here('gcsl-data expand "/data/logs/*.parquet" -o /data/whole'), folder)
    assert hashes(folder / "data" / "big") == hashes(folder / "data" / "whole")


def test_a_job_of_kuberay_is_a_command_of_ours() -> None:
    (text,) = blocks(SECTIONS["A Ray cluster"], "yaml")
    words = shlex.split(yaml.safe_load(text)["spec"]["entrypoint"])
    (command,) = [line for line in blocks(SECTIONS["A Ray cluster"], "sh")[0].splitlines() if line.startswith("gcsl")]

    assert words[:2] == shlex.split(command)[:2] == ["gcsl-data", "expand"]
    for given in (words, shlex.split(command)):
        run(shlex.join([*given, "--print-recipe"]), ROOT)  # all options are known
