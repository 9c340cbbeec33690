"""Checkpoints that are broken, of another run, or from a stranger (RELIABILITY items 110 to 114): one line, exit 65."""

import io
import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from transformers import AutoTokenizer

from .forge import Marker
from .support import CHATML, command, make_dataset, make_model, make_rows, metrics, sha256
from .test_bad_input import refused

SIZES = ("--max-length", 128, "--packs-per-step", 2, "--schedule", "constant", "--warmup", 0, "--save-every", 1)
ADAPTER, MOMENTS = "adapter_model.safetensors", "optimizer.safetensors"


def replaced(folder: Path, name: str, content: bytes) -> None:
    """Other bytes for a file of a checkpoint, whose state.json vouches for them."""
    (folder / name).write_bytes(content)
    state = json.loads((folder / "state.json").read_text())
    state["files"][name] = sha256(content)
    (folder / "state.json").write_text(json.dumps(state))


def header(tensors: dict, body: int) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * body


def one(begin: int, end: int) -> dict:
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}


BROKEN = {
    "truncated": lambda good: good[:-8],
    "header-over-the-limit": lambda good: struct.pack("<Q", 2**40) + good[8:],
    "overlapping": lambda good: header({"a": one(0, 8), "b": one(4, 12)}, 12),
    "beyond-the-end": lambda good: header({"a": one(0, 2**40)}, 8),
    "empty": lambda good: b"",
    "no-json": lambda good: struct.pack("<Q", 8) + b"x" * 16,
}


@pytest.mark.parametrize("name", [ADAPTER, MOMENTS])
@pytest.mark.parametrize("how", BROKEN)
def test_110_tensors_that_are_broken_are_passed_over_or_refused(onward, run_of_two, capsys, name, how):
    newest = run_of_two / "checkpoints" / "step-2"
    replaced(newest, name, BROKEN[how]((newest / name).read_bytes()))
    refused(capsys, *onward, newest, status=65, said="is no complete checkpoint")
    assert command(*onward, "auto") == 0
    err = capsys.readouterr().err
    assert "warning: passing over a checkpoint" in err
    assert "resuming after step 1" in err
    assert len(metrics(run_of_two)) == 3


@pytest.mark.parametrize(
    "state",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"step":1}',
        "step -1",
        "step 1.5",
        "epoch null",
        "files []",
        "files {}",
        "fingerprint 3",
    ],
)
def test_110_a_state_that_is_none_is_passed_over_or_refused(onward, run_of_two, capsys, state):
    newest = run_of_two / "checkpoints" / "step-2"
    name, _, value = state.partition(" ")
    if value:
        whole = json.loads((newest / "state.json").read_text())
        state = json.dumps({**whole, name: json.loads(value)})
    (newest / "state.json").write_text(state)
    refused(capsys, *onward, newest, status=65, said="is no complete checkpoint")
    assert command(*onward, "auto") == 0
    assert "resuming after step 1" in capsys.readouterr().err


def test_110_a_folder_without_state_is_passed_over_or_refused(onward, run_of_two, capsys):
    newest = run_of_two / "checkpoints" / "step-2"
    (newest / "state.json").unlink()
    refused(capsys, *onward, newest, status=65, said="is no complete checkpoint")
    assert command(*onward, "auto") == 0
    assert "resuming after step 1" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["torch", "plain"])
def test_111_a_pickle_in_the_place_of_tensors_is_never_loaded(onward, run_of_two, capsys, tmp_path, kind):
    newest, marker = run_of_two / "checkpoints" / "step-2", tmp_path / "marker"
    content = io.BytesIO()
    (torch.save if kind == "torch" else pickle.dump)(Marker(marker), content)
    for name in ("optimizer.pt", "optimizer.bin", "rng_state.pkl", "scheduler.pt"):
        (newest / name).write_bytes(content.getvalue())
    replaced(newest, MOMENTS, content.getvalue())
    refused(capsys, *onward, newest, status=65, said="is no complete checkpoint")
    assert command(*onward, "auto") == 0
    assert not marker.exists()
    content.seek(0)
    pickle.load(content) if kind == "plain" else torch.load(content, weights_only=False)
    assert marker.is_dir()  # it would have been


@pytest.fixture(scope="module")
def others(tmp_path_factory, model):
    """Another dataset, another model, and the same model with another tokenizer and with another chat template."""
    root = tmp_path_factory.mktemp("others")
    make_model(root / "tiny", family="qwen3")
    for name in ("tokenizer", "template"):
        shutil.copytree(model, root / name / "tiny")
        tokenizer = AutoTokenizer.from_pretrained(model)
        tokenizer.chat_template = CHATML.replace("'\n' + m", "'\n\n' + m") if name == "template" else CHATML
        if name == "tokenizer":
            tokenizer.add_tokens(["word"])  # no special one, and in no embedding
            tokenizer.backend_tokenizer.normalizer = __import__("tokenizers").normalizers.Lowercase()
        tokenizer.save_pretrained(root / name / "tiny")
    make_dataset(root / "d", make_rows(14))
    return root


@pytest.mark.parametrize(
    ("key", "flags"),
    [
        ("lora_rank 16 then, 8 now", ("--lora-rank", 8)),
        ("capacity 128 then, 96 now", ("--max-length", 96)),
        ("packs_per_step 2 then, 3 now", ("--packs-per-step", 3)),
        ("dtype 'torch.float32' then, 'torch.bfloat16' now", ("--dtype", "bfloat16")),
        ("loss 'sft' then, 'dft' now", ("--loss", "dft")),
        ("model_sha256", ("--model", "tiny")),
        ("tokens_sha256", ("--model", "tokenizer/tiny")),
        ("tokens_sha256", ("--model", "template/tiny")),
        ("dataset_id", ()),
    ],
)
def test_112_a_checkpoint_of_another_run_is_refused_with_what_differs(onward, others, capsys, key, flags):
    flags = ("--model", others / flags[1]) if flags[:1] == ("--model",) else flags
    where = (others / "d", *onward[1:]) if key == "dataset_id" else onward
    refused(capsys, *where, "auto", *flags, status=65, said="is of another run: ")
    refused(capsys, *where, "auto", *flags, status=65, said=key)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", [ADAPTER, MOMENTS])
def test_113_a_number_that_is_not_finite_is_named(onward, run_of_two, capsys, name, value):
    newest = run_of_two / "checkpoints" / "step-2"
    tensors = load_file(newest / name)
    tensor = sorted(key for key in tensors if tensors[key].numel() > 1)[3]
    tensors[tensor].view(-1)[1] = value
    replaced(newest, name, save(tensors, metadata={"format": "pt"}))
    for resume in ("auto", newest):
        refused(capsys, *onward, resume, status=65, said=f"{tensor} holds a value that is not finite")


@pytest.mark.parametrize("step", [3, 10**18])
def test_114_a_step_beyond_the_end_is_a_complete_run(onward, run_of_two, capsys, step):
    newest = run_of_two / "checkpoints" / "step-2"
    state = json.loads((newest / "state.json").read_text())
    (newest / "state.json").write_text(json.dumps({**state, "step": step}))
    assert command(*onward, newest) == 0
    assert "already complete" in capsys.readouterr().err
    (run_of_two / "adapter" / ADAPTER).unlink()  # without it there is one thing left to do, and no step
    assert command(*onward, newest) == 0
    assert (run_of_two / "adapter" / ADAPTER).read_bytes() == (newest / ADAPTER).read_bytes()
