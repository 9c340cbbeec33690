"""Data and machines that give out during a run (RELIABILITY items 118 to 120): one line, and nothing is lost."""

import resource
import shutil

import pytest
import torch

from gcsl_train.policy import Policy

from .support import command, make_dataset, make_rows, metrics
from .test_bad_input import refused

SIZES = ("--max-length", 128, "--packs-per-step", 2, "--schedule", "constant", "--warmup", 0, "--save-every", 1)
ADAPTER = "adapter_model.safetensors"


def test_118_prompts_that_leave_no_room_for_an_answer_are_left_out_and_counted(model, tmp_path, capsys):
    some, every = (make_dataset(tmp_path / name, make_rows(8, long=n)) for name, n in (("some", 3), ("every", 8)))
    onward = ("--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 2)
    refused(capsys, every, *onward, status=65, said="no example fits in 128 tokens (8 dropped")
    assert command(some, *onward) == 0
    assert "3 longer than 128 were left out" in capsys.readouterr().err
    assert all(line["loss"] > 0 and line["supervised_tokens"] > 0 for line in metrics(tmp_path / "run"))


def test_118_an_empty_answer_teaches_to_end(model, tmp_path):
    rows = [{**row, "completion": [{"role": "assistant", "content": ""}]} for row in make_rows(6)]
    run = tmp_path / "run"
    assert command(make_dataset(tmp_path / "d", rows), "--model", model, "--out", run, *SIZES, "--max-steps", 1) == 0
    (line,) = metrics(run)
    assert line["supervised_tokens"] <= 6  # one end of turn for each
    assert 0 < line["loss"] < 100


def test_119_a_disk_that_fills_during_a_save_keeps_the_checkpoint_before(onward, run_of_two, capsys, tmp_path):
    (whole := tmp_path / "whole").mkdir()
    shutil.copytree(run_of_two, whole / "run")
    before = {path: path.read_bytes() for path in (run_of_two / "checkpoints" / "step-2").iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))  # files of this process end there: EFBIG, as ENOSPC
    try:
        refused(capsys, *onward, "auto", status=74, said="could not write")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in (run_of_two / "checkpoints" / "step-2").iterdir()} == before
    assert not list((run_of_two / "checkpoints").glob(".*"))
    assert command(*onward, "auto") == 0
    other = [whole / "run" if word == run_of_two else word for word in onward]
    assert command(*other, "auto") == 0
    name = f"checkpoints/step-3/{ADAPTER}"
    assert (run_of_two / name).read_bytes() == (whole / "run" / name).read_bytes()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_120_memory_that_runs_out_in_a_step_names_the_pack_and_keeps_the_checkpoint(
    onward, run_of_two, capsys, monkeypatch, error
):
    forward = Policy.forward

    def full(self, batch, *more):
        if self.training and batch.targets_S.numel():
            raise error
        return forward(self, batch, *more)

    monkeypatch.setattr(Policy, "forward", full)
    refused(capsys, *onward, "auto", status=71, said="step 3: out of memory on a pack of ")
    refused(
        capsys,
        *onward,
        "auto",
        status=71,
        said=f"the last checkpoint is {run_of_two / 'checkpoints' / 'step-2'}; lower",
    )
    monkeypatch.undo()
    assert len(metrics(run_of_two)) == 2
    assert command(*onward, "auto") == 0
    assert len(metrics(run_of_two)) == 3
