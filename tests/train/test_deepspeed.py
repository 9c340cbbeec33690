"""Runs whose frozen weights DeepSpeed spreads over two CPU processes give the numbers of one, and files of any run."""

import json
import os
import shutil
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.train.support import (
    command,
    make_dataset,
    make_kind_dataset,
    make_model,
    make_rows,
    metrics,
    with_validation,
)
from tests.train.test_processes import ENVIRONMENT, start
from tests.train.test_sharding import FLAGS, REPOSITORY, same
from tests.train.test_validation import evaluations

SHIPPED = REPOSITORY / "examples" / "accelerate" / "deepspeed.yaml"
ASKED = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}
PATHS = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def finished(process):
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return out, err


def zero3(*words, **environment):
    return finished(start(*TWO, "-m", "gcsl_train", *words, env={**ENVIRONMENT, **ASKED, **environment}))


def test_either_run_goes_on_from_the_other_and_the_shipped_config_starts_one(dataset, model, tmp_path):
    words = (dataset, "--model", model, *FLAGS, "--save-every", 3, "--gradient-checkpointing")
    assert command(*words, "--out", tmp_path / "one") == 0
    # Or DeepSpeed says in accelerate's own process that it has no GPU.
    environment = {**ENVIRONMENT, "DS_ACCELERATOR": "cpu"}
    launcher = ("-m", "accelerate.commands.launch", "--config_file", SHIPPED, "--num_processes", 2)
    out, err = finished(start(*launcher, "-m", "gcsl_train", *words, "--out", tmp_path / "two", env=environment))
    assert out == f"{tmp_path / 'two'}\n"
    assert "2 processes, sharded" in err
    one = metrics(tmp_path / "one")
    same(one, metrics(tmp_path / "two"))
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name / "checkpoints" / "step-5")
    assert command(*words, "--out", tmp_path / "two", "--resume", "auto") == 0
    _, err = zero3(*words, "--out", tmp_path / "one", "--resume", "auto")
    assert "resuming after step 3" in err
    same(one, metrics(tmp_path / "two"))
    same(one, metrics(tmp_path / "one"))
    words = ("merge", tmp_path / "two", "--model", model, "--out", tmp_path / "merged")
    out, _ = finished(
        start("-m", "gcsl_train", *words, env=ENVIRONMENT)
    )  # transformers imports DeepSpeed to save a model
    assert out == f"{tmp_path / 'merged'}\n"


@pytest.mark.parametrize("kind", ["goal tokens and dora, on the host", "dpo with a stored reference", "kl, validated"])
def test_what_else_a_run_may_have(kind, model, token_dataset, tmp_path):
    environment = {}
    if kind.startswith("goal tokens"):
        words = [token_dataset, "--model", make_model(tmp_path / "tied", family="qwen3", tie_word_embeddings=True)]
        words += ["--set", "lora.dora=true", "--set", "lora.dropout=0.1"]
        environment = {"ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": "cpu"}
    elif kind.startswith("dpo"):
        data = make_kind_dataset(tmp_path / "pairs", "pairs")
        words = [data, "--model", model, "--loss", "dpo", "--set", "run.store_reference=true"]
    else:
        data = with_validation(make_dataset(tmp_path / "data", make_rows(36)), 12)
        words = [data, "--model", model, "--loss", "kl", "--evaluate-every", 2]
    assert command(*words, *FLAGS, "--out", tmp_path / "one") == 0
    zero3(*words, *FLAGS, "--out", tmp_path / "two", **environment)
    same(metrics(tmp_path / "one"), metrics(tmp_path / "two"))
    if kind.endswith("validated"):
        one, two = (evaluations(tmp_path / name) for name in ("one", "two"))
        assert [line["step"] for line in two] == [2, 4, 5]
        for found, expected in zip(two, one, strict=True):
            assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-5)


def test_only_the_layer_in_use_is_whole_and_the_adapter_always_is(tmp_path):
    """Counts elements while a pass runs; the adapter is moved as an optimizer does, which no later pass may undo."""
    script = tmp_path / "watch.py"
    script.write_text(textwrap.dedent(WATCH))
    out, _ = finished(start(*TWO, script, tmp_path / "seen", env={**ENVIRONMENT, **ASKED, "PYTHONPATH": PATHS}))
    assert out == ""
    for rank in (0, 1):
        seen = json.loads(Path(f"{tmp_path / 'seen'}-{rank}").read_text())
        for frozen, layer in seen["frozen in layers"]:
            assert frozen == layer
        assert seen["frozen between"] == [0] * 6
        assert seen["kept by ranks"] == pytest.approx(seen["frozen"] / 2, rel=0.01)
        assert seen["adapter between"] == [seen["adapter"]] * 6
        assert seen["adapter at the end"] == 1.0


