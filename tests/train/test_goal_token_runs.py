"""Runs on goals that are special tokens: trained, resumed, asked, merged."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from .support import TOKENS, command, metrics

SIZES = ("--max-length", 128, "--packs-per-step", 2)


def goal_rows(run):
    """The trained rows (K, H) in a run's adapter."""
    tensors = load_file(run / "adapter" / "adapter_model.safetensors")
    (rows,) = [tensor for name, tensor in tensors.items() if "trainable_tokens" in name]
    return rows


@pytest.fixture(scope="module")
def run(base, token_dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    assert (
        command(token_dataset, "--model", base, "--out", path, *SIZES, "--max-steps", 3, "--learning-rate", 1e-2) == 0
    )
    return path


def test_a_run_begins_with_rows_drawn_by_its_seed(base, token_dataset, tmp_path):
    words = (token_dataset, "--model", base, *SIZES, "--max-steps", 1, "--learning-rate", 0)
    weight = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight.detach()
    own = weight[: len(AutoTokenizer.from_pretrained(base))]
    for seed in (0, 5):
        assert command(*words, "--seed", seed, "--out", tmp_path / str(seed)) == 0
        noise = torch.randn(2, 32, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(goal_rows(tmp_path / str(seed)), own.mean(dim=0) + own.std(dim=0) * noise)


def test_gradient_checkpointing_changes_nothing(base, token_dataset, tmp_path):
    words = (token_dataset, "--model", base, *SIZES, "--max-steps", 3, "--learning-rate", 5e-3)
    assert command(*words, "--out", tmp_path / "plain") == 0
    assert command(*words, "--out", tmp_path / "saving", "--gradient-checkpointing") == 0
    torch.testing.assert_close(goal_rows(tmp_path / "saving"), goal_rows(tmp_path / "plain"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rows_are_float32_in_sixteen_bit_models(model, token_dataset, tmp_path, dtype):
    words = (token_dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 2, "--dtype", dtype)
    assert command(*words, "--learning-rate", 1e-5) == 0
    assert {t.dtype for t in load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors").values()} == {
        torch.float32
    }


def test_goal_rows_are_trained_and_saved_and_a_resumed_run_is_the_uninterrupted_one(base, token_dataset, tmp_path):
    words = (token_dataset, "--model", base, *SIZES, "--max-steps", 6, "--save-every", 3, "--learning-rate", 5e-3)
    assert command(*words, "--out", tmp_path / "whole") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-6")
    shutil.rmtree(tmp_path / "cut" / "adapter")
    assert command(*words, "--out", tmp_path / "cut", "--resume", "auto") == 0
    for name in (
        "adapter/adapter_model.safetensors",
        "checkpoints/step-6/optimizer.safetensors",
        "adapter/tokenizer.json",
    ):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    steps = [load_file(tmp_path / "whole" / "checkpoints" / f"step-{n}" / "adapter_model.safetensors") for n in (3, 6)]
    (name,) = [n for n in steps[0] if "trainable_tokens" in n]
    assert steps[0][name].shape == (2, 32)
    assert ((steps[0][name] - steps[1][name]).abs().amax(dim=1) > 1e-4).all()
    losses = [line["loss"] for line in metrics(tmp_path / "whole")]
    assert losses == [line["loss"] for line in metrics(tmp_path / "cut")]
    for path in (tmp_path / "whole").rglob("*"):
        assert not path.is_file() or str(base.parent).encode() not in path.read_bytes(), path


def test_the_card_loads_the_run_and_merging_gives_its_logits(run, base, tmp_path, monkeypatch):
    assert command("merge", run, "--model", base, "--out", tmp_path / "merged") == 0
    card = (run / "adapter" / "README.md").read_text()
    assert "> <|goal_3|>" in card
    code = card.partition("```python\n")[2].partition("```")[0].replace("RUN/adapter", str(run / "adapter"))
    monkeypatch.chdir(base.parent)  # where the base has the name that the run recorded
    names = {}
    exec(code, names)
    adapted, tokenizer = names["model"].eval(), names["tokenizer"]
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    first = tokenizer.convert_tokens_to_ids(TOKENS[0])
    ids = torch.tensor([[first + 1, *range(10), first]])
    with torch.no_grad():
        theirs, ours = adapted(input_ids=ids).logits, merged(input_ids=ids).logits
        without = adapted.get_base_model()
        with adapted.disable_adapter():
            before = without(input_ids=ids).logits
    torch.testing.assert_close(ours[..., :first], theirs[..., :first], atol=1e-4, rtol=1e-4)
    assert (theirs - before)[..., :first].abs().max() > 1e-3
    if merged.config.tie_word_embeddings:
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight
    rows = goal_rows(run)
    assert torch.equal(merged.get_input_embeddings().weight[[first, first + 1]], rows)
    served = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert served.convert_tokens_to_ids(list(TOKENS)) == [first, first + 1]
    assert merged.generation_config.suppress_tokens == [first, first + 1]
    assert names["model"].generation_config.suppress_tokens == [first, first + 1]


def test_answers_follow_the_goal_that_is_asked_for_and_a_merged_model_answers_alike(
    run, base, token_dataset, tmp_path, capsys
):
    (tmp_path / "p.txt").write_text("Say the next word after red\nSay <|goal_3|>\n")
    words = ("--prompts", tmp_path / "p.txt", "--max-new-tokens", 8, "--temperature", 0)
    logs = {}
    for goal, index in (("highest", 3), ("lowest", 2), ("3", 3), ("none", None), ("<|goal_2|>", 2)):
        capsys.readouterr()
        assert command("generate", run, "--model", base, *words, "--goal", goal) == 0
        logs[goal] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {row["goal_index"] for row in logs[goal]} == {index}
    assert logs["highest"] == logs["3"]
    assert logs["lowest"] == logs["<|goal_2|>"]
    assert len({json.dumps([r["response"] for r in logs[goal]]) for goal in ("highest", "lowest", "none")}) == 3
    assert command("merge", run, "--model", base, "--out", tmp_path / "merged") == 0
    capsys.readouterr()
    assert command("generate", "--model", tmp_path / "merged", "--data", token_dataset, *words) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == logs["highest"]


def test_a_goal_is_never_generated(base, token_dataset, tmp_path, capsys):
    """Even when its rows score highest of all: the head's own, or those that it shares with the embedding."""
    run = tmp_path / "run"
    assert command(token_dataset, "--model", base, "--out", run, *SIZES, "--max-steps", 1) == 0
    path = run / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    (name,) = [n for n in tensors if "trainable_tokens" in n]
    tensors[name] *= 100
    save_file(tensors, path, metadata={"format": "pt"})
    (tmp_path / "p.txt").write_text("red\n")
    capsys.readouterr()
    words = ("--prompts", tmp_path / "p.txt", "--max-new-tokens", 64, "--temperature", 5, "--top-p", 1)
    assert command("generate", run, "--model", base, *words, "--goal", "none") == 0
    text = json.loads(capsys.readouterr().out)["response"]
    assert len(text) > 20  # special tokens are left out of the text, so a run of goals would read as nothing
