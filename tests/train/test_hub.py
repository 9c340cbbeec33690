"""A model that is named by its hub id, out of a cache laid out as the hub's client does."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from gcsl_train.model import find
from gcsl_train.weights import weights_sha256

OWNER = {"tiny": "owner/tiny", "sharded": "owner/sharded", "ownerless": "ownerless"}


@pytest.fixture(scope="module")
def cache(model, tmp_path_factory):
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("hub")
    for name, hub_id in OWNER.items():
        snapshot = root / f"models--{hub_id.replace('/', '--')}" / "snapshots" / ("0" * 40)
        shutil.copytree(model, snapshot)
        if name == "sharded":
            (snapshot / "model.safetensors").unlink()
            AutoModelForCausalLM.from_pretrained(model).save_pretrained(snapshot, max_shard_size="20KB")
        refs = snapshot.parents[1] / "refs"
        refs.mkdir()
        (refs / "main").write_text("0" * 40)
    return root


def trainer(cache, *words):
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "gcsl_train", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", OWNER)
def test_a_cached_hub_model_trains_and_is_known_again_by_its_weights(dataset, cache, tmp_path, name):
    run, flags = tmp_path / "run", ("--max-length", 128, "--max-steps", 1)
    words = (dataset, "--model", OWNER[name], "--out", run, *flags)
    done = trainer(cache, *words)
    assert done.returncode == 0, done.stderr
    snapshot = next((cache / f"models--{OWNER[name].replace('/', '--')}" / "snapshots").iterdir())
    recorded = json.loads((run / "run.json").read_text())["model"]
    assert recorded == {"name": OWNER[name], "kind": "hub", "sha256": weights_sha256(find(str(snapshot)))}
    assert "already complete" in trainer(cache, *words, "--resume", "auto").stderr


def test_weights_that_are_not_all_in_the_cache_are_missed_and_not_taken_for_another_model(dataset, cache, tmp_path):
    words = (dataset, "--model", "owner/sharded", "--out", tmp_path / "run", "--max-length", 128, "--max-steps", 1)
    assert trainer(cache, *words).returncode == 0
    shutil.copytree(cache, tmp_path / "hub")
    next(tmp_path.glob("hub/models--owner--sharded/snapshots/*/model-00002*")).unlink()
    done = trainer(tmp_path / "hub", *words, "--resume", "auto")
    assert done.returncode == 66
    assert 'cannot load the weights of "owner/sharded"' in done.stderr
