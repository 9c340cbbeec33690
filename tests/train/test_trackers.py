"""Runs are filed with trackers through accelerate; TensorBoard's files are read back with its own reader."""

import pytest

from tests.train.support import command, make_dataset, make_rows, metrics


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("trackers") / "data", make_rows(24))


def scalars(folder):
    """Step and value of each scalar, by tag, out of the newest event file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(path)).Reload()
        for tag in events.Tags()["scalars"]:
            found.setdefault(tag, []).extend((event.step, event.value) for event in events.Scalars(tag))
    return found


def test_tensorboard_has_every_step_of_a_run_and_of_its_continuation(dataset, model, tmp_path):
    flags = ["--model", model, "--out", tmp_path / "run", "--max-length", 64, "--schedule", "constant", "--warmup", 0]
    flags += ["--tracker", "tensorboard", "--set", "run.project=words"]
    assert command(dataset, *flags, "--max-steps", 2) == 0
    assert command(dataset, *flags, "--max-steps", 3, "--resume", "auto") == 0
    found = scalars(tmp_path / "run" / "tracker" / "words")
    lines = metrics(tmp_path / "run")
    assert [step for step, _ in found["loss"]] == [1, 2, 3]
    for tag in ("loss", "lr", "tokens_per_s", "token_accuracy", "padding"):
        assert [value for _, value in found[tag]] == pytest.approx([line[tag] for line in lines], rel=1e-6)
    assert "mfu" not in found  # it is not known on a CPU


def test_a_tracker_that_is_unknown_or_not_installed_is_refused_before_anything_is_loaded(dataset, tmp_path, capsys):
    flags = ["--model", tmp_path / "none", "--out", tmp_path / "run"]
    assert command(dataset, *flags, "--tracker", "tensorbord") == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err
    assert command(dataset, *flags, "--tracker", "comet_ml") == 2
    assert "'comet_ml' is not installed; pip install comet-ml" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("project", ["../../x", "/tmp/x", "a/b", ".."])
def test_a_project_that_would_lie_outside_the_run_is_refused(project, dataset, tmp_path, capsys):
    flags = ["--model", tmp_path / "none", "--out", tmp_path / "run", "--tracker", "tensorboard"]
    assert command(dataset, *flags, "--set", f"run.project={project}") == 2
    assert f'run.project must be a name without slashes, found "{project}"' in capsys.readouterr().err
