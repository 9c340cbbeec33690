"""The README is run: its console blocks print what it says, its Python block works on a real (tiny) model."""

import re
import shutil
from pathlib import Path

import pytest

from .blocks import ROOT, blocks, lines, run, session

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_console_blocks_print_what_the_readme_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    sessions = [step for block in blocks(README, "console") for step in session(block)]
    assert len(sessions) >= 3

    for command, expected in sessions:
        # Talk and data go to two streams, so their order is not compared.
        assert lines(run(command, tmp_path)) == lines(expected), command


def test_the_template_in_the_readme_renders(tmp_path: Path) -> None:
    (tmp_path / "rated.j2").write_text(blocks(README, "jinja")[0], encoding="utf-8")
    rows = "".join(f'{{"prompt": "p{i}", "response": "r", "reward": {1 + i % 5}}}\n' for i in range(50))
    (tmp_path / "ratings.jsonl").write_text(rows, encoding="utf-8")

    run("gcsl-data expand ratings.jsonl --template rated.j2", tmp_path)

    assert "is rated 5 or better, on a scale from 1 to 5." in run("gcsl-data goal ratings-gcsl", tmp_path)


def test_every_file_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`((?:gcsl_data|gcsl_train|templates|schemas|examples|docs|tests)/[\w./]+)`", README))
    linked = set(re.findall(r"\]\((\w[\w./]*\.md)\)", README))

    assert [path for path in sorted(named | linked) if not (ROOT / path).exists()] == []


def test_every_command_is_mentioned() -> None:
    from gcsl_data.cli import app

    names = [command.callback.__name__ for command in app.registered_commands if command.callback]
    assert [name for name in names if f"gcsl-data {name}" not in README] == []


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_the_python_block_answers_with_a_trained_adapter(block: str, tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run("gcsl-data expand examples/code_efficiency/logs.parquet --template code.j2", tmp_path)
    run(f"python -m gcsl_train logs-gcsl --model {tiny_model} --out run --max-steps 1 --max-length 1024", tmp_path)
    script = block.replace("HuggingFaceTB/SmolLM2-135M-Instruct", str(tiny_model))
    (tmp_path / "app.py").write_text(script, encoding="utf-8")

    run("python app.py", tmp_path)
