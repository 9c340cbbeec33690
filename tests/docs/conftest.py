"""The tiny model that the README's Python block runs on."""

from pathlib import Path

import pytest

from tests.train.support import make_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "tiny")
