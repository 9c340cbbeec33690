"""A run killed after every step, and a hundred times inside a save: it goes on to the same end, from a whole checkpoint.

Each life is a process and dies of SIGKILL, which it sends to itself so that the place is the one that was drawn.
"""

import functools
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.train.lives import begin
from tests.train.support import make_dataset, make_model, make_rows, metrics

pytestmark = pytest.mark.soak
SMALL = ("--max-length", 64, "--packs-per-step", 1, "--lora-rank", 2, "--target-modules", "q_proj,v_proj")
FLAGS = (*SMALL, "--learning-rate", 5e-3, "--lora-dropout", 0.1, "--save-every", 1)
STEPS, SAVES, DEATHS = 60, 6, 100
Words = tuple[object, ...]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Words:
    folder = tmp_path_factory.mktemp("kills")
    model = make_model(folder / "tiny", num_hidden_layers=1)
    return (make_dataset(folder / "d", make_rows(20)), "--model", model, *FLAGS)


@pytest.fixture(scope="module")
def whole(words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _finished(words, tmp_path_factory.mktemp("whole") / "run", STEPS)


@pytest.fixture(scope="module")
def short(words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps whose every save was counted: beside it `lines`, how many lines of Python each took."""
    path = tmp_path_factory.mktemp("short")
    return _finished(words, path / "run", SAVES, first=count_lines_of_saves, log=path / "lines")


def _finished(words: Words, run: Path, steps: int, **first: Any) -> Path:
    life = begin((*words, "--out", run, "--max-steps", steps, "--resume", "auto"), run.parent / "said", **first)
    life.join(300)
    assert life.exitcode == 0, (run.parent / "said").read_text()
    return run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(step: int) -> None:
    """This process will kill itself when the checkpoint of `step` is written."""
    from gcsl_train import checkpoint

    save = checkpoint.save

    def last(parent: Path, position: checkpoint.Position, **state: Any) -> Path:
        path = save(parent, position, **state)
        if position.step == step:
            die()
        return path

    checkpoint.save = last


def count_lines_of_saves(log: Path) -> None:
    """This process will write into `log` how many lines of Python each of its saves takes."""
    _watch_saves(lambda step, lines: None, lambda step, lines: _append(log, f"{step} {lines}\n"))


def die_inside(step: int, line: int) -> None:
    """This process will kill itself at that line of Python of the save of `step`, whatever file the line is in."""
    _watch_saves(lambda at, lines: die() if (at, lines) == (step, line) else None, lambda at, lines: None)


def _watch_saves(on_line: Any, on_end: Any) -> None:
    from gcsl_train import checkpoint

    save = checkpoint.save

    def watched(parent: Path, position: checkpoint.Position, **state: Any) -> Path:
        lines = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal lines
            if event == "line":
                lines += 1
                on_line(position.step, lines)
            return trace

        sys.settrace(trace)
        try:
            return save(parent, position, **state)
        finally:
            sys.settrace(None)
            on_end(position.step, lines)

    checkpoint.save = watched


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _same(run: Path, whole: Path, steps: int) -> None:
    ours, theirs = ([{**line, "tokens_per_s": 0} for line in metrics(path)] for path in (run, whole))
    assert ours == theirs
    last = [f"checkpoints/step-{steps}/{path.name}" for path in (whole / "checkpoints" / f"step-{steps}").iterdir()]
    for name in ("adapter/adapter_model.safetensors", *last):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("step", range(1, STEPS))
def test_killed_after_any_step_it_goes_on_to_the_same_end(words: Words, whole: Path, tmp_path: Path, step: int) -> None:
    run = tmp_path / "run"
    life = begin((*words, "--out", run, "--max-steps", STEPS), tmp_path / "said", first=die_after, step=step)
    life.join(300)
    assert life.exitcode == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert len(metrics(run)) == step

    _finished(words, run, STEPS)

    assert f"resuming after step {step} from" in (tmp_path / "said").read_text()
    _same(run, whole, STEPS)


@functools.cache
def _places(lines: Path) -> list[tuple[int, int]]:
    """A hundred places to die at: the save of a step, and one of its lines."""
    longest = dict(map(int, line.split()) for line in lines.read_text().splitlines())
    chance = random.Random(20)
    return [(step, chance.randint(1, longest[step])) for step in chance.choices(range(1, SAVES + 1), k=DEATHS)]


@pytest.mark.parametrize("death", range(DEATHS))
def test_killed_inside_a_save_it_goes_on_from_a_whole_checkpoint(
    words: Words, short: Path, tmp_path: Path, death: int
) -> None:
    step, line = _places(short.parent / "lines")[death]
    run = tmp_path / "run"
    where = (*words, "--out", run, "--max-steps", SAVES)
    life = begin(where, tmp_path / "said", first=die_inside, step=step, line=line)
    life.join(300)
    assert life.exitcode == -signal.SIGKILL, (tmp_path / "said").read_text()
    there = (run / "checkpoints" / f"step-{step}").is_dir()

    _finished(words, run, SAVES)

    said = (tmp_path / "said").read_text()
    assert "passing over" not in said  # what has the name of a checkpoint is one
    resumed = step if there else step - 1
    assert said.count(f"resuming after step {resumed} from") == (resumed > 0)
    assert not list((run / "checkpoints").glob(".*"))
    _same(run, short, SAVES)