WATCH = """
    import dataclasses, json, sys
    import torch
    from gcsl_train import attention, launch, model as models, sharding
    from gcsl_train.config import Lora
    from gcsl_train.estimate import _batch
    from gcsl_train.policy import Policy
    from tests.train.support import tiny_model

    accelerator = launch.start()
    torch.manual_seed(0)
    base = tiny_model("llama")
    base.set_attn_implementation(attention.register())
    policy = Policy(models.add_lora(base, Lora(), name="tiny", seed=0), compute=torch.float32).train()
    sizes = {name: p.numel() for name, p in policy.named_parameters()}
    trained = [p for p in policy.parameters() if p.requires_grad]
    frozen = [p for p in policy.parameters() if not p.requires_grad]
    layers = policy.causal_lm.model.layers
    seen = {"frozen": sum(p.numel() for p in frozen), "adapter": sum(p.numel() for p in trained)}
    of_layer = [sum(p.numel() for p in layer.parameters() if not p.requires_grad) for layer in layers]
    model = sharding.shard(policy, accelerator)
    seen["kept by ranks"] = sum(p.ds_tensor.numel() for p in frozen)
    seen |= {"frozen in layers": [], "frozen between": [], "adapter between": []}
    for layer, size in zip(layers, of_layer):
        note = lambda *_, size=size: seen["frozen in layers"].append((sum(p.numel() for p in frozen), size))
        layer.mlp.register_forward_hook(note)
        layer.mlp.register_full_backward_hook(note)
    batch = dataclasses.replace(_batch(8, 4), cu_seqlens_N=torch.tensor([0, 8], dtype=torch.int32))

    def between():
        seen["frozen between"].append(sum(p.numel() for p in frozen))
        seen["adapter between"].append(sum(p.numel() for p in trained))

    for _ in range(2):
        policy.reference_logp(batch)
        between()
        loss = model(batch).tokens.logp_S.sum()
        between()
        with sharding.gradients(model, accelerator, cross=True):
            loss.backward()
        between()
        with torch.no_grad():
            for parameter in trained:
                parameter.fill_(1.0)
    (low, high) = (f(p.min().item() if f is min else p.max().item() for p in trained) for f in (min, max))
    assert low == high
    seen["adapter at the end"] = high
    with open(f"{sys.argv[1]}-{accelerator.process_index}", "w") as file:
        json.dump(seen, file)
    del model, policy, base, layers, trained, frozen
    launch.finish(accelerator)
"""


@pytest.mark.parametrize(
    ("environment", "flags", "said"),
    [
        ({"ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, (), "set zero_stage: 3, or use plain data parallelism"),
        ({"ACCELERATE_DEEPSPEED_ZERO_STAGE": "three"}, (), "DeepSpeed is asked for with stage three"),
        ({"ACCELERATE_DEEPSPEED_CONFIG_FILE": "a text"}, (), "its offload_param are no objects"),
        ({"ACCELERATE_DEEPSPEED_CONFIG_FILE": "a list"}, (), "its offload_param are no objects"),
        ({"ACCELERATE_DEEPSPEED_CONFIG_FILE": "autos"}, (), "no processes were started"),
        ({}, (), "no processes were started; use accelerate launch"),
        ({"ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE": "nvme"}, (), "parameters cannot be kept on 'nvme'"),
        ({"ACCELERATE_DEEPSPEED_CONFIG_FILE": "quantized"}, (), "zero_quantized_weights rounds weights to 8 bits"),
        ({"ACCELERATE_DEEPSPEED_CONFIG_FILE": "missing"}, (), "is no JSON file with a part zero_optimization"),
        ({}, ("--set", "model.quantize=4bit"), "a model in four bits cannot be sharded"),
    ],
)
def test_what_cannot_be_is_refused(environment, flags, said, dataset, model, tmp_path, capsys, monkeypatch):
    (tmp_path / "a text").write_text('{"zero_optimization": {"stage": "3", "offload_param": "cpu"}}')
    (tmp_path / "a list").write_text('{"zero_optimization": []}')
    (tmp_path / "autos").write_text('{"zero_optimization": {"stage": "auto", "offload_param": {"device": "auto"}}}')
    monkeypatch.delenv("RANK", raising=False)
    (tmp_path / "quantized").write_text('{"zero_optimization": {"stage": 3, "zero_quantized_weights": true}}')
    monkeypatch.chdir(tmp_path)
    for name, value in {**ASKED, **environment}.items():
        monkeypatch.setenv(name, value)
    assert command(dataset, "--model", model, "--out", tmp_path / "run", *flags) == 2
    assert said in capsys.readouterr().err


def test_the_shipped_config_asks_for_what_a_run_takes():
    config = yaml.safe_load(SHIPPED.read_text())
    assert config["distributed_type"] == "DEEPSPEED"
    assert config["deepspeed_config"]["zero_stage"] == 3
