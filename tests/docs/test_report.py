"""docs/report.md: its commands write what they name, its table has the sections of the page, its pictures are small."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

from gcsl_data.audit.report.page import report_html
from tests.data.report_support import shown, stats

from .blocks import ROOT, blocks, run

PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")


def test_its_commands_write_the_files_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]

    assert commands
    for command in commands:
        run(command, tmp_path)
        words = shlex.split(command)
        for flag, name in pairwise(words):
            if flag in ("--html", "--plot"):
                assert (tmp_path / name).stat().st_size > 1000


def test_its_table_has_the_sections_of_the_page_in_order() -> None:
    sections = re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', report_html(stats(), shown()))

    assert re.findall(r"^\| ([A-Z][^|]*?) \|", PAGE, re.MULTILINE) == sections


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"\]\(([\w-]+\.png)\)", PAGE)

    assert pictures
    for name in pictures:
        assert (ROOT / "docs" / name).stat().st_size < 150_000
