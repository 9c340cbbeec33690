"""A run that was stopped is the run that was not: after every step, killed at any moment, and on changing processes."""

import copy
import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from gcsl_data.dataset.manifest import load
from gcsl_train import attention
from gcsl_train import model as models
from gcsl_train.plan import steps
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .lives import begin
from .support import TIMED, command, make_dataset, make_model, make_rows, metrics
from .test_processes import start_two

STEPS = 60
SMALL = ("--max-length", 64, "--packs-per-step", 1, "--lora-rank", 2, "--target-modules", "q_proj,v_proj")
FLAGS = (*SMALL, "--max-steps", STEPS, "--learning-rate", 5e-3, "--lora-dropout", 0.1, "--save-every", 1)
ROWS = 20  # so that sixty steps are several epochs
KILLS = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("one-layer") / "tiny", num_hidden_layers=1)


@pytest.fixture(scope="module")
def words(model, tmp_path_factory):
    return (make_dataset(tmp_path_factory.mktemp("few") / "d", make_rows(ROWS)), "--model", model, *FLAGS)


@pytest.fixture(scope="module")
def quick(model):
    """The model's files are read once; each run gets a copy of what was in them."""
    source = models.find(str(model))
    tokenizer = models.load_tokenizer(source)
    base = models.load_model(source, dtype=torch.float32, attention=attention.register())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load_tokenizer", lambda source: copy.deepcopy(tokenizer))
        patch.setattr(models, "load_model", lambda source, **options: copy.deepcopy(base))
        yield


@pytest.fixture(scope="module")
def whole(words, quick, tmp_path_factory):
    """An uninterrupted run, and every checkpoint that it ever had in a folder beside it."""
    from gcsl_train import checkpoint

    run = tmp_path_factory.mktemp("whole") / "run"
    save = checkpoint.save

    def keep(parent, position, **state):
        shutil.copytree(path := save(parent, position, **state), run.parent / "kept" / path.name)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", keep)
        assert command(*words, "--out", run) == 0
    return run


def same(run: Path, whole: Path) -> None:
    """Every step's numbers, the adapter, and the last checkpoint with its moments are the same to the bit."""
    assert without_times(run) == without_times(whole)
    names = ["adapter/adapter_model.safetensors", *(f"checkpoints/step-{STEPS}/{n}" for n in saved_files(whole))]
    for name in names:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def saved_files(run: Path) -> list[str]:
    return [path.name for path in (run / "checkpoints" / f"step-{STEPS}").iterdir()]


def without_times(run: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in line.items() if k not in TIMED} for line in metrics(run)]


@pytest.mark.parametrize("step", range(1, STEPS))
def test_resumed_after_any_step_it_is_the_uninterrupted_run(words, quick, whole, tmp_path, step):
    run = tmp_path / "run"
    shutil.copytree(whole.parent / "kept" / f"step-{step}", run / "checkpoints" / f"step-{step}")
    for name in ("run.json", "goals.json"):
        shutil.copy(whole / name, run / name)
    lines = (whole / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(
        b"".join(lines[:step]) + lines[step][:20]
    )  # it died while it wrote the next line
    assert command(*words, "--out", run, "--resume", "auto", "--save-every", STEPS) == 0
    same(run, whole)


def test_killed_three_times_at_any_moment_it_is_the_uninterrupted_run(words, whole, tmp_path):
    run, chance = tmp_path / "run", random.Random(3)
    for life in range(KILLS):
        process = begin((*words, "--out", run, "--resume", "auto"), tmp_path / "said")
        wait_for_step(run, process, chance.randrange(life * 17 + 2, life * 17 + 14))
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.join(60)
        assert process.exitcode == -9, (tmp_path / "said").read_text()
        assert not (run / "adapter").exists()
    process = begin((*words, "--out", run, "--resume", "auto"), tmp_path / "said")
    process.join(120)
    assert process.exitcode == 0, (tmp_path / "said").read_text()
    assert (tmp_path / "said").read_text().count("resuming after step") == KILLS
    same(run, whole)
    assert trained(run, words) == Counter(dict.fromkeys(trained(whole, words), 1))


def wait_for_step(run, process, step):
    while process.exitcode is None and not ((run / "metrics.jsonl").exists() and len(lines_of(run)) >= step):
        time.sleep(0.002)


def lines_of(run):
    return (run / "metrics.jsonl").read_bytes().splitlines()


def trained(run, words):
    """(epoch, id) of every example that the steps of metrics.jsonl took, by the plan, which must agree with their sizes."""
    dataset, _, model, *_ = words
    manifest = load(dataset)
    encoder = Encoder(AutoTokenizer.from_pretrained(model), manifest.format)
    table = tokenise(read_examples(dataset, manifest), encoder, capacity=64)
    taken = Counter()
    planned = steps(table.lengths, seed=0, capacity=64, packs_per_step=1)
    for line, step in zip(metrics(run), planned, strict=False):
        members = [member for pack in step.packs for member in pack]
        sizes = (int(table.lengths[members].sum()), int(table.supervised[members].sum()))
        assert (line["step"], line["tokens"], line["supervised_tokens"]) == (step.number, *sizes)
        taken.update((step.epoch, table.names[member]) for member in members)
    complete = max(epoch for epoch, _ in taken) - 1
    assert {e for e, _ in taken} == set(range(complete + 2))
    assert all(sorted(name for e, name in taken if e == epoch) == sorted(table.names) for epoch in range(complete + 1))
    return taken


def test_on_one_process_then_two_then_one_it_is_the_run_on_one(dataset, model, tmp_path):
    flags = (*SMALL, "--learning-rate", 1e-3, "--schedule", "constant", "--warmup", 0, "--packs-per-step", 3)
    words = (dataset, "--model", model, *flags)
    assert command(*words, "--max-steps", 9, "--out", tmp_path / "one") == 0
    parts = (*words, "--out", tmp_path / "parts", "--resume", "auto")
    assert command(*parts, "--max-steps", 3) == 0
    process = start_two(*parts, "--max-steps", 6)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "resuming after step 3" in err
    assert "2 processes" in err
    assert command(*parts, "--max-steps", 9) == 0
    one, two = (metrics(tmp_path / name) for name in ("one", "parts"))
    assert [line["tokens"] for line in two] == [line["tokens"] for line in one]
    for field in ("loss", "grad_norm", "entropy", "token_accuracy"):
        assert [line[field] for line in two] == pytest.approx([line[field] for line in one], rel=1e-6), field
    state = json.loads((tmp_path / "parts" / "checkpoints" / "step-9" / "state.json").read_text())
    assert state["step"] == 9
