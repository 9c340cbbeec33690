"""docs/logs.md: every preset is on the page with its source and licence, and what stands under "becomes" is what becomes."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import polars as pl
import pytest

from gcsl_data.presets import Preset, presets
from tests.data.support import gcsl_data

from .blocks import ROOT, blocks

PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `?([^`\n]+)`?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
del SECTIONS["All shapes"]
TEN_LINES = "Your own in ten lines"
OWN = (TEN_LINES, "Two answers and a winner", "A chat with thumbs", "Reply trees")
_LOG = re.compile(r"^`([\w.]+)`(?: \(with `([^`]+)`\))?\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BECOMES = re.compile(r"becomes\n\n```jsonl\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_preset_is_on_the_page_with_its_source_and_licence() -> None:
    assert [name for name in SECTIONS if name not in OWN] == [preset.name for preset in presets()]
    for preset in presets():
        text = " ".join(SECTIONS[preset.name].split())
        assert any(url.rstrip("/,;") in text for url in re.findall(r"https://\S+", preset.source)), preset.name
        assert re.split("[;,]", preset.licence)[0] in text, preset.name


@pytest.mark.parametrize("name", SECTIONS)
def test_a_log_becomes_what_the_page_says(name: str, tmp_path: Path) -> None:
    logs = _LOG.findall(SECTIONS[name])
    for file, _, content in logs:
        (tmp_path / file).write_text(content, encoding="utf-8")
    (tmp_path / "mine.toml").write_text("\n".join(blocks(SECTIONS[name], "toml")), encoding="utf-8")
    (file, flags, _), (becomes,) = logs[0], _BECOMES.findall(SECTIONS[name])
    preset = "mine.toml" if name in OWN else name

    outcome = gcsl_data("ingest", file, "--preset", preset, *shlex.split(flags), "-o", "out.parquet", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    records = pl.read_parquet(tmp_path / "out.parquet").select("prompt", "response", "reward").to_dicts()
    assert records == [json.loads(line) for line in becomes.splitlines()]


def test_an_own_preset_has_about_ten_lines() -> None:
    (text,) = blocks(SECTIONS[TEN_LINES], "toml")

    assert len([line for line in text.splitlines() if line]) <= 10
    assert tomllib.loads(text)["log"]["title"]


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_the_log_of_a_preset_is_known_by_its_columns(preset: Preset, tmp_path: Path) -> None:
    file, _, content = _LOG.findall(SECTIONS[preset.name])[0]
    (tmp_path / file).write_text(content, encoding="utf-8")

    outcome = gcsl_data("expand", file, cwd=tmp_path)

    assert outcome.status == 65
    assert f"--preset {preset.name}" in outcome.errors[0]
