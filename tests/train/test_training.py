"""The whole trainer on a tiny model: what a user runs, checked against plain references."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from gcsl_data.dataset.manifest import load
from gcsl_train.plan import steps
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import TIMED, command, make_dataset, make_model, make_rows, metrics

SIZES = ("--max-length", 128, "--packs-per-step", 2)
STEADY = ("--schedule", "constant", "--warmup", 0)


def train(dataset, model, run, *flags):
    assert command(dataset, "--model", model, "--out", run, *SIZES, *flags) == 0
    return metrics(run)


def without_times(lines):
    return [{k: v for k, v in line.items() if k not in TIMED} for line in lines]


def test_the_loss_falls_below_that_of_a_run_that_learns_nothing(dataset, model, tmp_path):
    learns = train(dataset, model, tmp_path / "learns", "--max-steps", 24, "--learning-rate", 1e-2)
    stays = train(dataset, model, tmp_path / "stays", "--max-steps", 24, "--learning-rate", 0)
    assert [(a["tokens"], a["supervised_tokens"]) for a in learns] == [
        (b["tokens"], b["supervised_tokens"]) for b in stays
    ]
    assert sum(a["loss"] for a in learns[-8:]) < 0.75 * sum(b["loss"] for b in stays[-8:])
    assert learns[0]["loss"] == stays[0]["loss"]
    assert {line["lr"] for line in stays} == {0.0}


@pytest.mark.parametrize("text", [False, True])
def test_a_reported_loss_is_that_of_plain_forwards_through_the_reloaded_adapter(text, model, tmp_path):
    rows = make_rows(40, text=text)
    rows[3]["weight"], rows[4]["weight"] = 0.5, 3.0
    dataset = make_dataset(tmp_path / "d", rows, text=text)
    flags = ("--learning-rate", 5e-3, *STEADY)
    train(dataset, model, tmp_path / "three", "--max-steps", 3, *flags)
    reported = train(dataset, model, tmp_path / "four", "--max-steps", 4, *flags)[3]

    manifest = load(dataset)
    encoder = Encoder(AutoTokenizer.from_pretrained(model), manifest.format)
    table = tokenise(read_examples(dataset, manifest), encoder, capacity=128)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    reloaded = PeftModel.from_pretrained(base, str(tmp_path / "three" / "adapter")).eval()
    fourth = next(steps(table.lengths, seed=0, capacity=128, packs_per_step=2, after=3))
    total, tokens = 0.0, 0
    for member in (m for pack in fourth.packs for m in pack):
        ids = torch.from_numpy(table.documents[member].astype("int64"))
        answer = len(ids) - int(table.prompt_lengths[member])
        with torch.no_grad():
            logits = reloaded(input_ids=ids[None]).logits[0, -answer - 1 : -1]
        nll = torch.nn.functional.cross_entropy(logits, ids[-answer:], reduction="sum")
        total += float(nll) * float(table.numbers["weight"][member])
        tokens += answer
    assert reported["supervised_tokens"] == tokens
    assert reported["loss"] == pytest.approx(total / tokens, rel=1e-5)


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(dataset, model, tmp_path):
    flags = ("--max-steps", 6, "--save-every", 3, "--learning-rate", 5e-3, "--lora-dropout", 0.1)
    whole = train(dataset, model, tmp_path / "whole", *flags)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-6")
    shutil.rmtree(tmp_path / "cut" / "adapter")
    resumed = train(dataset, model, tmp_path / "cut", *flags, "--resume", "auto")
    assert without_times(resumed) == without_times(whole)
    for name in ("adapter/adapter_model.safetensors", "checkpoints/step-6/optimizer.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.parametrize("flags", [("--max-steps", 2), ("--epochs", 1)])
def test_a_finished_run_is_said_to_be_complete_before_anything_is_loaded(dataset, model, tmp_path, capsys, flags):
    run = tmp_path / "run"
    first = train(dataset, model, run, *flags)
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    capsys.readouterr()
    assert train(dataset, model, run, *flags, "--resume", "auto") == first
    out, err = capsys.readouterr()
    assert out == f"{run}\n"
    assert err.splitlines()[-1] == f"{run} is already complete (step {len(first)})"
    assert "loading" not in err
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_a_run_at_a_constant_rate_can_be_made_longer_and_is_complete_only_with_its_last_adapter(
    dataset, model, tmp_path, capsys
):
    run, flags = tmp_path / "run", ("--learning-rate", 5e-3, *STEADY)
    train(dataset, model, run, "--max-steps", 2, *flags)
    shutil.copytree(run / "adapter", tmp_path / "old")
    assert len(train(dataset, model, run, "--max-steps", 3, *flags, "--resume", "auto")) == 3
    finished = (run / "adapter" / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(run / "adapter")
    (tmp_path / "old").rename(run / "adapter")  # as if the run had died between its checkpoint and its adapter
    capsys.readouterr()
    train(dataset, model, run, "--max-steps", 3, *flags, "--resume", "auto")
    assert "complete" not in capsys.readouterr().err
    assert (run / "adapter" / "adapter_model.safetensors").read_bytes() == finished


def test_resume_auto_without_a_checkpoint_starts_fresh(dataset, model, tmp_path):
    assert len(train(dataset, model, tmp_path / "run", "--max-steps", 2, "--resume", "auto")) == 2


def test_resume_from_a_named_checkpoint_forgets_what_came_after(dataset, model, tmp_path):
    run = tmp_path / "run"
    flags = ("--max-steps", 3, "--save-every", 2, "--learning-rate", 5e-3)
    first = train(dataset, model, run, *flags)
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-2", "step-3"]
    again = train(dataset, model, run, *flags, "--resume", run / "checkpoints" / "step-2")
    assert without_times(again) == without_times(first)


def test_a_run_goes_on_into_further_epochs(dataset, model, tmp_path):
    lines = train(dataset, model, tmp_path / "run", "--epochs", 2, "--packs-per-step", 8)
    tokens = [line["tokens"] for line in lines]
    assert sum(tokens[: len(tokens) // 2]) == sum(tokens[len(tokens) // 2 :])


def test_gradient_checkpointing_and_qwen3_give_a_run_like_any_other(dataset, tmp_path):
    model = make_model(tmp_path / "qwen", family="qwen3")
    flags = ("--max-steps", 3, "--learning-rate", 5e-3)
    plain = train(dataset, model, tmp_path / "plain", *flags)
    saving = train(dataset, model, tmp_path / "saving", *flags, "--gradient-checkpointing")
    assert [a["loss"] for a in saving] == pytest.approx([b["loss"] for b in plain], rel=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sixteen_bit_models_keep_float32_adapters(dataset, model, tmp_path, dtype):
    lines = train(dataset, model, tmp_path / "run", "--max-steps", 2, "--dtype", dtype, "--learning-rate", 1e-6)
    tensors = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert any(t.abs().max() > 0 for name, t in tensors.items() if "lora_B" in name)
    wide = train(dataset, model, tmp_path / "wide", "--max-steps", 1)
    assert lines[0]["loss"] == pytest.approx(wide[0]["loss"], rel=0.02)
    assert lines[0]["grad_norm"] == pytest.approx(wide[0]["grad_norm"], rel=0.1)


def test_the_run_folder_says_what_was_done_without_naming_this_machine(dataset, model, tmp_path):
    train(dataset, model, tmp_path / "run", "--max-steps", 1)
    files = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    adapter = {"adapter/README.md", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    assert adapter | {"metrics.jsonl", "goals.json", "run.json", "checkpoints/step-1/state.json"} <= files
    for name in files:
        assert str(tmp_path).encode() not in (tmp_path / "run" / name).read_bytes(), name
        assert str(model.parent).encode() not in (tmp_path / "run" / name).read_bytes(), name
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["dataset_id"] == load(dataset).dataset_id
    assert (record["model"]["name"], record["model"]["kind"], record["dropped"]) == ("tiny", "folder", 2)
    card = (tmp_path / "run" / "adapter" / "README.md").read_text()
    assert "score of at least 0.80" in card
    assert record["dataset_id"] in card


def test_merging_gives_the_logits_of_base_and_adapter(dataset, model, tmp_path):
    train(dataset, model, tmp_path / "run", "--max-steps", 2, "--learning-rate", 1e-2)
    assert command("merge", tmp_path / "run", "--model", model, "--out", tmp_path / "merged") == 0
    ids = torch.arange(12)[None]
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        before = base(input_ids=ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")(input_ids=ids).logits
        adapted = PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()(input_ids=ids).logits
    torch.testing.assert_close(merged, adapted, atol=1e-4, rtol=1e-4)
    assert (adapted - before).abs().max() > 1e-3
    assert AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template
    weights, config = (tmp_path / "merged" / name for name in ("model.safetensors", "config.json"))
    assert "score of at least 0.80" in (tmp_path / "merged" / "README.md").read_text()
    assert weights.stat().st_mode == config.stat().st_mode  # servers read it, who are often someone else


def test_a_merged_model_ends_its_answers_where_training_ended_them(dataset, tmp_path):
    """Also where the tokenizer names another end than its template writes, as those of base models do."""
    base = make_model(tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(base)
    train(dataset, base, tmp_path / "run", "--max-steps", 1)
    assert command("merge", tmp_path / "run", "--model", base, "--out", tmp_path / "merged") == 0
    ends = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").generation_config.eos_token_id
    assert tokenizer.convert_ids_to_tokens(ends) == ["<|endoftext|>", "<|im_end|>"]


def test_merging_keeps_what_a_base_ships_beside_its_weights(dataset, tmp_path):
    """Sampling settings that transformers would not let a changed config have, and several chat templates."""
    base = make_model(tmp_path / "base")
    sampling = {"eos_token_id": 2, "temperature": 0.9, "top_p": 0.6}
    (base / "generation_config.json").write_text(json.dumps(sampling))
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = {"default": tokenizer.chat_template, "other": "{{ messages }}"}
    tokenizer.save_pretrained(base)
    train(dataset, base, tmp_path / "run", "--max-steps", 1)
    assert command("merge", tmp_path / "run", "--model", base, "--out", tmp_path / "merged") == 0
    found = json.loads((tmp_path / "merged" / "generation_config.json").read_text())
    assert (found["temperature"], found["top_p"]) == (0.9, 0.6)
    folders = [path for path in (tmp_path / "merged").rglob("*") if path.is_dir()]
    assert folders
    assert all(path.stat().st_mode & 0o111 for path in folders)
    assert set(AutoTokenizer.from_pretrained(tmp_path / "merged").chat_template) == {"default", "other"}


def test_the_plan_predicts_the_run(dataset, model, tmp_path, capsys):
    assert command("plan", dataset, "--model", model, *SIZES, "--json") == 0
    counts = json.loads(capsys.readouterr().out)
    lines = train(dataset, model, tmp_path / "run")
    assert counts["steps"] == len(lines)
    assert counts["tokens"] == sum(line["tokens"] for line in lines)
    assert counts["supervised_tokens"] == sum(line["supervised_tokens"] for line in lines)
    assert (counts["examples"], counts["dropped"]) == (46, 2)


def test_the_plan_says_each_count_once(dataset, model, capsys):
    assert command("plan", dataset, "--model", model, *SIZES) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["examples", "tokens", "packs", "steps", "memory", "time"]
    assert "46 (2 longer than 128 tokens are left out" in out
    assert err == "loading the tokenizer of tiny ...\nlaying out the model without its weights ...\n"


def test_a_run_prints_the_settings_that_are_no_defaults_and_what_it_waits_for(dataset, model, tmp_path, capsys):
    train(dataset, model, tmp_path / "run", "--max-steps", 1, "--lora-rank", 4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("settings: max-length 128, lora-rank 4, max-steps 1, packs-per-step 2 (")
    assert lines[1] == "loading the tokenizer of tiny ..."
    assert lines[3] == "loading tiny ..."
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["optim"]["schedule"] == "cosine"
