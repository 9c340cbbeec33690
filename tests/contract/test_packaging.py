"""The wheel holds what the program needs, and works away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("gcsl_data", "gcsl_train", "templates", "schemas", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in PARTS:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = (folder / "dist").glob("gcsl-*.whl")
    return built


def test_every_module_template_and_schema_is_in_the_wheel(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    expected = {
        str(p.relative_to(REPOSITORY))
        for part in ("gcsl_data", "gcsl_train")
        for p in (REPOSITORY / part).rglob("*")
        if p.suffix in (".py", ".typed")
    }
    for part in ("templates", "schemas"):
        files = [path for path in (REPOSITORY / part).rglob("*") if path.is_file()]
        expected |= {f"gcsl_data/{path.relative_to(REPOSITORY)}" for path in files}
    assert names == expected
    assert {name for name in names if name.endswith(".j2")} >= {"gcsl_data/templates/code.j2"}
    assert {name for name in names if name.endswith(".json")} >= {"gcsl_data/schemas/manifest.schema.json"}
    assert {name for name in names if name.endswith(".toml")} >= {"gcsl_data/schemas/logs/mercury.toml"}


def test_the_wheel_carries_licence_and_programs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))

    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert "gcsl-data = gcsl_data.cli:main" in archive.read(entry_points).decode()


def test_an_installed_wheel_finds_its_templates_and_schemas_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(installed)
    (elsewhere / "templates").mkdir(parents=True)
    (elsewhere / "templates" / "theirs.j2").write_text("not ours")
    (installed / "templates").mkdir()
    (elsewhere / "log.csv").write_text("prompt,response,reward\n" + "".join(f"p{i},r{i},{i}\n" for i in range(20)))

    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "gcsl_data", *arguments, "--json"],
            cwd=elsewhere, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    where = subprocess.run(
        [sys.executable, "-c", "import gcsl_data; print(gcsl_data.__file__)"],
        cwd=elsewhere, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(installed)
    packaged = {p.stem: p.read_text(encoding="utf-8") for p in (REPOSITORY / "templates").glob("*.j2")}
    assert {card["name"]: card["text"] for card in run("templates")["templates"]} == packaged
    presets = {p.stem for p in (REPOSITORY / "schemas" / "logs").glob("*.toml")}
    assert {preset["name"] for preset in run("schema", "logs")["presets"]} == presets
    assert run("expand", "log.csv", "--template", "at_least")["output"] == "log-gcsl"
    assert run("check", "log-gcsl")["findings"] == []
