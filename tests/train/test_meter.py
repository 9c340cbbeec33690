"""What a run says of its own speed, and how it is shown."""

import io
import json
import subprocess
import sys
import time

import pytest
import torch

from gcsl_train import flops, progress
from gcsl_train.meter import StepReport
from gcsl_train.speed import Speed, Stopwatch
from tests.train.support import command, make_dataset, make_rows, metrics

SPEED = Speed(tokens_per_s=1000.0, supervised_tokens_per_s=250.0, flops_per_s=4e14, mfu=0.404, peak_memory=2**30)
REPORT = StepReport(
    step=3, loss=1.5, tokens=800, supervised_tokens=200, padding=0.05, lr=1e-4, grad_norm=0.7, entropy=2.0,
    token_accuracy=0.25, speed=SPEED, own={"kl": 0.1},
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("meter") / "data", make_rows(24))


def test_speeds_of_a_step_are_what_was_done_over_its_time():
    watch = Stopwatch(device=torch.device("cpu"), peak=1e6, devices=2)
    watch.start()
    before = time.perf_counter()
    time.sleep(0.05)
    speed = watch.lap(tokens=100, supervised=25, flops=4e5)
    assert 0.05 <= (seconds := 100 / speed.tokens_per_s) <= time.perf_counter() - before + 0.01
    assert speed.supervised_tokens_per_s == pytest.approx(25 / seconds)
    assert speed.flops_per_s == pytest.approx(4e5 / seconds)
    assert speed.mfu == pytest.approx(4e5 / seconds / 2e6)


def test_what_cannot_be_known_is_null():
    assert (
        Stopwatch(device=torch.device("cpu"), peak=None, devices=1).lap(tokens=1, supervised=1, flops=1.0).mfu is None
    )
    unknown = Stopwatch(device=torch.device("cpu"), peak=1e12, devices=1).lap(tokens=1, supervised=1, flops=None)
    assert unknown.mfu is None
    assert unknown.flops_per_s is None


def test_memory_is_that_of_this_process():
    """In a process of its own: elsewhere an earlier test may have taken more, and a peak never goes down."""
    script = (
        "import torch; from gcsl_train.speed import peak_memory; cpu = torch.device('cpu'); before = peak_memory(cpu); "
        "ballast = torch.ones(2**27); print(before, peak_memory(cpu))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert after - before >= 0.9 * 4 * 2**27


def test_a_run_reports_the_flops_of_its_documents(dataset, model, tmp_path):
    assert command(dataset, "--model", model, "--out", tmp_path / "run", "--max-steps", 2, "--max-length", 64) == 0
    for line in metrics(tmp_path / "run"):
        seconds = line["tokens"] / line["tokens_per_s"]
        assert line["supervised_tokens_per_s"] == pytest.approx(line["supervised_tokens"] / seconds)
        assert line["mfu"] is None
        # Two layers of 32 wide: about four FLOPs for each weight and token, and as much again for adapter and attention.
        done = line["flops_per_s"] * seconds
        assert 4 * 18_000 * line["tokens"] < done < 20 * 18_000 * line["tokens"]
        assert line["peak_memory"] > 2**20
        assert 0 <= line["padding"] < 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("plain", "step 3/9  loss 1.5000  1,000 tokens/s  MFU 40.4%  padding 5.0%  lr 1.00e-04  grad norm 0.700"),
        ("json", json.dumps(REPORT.as_json())),
        ("none", None),
    ],
)
def test_a_step_is_shown_as_asked(kind, expected):
    lines = []
    with progress.shown(kind, total=9, done=2, say=lines.append) as show:
        show(REPORT)
    assert lines == ([] if expected is None else [expected])


def test_without_a_terminal_steps_are_lines_of_json(monkeypatch):
    lines = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.shown("auto", total=9, done=2, say=lines.append) as show:
        show(REPORT)
    assert json.loads(lines[0])["step"] == 3
    assert list(json.loads(lines[0])) == [
        "step", "loss", "tokens", "supervised_tokens", "padding", "lr", "grad_norm", "entropy", "token_accuracy",
        "tokens_per_s", "supervised_tokens_per_s", "flops_per_s", "mfu", "peak_memory", "kl",
    ]  # fmt: skip


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("ci", "bar"), [("", True), ("true", False)])
def test_a_terminal_gets_a_bar_unless_it_is_ci(monkeypatch, ci, bar):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    lines = []
    with progress.shown("auto", total=9, done=2, say=lines.append) as show:
        show(REPORT)
    assert ("3/9" in terminal.getvalue() and "loss 1.5000  1,000 tokens/s  MFU 40%" in terminal.getvalue()) == bar
    assert bool(lines) != bar


def test_an_unknown_way_to_show_steps_names_the_known_ones(dataset, model, tmp_path, capsys):
    assert command(dataset, "--model", model, "--out", tmp_path / "run", "--progress", "dots") == 2
    assert "auto, bar, plain, json, none" in capsys.readouterr().err


def test_the_peak_of_a_gpu_is_in_the_table_once():
    assert len({kind.casefold() for kind in flops.GPUS}) == len(flops.GPUS)
