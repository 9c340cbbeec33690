"""docs/builders.md: every command prints what stands there, and every builder and setting is on the page."""

import re
from pathlib import Path

from gcsl_data.stages.builders.registry import BUILDERS
from gcsl_data.stages.builders.settings import BuildStage
from gcsl_data.stages.formulations import FORMULATIONS

from .blocks import ROOT, blocks, lines, run, session

PAGE = (ROOT / "docs" / "builders.md").read_text(encoding="utf-8")


def test_the_page_prints_what_the_program_prints(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    steps = [step for block in blocks(PAGE, "console") for step in session(block)]

    assert steps
    for command, expected in steps:
        assert lines(run(command, tmp_path)) == lines(expected)


def test_every_builder_stands_in_the_table_with_its_kind() -> None:
    rows = dict(re.findall(r"^\| `([a-z][a-z-]+)` \| [^|]+ \| ([a-z-]+) \|", PAGE, re.MULTILINE))

    assert rows == {name: FORMULATIONS[name].kind for name in BUILDERS}


def test_every_setting_is_on_the_page() -> None:
    for name in BuildStage.model_fields:
        assert f"build.{name}" in PAGE or f"--{name.replace('_', '-')}" in PAGE
