"""Sharded runs (FSDP2) on two CPU processes give the numbers of one process, and their files are those of any run."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.train.support import command, make_kind_dataset, make_model, metrics
from tests.train.test_processes import ENVIRONMENT, start

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = ("--max-length", "128", "--packs-per-step", "3", "--max-steps", "5", "--learning-rate", "5e-3")
SHARDED = {**ENVIRONMENT, "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "gcsl_train")


def sharded(*words, env=SHARDED):
    process = start(*LAUNCHER, *words, env=env)
    _, err = process.communicate(timeout=180)
    return process.returncode, err


def same(one, two):
    assert [line["tokens"] for line in two] == [line["tokens"] for line in one]
    for field in ("loss", "grad_norm", "entropy", "token_accuracy"):
        assert [line[field] for line in two] == pytest.approx([line[field] for line in one], rel=1e-5), field


def test_a_sharded_run_is_that_of_one_process_and_either_goes_on_from_the_other(dataset, model, tmp_path):
    words = (dataset, "--model", model, *FLAGS, "--save-every", 3)
    assert command(*words, "--out", tmp_path / "one") == 0
    status, err = sharded(*words, "--out", tmp_path / "two")
    assert status == 0, err
    assert "2 processes, sharded" in err
    one = metrics(tmp_path / "one")
    same(one, metrics(tmp_path / "two"))
    adapters = [load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("one", "two")]
    assert {n: (t.shape, t.dtype) for n, t in adapters[0].items()} == {
        n: (t.shape, t.dtype) for n, t in adapters[1].items()
    }
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name / "checkpoints" / "step-5")
    assert command(*words, "--out", tmp_path / "two", "--resume", "auto") == 0
    status, err = sharded(*words, "--out", tmp_path / "one", "--resume", "auto")
    assert status == 0, err
    assert "resuming after step 3" in err
    same(one, metrics(tmp_path / "two"))
    same(one, metrics(tmp_path / "one"))


@pytest.mark.parametrize("kind", ["goal tokens", "dpo", "kl", "checkpointing"])
def test_what_else_a_run_may_have(kind, dataset, model, token_dataset, tmp_path):
    words = [dataset, "--model", model]
    if kind == "goal tokens":
        words = [token_dataset, "--model", make_model(tmp_path / "tied", family="qwen3", tie_word_embeddings=True)]
    elif kind == "dpo":
        words = [make_kind_dataset(tmp_path / "pairs", "pairs"), "--model", model, "--loss", "dpo"]
    elif kind == "kl":
        words += ["--loss", "kl"]
    else:
        words += ["--gradient-checkpointing"]
    assert command(*words, *FLAGS, "--out", tmp_path / "one") == 0
    status, err = sharded(*words, *FLAGS, "--out", tmp_path / "two")
    assert status == 0, err
    same(metrics(tmp_path / "one"), metrics(tmp_path / "two"))


def test_the_first_version_of_fsdp_is_refused(dataset, model, tmp_path):
    status, err = sharded(
        dataset, "--model", model, *FLAGS, "--out", tmp_path / "run", env={**SHARDED, "FSDP_VERSION": "1"}
    )
    assert status != 0
    assert "set fsdp_version: 2" in err


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_the_shipped_configs_start_such_a_run(name, dataset, model, tmp_path):
    words = (dataset, "--model", model, *FLAGS)
    assert command(*words, "--out", tmp_path / "one") == 0
    config = REPOSITORY / "examples" / "accelerate" / f"{name}.yaml"
    launcher = ("-m", "accelerate.commands.launch", "--config_file", config, "--num_processes", 2, "-m", "gcsl_train")
    process = start(*launcher, *words, "--out", tmp_path / "two", env=ENVIRONMENT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert ("2 processes, sharded" if name == "fsdp2" else "2 processes, ") in err
    assert ("sharded" in err) == (name == "fsdp2")
    same(metrics(tmp_path / "one"), metrics(tmp_path / "two"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--loss", "kto"), "loss 'kto' takes passes that differ between ranks, so it cannot be sharded"),
        (("--set", "model.quantize=4bit"), "a model in four bits cannot be sharded"),
    ],
)
def test_what_cannot_be_sharded_is_refused(flags, said, model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    data = make_kind_dataset(tmp_path / "data", "unpaired")
    loss = () if "--loss" in flags else ("--loss", "kto")
    assert command(data, "--model", model, "--out", tmp_path / "run", *loss, *flags) == 2
    assert said in capsys.readouterr().err
