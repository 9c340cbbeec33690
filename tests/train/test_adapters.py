"""Adapters of other kinds: DoRA, and LoRA on a base in four bits (QLoRA)."""

import importlib.util
import json

import pytest
import torch
from safetensors.torch import load_file

from tests.train.support import TIMED, command, make_dataset, make_model, make_rows, metrics

SIZES = ("--max-length", 96, "--packs-per-step", 2, "--learning-rate", 1e-2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("adapters") / "data", make_rows(24))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model whose layers have at least the 64 weights in a row that share a scale in four bits."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.1}
    return make_model(tmp_path_factory.mktemp("wide") / "wide", **sizes)


def lines(run):
    return [{k: v for k, v in line.items() if k not in TIMED} for line in metrics(run)]


def trained(dataset, model, out, *flags):
    assert command(dataset, "--model", model, "--out", out, *SIZES, *flags) == 0
    return lines(out)


DORA, FOUR = ("--set", "lora.dora=true"), ("--set", "model.quantize=4bit")
KINDS = {"dora": DORA, "4bit": FOUR, "both": (*DORA, *FOUR)}


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_a_resumed_run_is_the_uninterrupted_one(kind, dataset, wide, tmp_path):
    whole = trained(dataset, wide, tmp_path / "whole", "--max-steps", 6, *KINDS[kind], "--save-every", 3)
    assert whole[-1]["loss"] < 0.9 * whole[0]["loss"]
    adapter = (tmp_path / "whole" / "adapter" / "adapter_model.safetensors").read_bytes()
    checkpoint = tmp_path / "whole" / "checkpoints" / "step-3"
    flags = ("--max-steps", 6, *KINDS[kind], "--save-every", 3, "--resume", checkpoint)
    assert trained(dataset, wide, tmp_path / "whole", *flags) == whole
    assert (tmp_path / "whole" / "adapter" / "adapter_model.safetensors").read_bytes() == adapter


def test_dora_learns_the_length_of_columns(dataset, wide, tmp_path):
    trained(dataset, wide, tmp_path / "run", "--max-steps", 2, *KINDS["dora"])
    trained(dataset, wide, tmp_path / "still", "--max-steps", 2, *KINDS["dora"], "--learning-rate", 0)
    found, still = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("run", "still"))
    magnitudes = [name for name in found if "magnitude" in name]
    assert len(magnitudes) == 14  # seven layers of each of two blocks
    for name in magnitudes:
        assert found[name].dtype == torch.float32
        assert not torch.equal(found[name], still[name])


@pytest.mark.parametrize("kind", ["dora", "4bit"])
def test_it_answers_is_evaluated_and_merged(kind, dataset, wide, tmp_path, capsys):
    trained(dataset, wide, tmp_path / "run", "--max-steps", 30, *KINDS[kind])
    (tmp_path / "prompts.txt").write_text("Say the next word after red\n")
    assert command("merge", tmp_path / "run", "--model", wide, "--out", tmp_path / "merged") == 0
    answers, losses = [], []
    asked = ["--prompts", tmp_path / "prompts.txt", "--temperature", 0, "--max-new-tokens", 8]
    models = {"run": [tmp_path / "run", "--model", wide], "merged": ["--model", tmp_path / "merged"]}
    for which in (*models.values(), ["--model", wide]):
        capsys.readouterr()
        # A run has its own goals; a plain model takes those of the dataset.
        assert command("generate", *which, *([] if which == models["run"] else ["--data", dataset]), *asked) == 0
        answers.append(json.loads(capsys.readouterr().out)["response"])
        assert command("evaluate", *which, "--data", dataset, "--split", "train", "--json") == 0
        losses.append(json.loads(capsys.readouterr().out)["goals"][0]["loss"])
    run, merged, base = losses
    assert run < 0.8 * base
    if kind == "dora":
        assert answers[0] == answers[1]
    # Four bits are a rounding of the base, which merging does not do.
    assert merged == pytest.approx(run, rel=1e-4 if kind == "dora" else 0.2)


def test_the_weights_of_the_body_take_four_bits(wide):
    from gcsl_train import model as models

    source = models.find(str(wide))
    found = models.load_model(source, dtype=torch.float32, attention="sdpa", quantize="4bit")
    layer = found.model.layers[0].mlp.up_proj.weight
    assert layer.dtype == torch.uint8
    assert layer.numel() == 64 * 128 // 2
    assert found.lm_head.weight.dtype == torch.float32


def test_what_cannot_be_quantized_is_refused_before_anything_is_loaded(dataset, wide, tmp_path, capsys, monkeypatch):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    flags = ["--out", tmp_path / "run", *KINDS["4bit"]]
    assert command(dataset, "--model", tmp_path / "m.gguf", *flags) == 2
    assert "m.gguf is quantized already" in capsys.readouterr().err
    real = importlib.util.find_spec
    monkeypatch.setattr("gcsl_train.model.find_spec", lambda name: None if name == "bitsandbytes" else real(name))
    assert command(dataset, "--model", wide, *flags) == 2
    assert "pip install 'gcsl[qlora]'" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_kind(dataset, wide, tmp_path, capsys):
    trained(dataset, wide, tmp_path / "run", "--max-steps", 2)
    for kind, said in (("dora", "lora_dora False then, True now"), ("4bit", "quantize 'none' then, '4bit' now")):
        flags = ["--model", wide, "--out", tmp_path / "run", *SIZES, "--max-steps", 2, *KINDS[kind], "--resume", "auto"]
        assert command(dataset, *flags) == 65
        assert said in capsys.readouterr().err
