"""The README is run: its console blocks print what it says, its Python block works on a real (tiny) model."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def _session(block: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with the output below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]


def _run(command: str, folder: Path) -> str:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _lines(text: str) -> list[str]:
    return sorted(line.rstrip() for line in text.strip().splitlines())


def test_console_blocks_print_what_the_readme_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    sessions = [step for block in _blocks("console") for step in _session(block)]
    assert len(sessions) >= 3

    for command, expected in sessions:
        # Talk and data go to two streams, so their order is not compared.
        assert _lines(_run(command, tmp_path)) == _lines(expected), command


def test_the_template_in_the_readme_renders(tmp_path: Path) -> None:
    (tmp_path / "rated.j2").write_text(_blocks("jinja")[0], encoding="utf-8")
    rows = "".join(f'{{"prompt": "p{i}", "response": "r", "reward": {1 + i % 5}}}\n' for i in range(50))
    (tmp_path / "ratings.jsonl").write_text(rows, encoding="utf-8")

    _run("gcsl-data expand ratings.jsonl --template rated.j2", tmp_path)

    assert "is rated 5 or better, on a scale from 1 to 5." in _run("gcsl-data goal ratings-gcsl", tmp_path)


def test_every_file_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`((?:gcsl_data|gcsl_train|templates|schemas|examples|docs|tests)/[\w./]+)`", README))
    linked = set(re.findall(r"\]\((\w[\w./]*\.md)\)", README))

    assert [path for path in sorted(named | linked) if not (ROOT / path).exists()] == []


def test_every_command_is_mentioned() -> None:
    from gcsl_data.cli import app

    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert [name for name in names if f"gcsl-data {name}" not in README] == []


@pytest.mark.parametrize("block", _blocks("python"))
def test_the_python_block_answers_with_a_trained_adapter(block: str, tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    _run("gcsl-data expand examples/code_efficiency/logs.parquet --template code.j2", tmp_path)
    _run(f"python -m gcsl_train logs-gcsl --model {tiny_model} --out run --max-steps 1 --max-length 1024", tmp_path)
    script = block.replace("HuggingFaceTB/SmolLM2-135M-Instruct", str(tiny_model))
    (tmp_path / "app.py").write_text(script, encoding="utf-8")

    _run("python app.py", tmp_path)
