"""`make compare` on a tiny model: two methods, from the log to their lines of the table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.support import make_model

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny", max_position_embeddings=16_384)


def test_one_table_has_a_line_for_each_method(model: Path, tmp_path: Path) -> None:
    sizes = ("--steps", "2", "--max-length", "4096", "--records", "3", "--out", str(tmp_path / "out"))
    words = (sys.executable, ROOT / "scripts" / "compare", "--model", model, "--recipes", "gcsl-bey-nl,dpo", *sizes)

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["untrained", "gcsl-bey-nl", "dpo"]
    _, goals, pairs = json.loads((tmp_path / "out" / "table.json").read_text())
    assert goals["gap"] == pytest.approx(goals["lowest"] - goals["highest"])
    assert pairs["first_loss"] == pytest.approx(0.6931, abs=1e-4)  # log 2: at first the model is its own reference
    assert pairs["gap"] is None


def test_what_cannot_be_compared_is_said_in_a_line(tmp_path: Path) -> None:
    words = (sys.executable, ROOT / "scripts" / "compare", "--model", tmp_path / "none", "--out")
    for folder, status, said in ((tmp_path, 2, "cannot be made: File exists"), (tmp_path / "out", 1, "none")):
        done = subprocess.run([*words, folder], capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
