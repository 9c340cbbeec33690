"""What a run is said to take, held against what a real model of the same kind holds."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from gcsl_train import config, estimate
from gcsl_train import model as models
from gcsl_train.estimate import NAME
from gcsl_train.policy import Policy
from tests.train.support import command, make_dataset, make_model, make_rows, make_token_dataset

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
LENGTH, SUPERVISED = 64, 20
CPU = torch.device("cpu")


def settings(model, **flags):
    return config.resolve(None, {"DIR": "-", "model": str(model), "out": "-", "max-length": LENGTH, **flags}, ())


def really_kept(model, dtype):
    """Bytes that autograd keeps of one pack through real weights, parameters not counted, with the same attention."""
    estimate._register()
    source = models.find(str(model))
    base = models.load_model(source, dtype=dtype, attention=NAME)
    policy = Policy(models.add_lora(base, config.Lora(), name=base.name_or_path, seed=0), compute=dtype)
    own = {p.untyped_storage().data_ptr() for p in policy.parameters()}
    kept = {}

    def keep(tensor):
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor.untyped_storage()  # kept alive, so that no place is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy(estimate._batch(LENGTH, SUPERVISED))
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations_are_those_that_a_real_pack_keeps(family, dtype, tmp_path):
    model = make_model(tmp_path / "model", family=family)
    found = estimate.estimate(
        settings(model), models.find(str(model)), device=CPU, dtype=dtype, supervised=SUPERVISED, goals=None
    )
    assert found.memory.activations == really_kept(model, dtype)


def test_weights_gradients_and_moments_are_those_of_a_run(model, tmp_path):
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    assert command(dataset, "--model", model, "--out", tmp_path / "run", "--max-steps", 1, "--max-length", LENGTH) == 0
    memory = estimate.estimate(
        settings(model), models.find(str(model)), device=CPU, dtype=torch.float32, supervised=SUPERVISED, goals=None
    ).memory

    def size(path):
        return sum(t.numel() * t.element_size() for t in load_file(path).values())

    step = tmp_path / "run" / "checkpoints" / "step-1"
    weights = size(step / "adapter_model.safetensors")
    counters = sum(t.numel() * 4 for n, t in load_file(step / "optimizer.safetensors").items() if n.endswith("/step"))
    assert memory.adapter == memory.gradients == weights
    assert memory.optimizer == size(step / "optimizer.safetensors") - counters
    assert memory.base == size(model / "model.safetensors")
    assert memory.total == sum(v for v in dataclasses.asdict(memory).values())


def test_activations_grow_with_the_pack_and_shrink_with_checkpointing(model):
    source = models.find(str(model))

    def activations(**flags):
        chosen = settings(model, **flags)
        return estimate.estimate(
            chosen, source, device=CPU, dtype=torch.float32, supervised=8, goals=None
        ).memory.activations

    once = activations()
    assert 1.9 * once < activations(**{"max-length": 2 * LENGTH}) < 2.1 * once
    assert activations(**{"gradient-checkpointing": True}) < 0.7 * once


def test_the_plan_says_what_a_run_takes_on_a_gpu(model, tmp_path, capsys):
    dataset = make_token_dataset(tmp_path / "data")
    flags = ["--model", model, "--max-length", LENGTH, "--epochs", 2]
    assert command("plan", dataset, *flags, "--gpu", "h100", "--mfu", 0.5, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == pytest.approx(found["flops"] / (0.5 * 989.4e12))
    assert found["gpu_memory"] == 80 * 10**9
    assert found["memory"]["total"] == sum(v for k, v in found["memory"].items() if k != "total")
    assert command("plan", dataset, *flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("memory    0.8 MB: base 0.2 MB (float32), adapter with its optimizer 0.3 MB")
    assert lines[-1].endswith("FLOPs; --gpu NAME says how long that is")


def test_a_run_that_will_not_fit_is_told_so(model, tmp_path, capsys, monkeypatch):
    from gcsl_train import flops

    monkeypatch.setitem(flops.GPUS, "A10", flops.Gpu(flops_per_s=1e12, memory=10**5))
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    assert command("plan", dataset, "--model", model, "--max-length", LENGTH, "--gpu", "NVIDIA A10") == 0
    assert (
        "A10 has 0.1 MB; it will not fit: --gradient-checkpointing, or a smaller --max-length"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--gpu", "H20O"), "unknown GPU 'H20O'; did you mean 'H200'?"),
        (("--gpu", "rtx4090"), "unknown GPU 'rtx4090'; did you mean 'RTX 4090'?"),
        (("--mfu", 0), "--mfu must be above 0"),
    ],
)
def test_what_is_no_gpu_or_no_share_is_refused(flags, said, model, tmp_path, capsys):
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    assert command("plan", dataset, "--model", model, *flags) == 2
    assert said in capsys.readouterr().err


def family(folder, kind, **options):
    """A model folder without weights, of a family of transformers."""
    from transformers import AutoConfig

    sizes = {"vocab_size": 421, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": None}
    make_model(folder)
    (folder / "model.safetensors").unlink()
    AutoConfig.for_model(kind, **{**sizes, "pad_token_id": None, **options}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_mixture_of_experts_has_memory_but_no_time(dtype, tmp_path, capsys):
    model = family(tmp_path / "moe", "mixtral", num_local_experts=4)
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    flags = ["--max-length", LENGTH, "--set", f"model.dtype={dtype}", "--gpu", "H200"]
    assert command("plan", dataset, "--model", model, *flags) == 0
    assert capsys.readouterr().out.endswith("time      cannot be told for a mixture of experts\n")


@pytest.mark.parametrize("kind", ["falcon", "llama4_text"])
def test_a_family_that_cannot_be_trained_has_no_plan(kind, tmp_path, capsys):
    model = family(tmp_path / "model", kind)
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    assert command("plan", dataset, "--model", model, "--max-length", LENGTH) == 2
    assert "error[GT0204]: this model family cannot be trained here" in capsys.readouterr().err


def test_a_quantized_file_has_no_plan_in_four_bits(tmp_path, capsys):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    dataset = make_dataset(tmp_path / "data", make_rows(24))
    assert command("plan", dataset, "--model", tmp_path / "m.gguf", "--set", "model.quantize=4bit") == 2
    assert "m.gguf is quantized already" in capsys.readouterr().err
