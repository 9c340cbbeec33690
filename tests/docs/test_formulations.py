"""docs/formulations.md is made by the program: what each formulation emits, how many rows, and every command on the page."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from gcsl_data.build import build
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve
from gcsl_data.stages.formulations import FORMULATIONS

from .blocks import ROOT, blocks, lines, run, session

PAGE = (ROOT / "docs" / "formulations.md").read_text(encoding="utf-8")
FIVE = blocks(PAGE, "json")[0]
NAMES = [name for name, formulation in FORMULATIONS.items() if formulation.builder is None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "five.jsonl").write_text(FIVE, encoding="utf-8")
    return tmp_path


def rows_of(log: Path, formulation: str, **settings: str) -> pl.DataFrame:
    flags = {"goals.formulation": formulation} | {name.replace("__", "."): value for name, value in settings.items()}
    logs = find_logs([str(log)])
    out = log.with_name(f"{formulation}-{len(list(log.parent.iterdir()))}")
    build(make_plan(logs, resolve(flags=flags, environment={})[0]), LocalEngine(logs), out)
    return pl.concat(pl.read_ipc(out / shard.name) for shard in load(out).shards)


def test_what_each_formulation_emits(folder: Path) -> None:
    emitted = []
    for name in NAMES:
        for at, row in enumerate(rows_of(folder / "five.jsonl", name).to_dicts()):
            embedded = f"; the trainer embeds the reward {row['reward']}" if name == "reward-embedding" else ""
            goal = row["goal"] or f"(no goal{embedded})"
            emitted.append(f"{name if at == 0 else '':<16}  {row['row']}  {goal}")

    assert blocks(PAGE, "text")[0].splitlines() == emitted


def test_how_many_rows_fixture_a_gives(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "response": "r", "reward": i / 100} for i in range(100)]
    log = tmp_path / "a.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = {name: int(count) for name, count in re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", PAGE, re.MULTILINE)}

    assert table == {name: rows_of(log, name).height for name in NAMES}
    assert "= 300 |" in PAGE
    assert rows_of(log, "gcsl-bey-nl", goals__filter="none").height == 300


def test_every_command_prints_what_the_page_says(folder: Path) -> None:
    shutil.copytree(ROOT / "examples", folder / "examples")
    steps = [step for block in blocks(PAGE, "console") for step in session(block)]
    assert len(steps) == 8

    for command, expected in steps:
        assert lines(run(command, folder)) == lines(expected), command


def test_every_flag_on_the_page_exists(folder: Path) -> None:
    known = re.findall(r"--[a-z-]+", run("gcsl-data expand --help", folder) + run("gcsl-data goal --help", folder))

    assert sorted(set(re.findall(r"--[a-z]+[a-z-]*", PAGE)) - set(known)) == []
