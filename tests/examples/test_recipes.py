"""examples/recipes: each file says how the data is made and how it is trained on, and both programs do what it says."""

import json
import tomllib
from pathlib import Path

import pytest

from gcsl_data import recipe as recipes
from gcsl_data.dataset.manifest import load
from gcsl_train import config
from gcsl_train.losses import LOSSES
from tests.data.support import gcsl_data
from tests.train.support import command, make_model, metrics

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "examples" / "recipes").glob("*.toml"))
LOG = ROOT / "examples" / "code_efficiency" / "logs.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny", max_position_embeddings=16_384)


def test_either_program_knows_the_other_ones_parts() -> None:
    assert set(recipes.TRAINER_PARTS) == set(config.PARTS)
    assert set(config.RECIPE_PARTS) == {"log", "check", *(stage for stage, _ in recipes.Recipe())}


def test_every_loss_has_a_recipe() -> None:
    used = {tomllib.loads(file.read_text())["loss"]["name"] for file in FILES if "[loss]" in file.read_text()} | {"sft"}

    assert used >= set(LOSSES) - {"iw-sft-token"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recipe_makes_its_dataset_and_trains_on_it(file: Path, model: Path, tmp_path: Path) -> None:
    said = tomllib.loads(file.read_text())

    outcome = gcsl_data("expand", LOG, "--recipe", file, "-o", "data", cwd=tmp_path)
    assert outcome.status == 0, outcome.err
    assert load(tmp_path / "data").formulation == said["goals"]["formulation"]
    sizes = ("--max-steps", 1, "--max-length", 16_384, "--packs-per-step", 1)
    assert command(tmp_path / "data", "--model", model, "--config", file, "--out", tmp_path / "run", *sizes) == 0

    (step,) = metrics(tmp_path / "run")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert step["supervised_tokens"] > 0
    assert run["config"]["lora"]["rank"] == 13
    assert run["config"]["loss"]["name"] == said.get("loss", {}).get("name", "sft")


def test_a_typo_in_either_half_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('[goals]\nformulation = "sft"\n[lorra]\nrank = 2\n')

    outcome = gcsl_data("expand", LOG, "--recipe", "my.toml", "-o", "data", cwd=tmp_path)

    assert outcome.status == 78
    assert "no part 'lorra'" in outcome.errors[0]
    assert command("data", "--model", model, "--config", tmp_path / "my.toml", "--out", tmp_path / "run") == 2
