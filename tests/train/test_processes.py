"""What needs processes of its own: several ranks, signals, and imports in a fresh interpreter."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from .support import command, make_model, metrics

FLAGS = ("--max-length", "128", "--packs-per-step", "3", "--max-steps", "7", "--learning-rate", "5e-3")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}


def start(*words, env=ENVIRONMENT):
    return subprocess.Popen(
        [sys.executable, *map(str, words)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_two(*words):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    return start(*launcher, "-m", "gcsl_train", *words)


def test_two_processes_give_the_losses_of_one_from_the_start_and_from_its_checkpoint(dataset, model, tmp_path):
    words = (dataset, "--model", model, *FLAGS, "--save-every", 3)
    assert command(*words, "--out", tmp_path / "one") == 0
    shutil.copytree(tmp_path / "one", tmp_path / "onward")
    shutil.rmtree(tmp_path / "onward" / "checkpoints" / "step-7")
    one = metrics(tmp_path / "one")
    for name, flags in (("two", ()), ("onward", ("--resume", "auto"))):
        process = start_two(*words, "--out", tmp_path / name, *flags)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "2 processes" in err
        assert ("resuming after step 6" in err) == (name == "onward")
        assert out == f"{tmp_path / name}\n"
        two = metrics(tmp_path / name)
        assert [line["tokens"] for line in two] == [line["tokens"] for line in one]
        for field in ("loss", "grad_norm", "entropy", "token_accuracy"):
            assert [line[field] for line in two] == pytest.approx([line[field] for line in one], rel=1e-5), field


def test_two_processes_train_the_rows_of_goal_tokens_as_one_does(token_dataset, tmp_path):
    model = make_model(tmp_path / "tied", family="qwen3", tie_word_embeddings=True)
    words = (token_dataset, "--model", model, *FLAGS)
    assert command(*words, "--out", tmp_path / "one") == 0
    process = start_two(*words, "--out", tmp_path / "two")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    one, two = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-4)
    assert any("trainable_tokens" in name for name in one)


def test_two_processes_train_the_reward_embedding_as_one_does(reward_dataset, model, tmp_path):
    """Seven steps of three packs: at each one rank has a pack less, and at the last of an epoch one may have none."""
    words = (reward_dataset, "--model", model, *FLAGS)
    assert command(*words, "--out", tmp_path / "one") == 0
    process = start_two(*words, "--out", tmp_path / "two")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    one, two = (load_file(tmp_path / name / "adapter" / "reward_embedding.safetensors") for name in ("one", "two"))
    assert sorted(one) == ["deviation", "first.bias", "first.weight", "mean", "second.bias", "second.weight"]
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-4)
    assert [line["loss"] for line in metrics(tmp_path / "two")] == pytest.approx(
        [line["loss"] for line in metrics(tmp_path / "one")], rel=1e-5
    )


def test_a_launcher_that_starts_one_process_for_two_is_caught(dataset, model, tmp_path):
    launcher = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2")
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "ACCELERATE_USE_CPU"}
    process = start(
        *launcher, "-m", "gcsl_train", dataset, "--model", model, "--out", tmp_path / "run", env=environment
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "error[GT0211]: several processes were asked for but only one was started" in err
    assert not (tmp_path / "run").exists()


def test_accelerate_launch_starts_the_trainer(dataset, model, tmp_path):
    launcher = ("-m", "accelerate.commands.launch", "--num_processes", "1", "--cpu")
    process = start(*launcher, "-m", "gcsl_train", dataset, "--model", model, "--out", tmp_path / "run", *FLAGS)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(metrics(tmp_path / "run")) == 7


LONG = (
    "--max-length",
    "128",
    "--packs-per-step",
    "1",
    "--max-steps",
    "60",
    "--learning-rate",
    "5e-3",
    "--save-every",
    "1",
)


@pytest.fixture(scope="module")
def whole(dataset, model, tmp_path_factory):
    """An uninterrupted run."""
    path = tmp_path_factory.mktemp("whole") / "run"
    process = start("-m", "gcsl_train", dataset, "--model", model, "--out", path, *LONG)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return path


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_run_continues_as_if_it_had_not_been(dataset, model, whole, tmp_path, number, status):
    cut = tmp_path / "cut"
    words = ("-m", "gcsl_train", dataset, "--model", model, "--out", cut, *LONG)
    process = start(*words)
    while process.poll() is None and not list(cut.glob("checkpoints/step-*")):
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert not (cut / "adapter").exists()
    if number != signal.SIGKILL:
        done = len(metrics(cut))
        assert 1 <= done < 60
        assert (cut / "checkpoints" / f"step-{done}").is_dir()
    process = start(*words, "--resume", "auto")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    losses = [[(line["step"], line["loss"], line["grad_norm"]) for line in metrics(run)] for run in (cut, whole)]
    assert losses[0] == losses[1]
    for name in ("adapter/adapter_model.safetensors", "checkpoints/step-60/optimizer.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert sorted(p.name for p in (cut / "checkpoints").iterdir()) == ["step-59", "step-60"]


def imported_by(code):
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_the_package_loads_nothing_heavy():
    assert not {"torch", "transformers", "polars", "pyarrow", "typer", "numpy"} & imported_by("import gcsl_train")


def test_the_command_line_loads_nothing_heavy_before_a_command_runs():
    heavy = {"torch", "transformers", "polars", "pyarrow", "peft", "accelerate", "numpy"}
    assert not heavy & imported_by("import gcsl_train.__main__")


def test_the_trainer_needs_no_polars_and_only_its_command_line_needs_typer():
    modules = "session, preview, answer, adapter, generate"
    loaded = imported_by(f"from gcsl_train import {modules}")
    assert not {"polars", "typer", "datasets", "trl"} & loaded
