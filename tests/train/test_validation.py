"""Scoring the validation split while a run trains: the numbers are those of `evaluate`, and training does not change."""

import json
import shutil

import pytest

from tests.train.support import (
    TIMED,
    command,
    make_dataset,
    make_kind_dataset,
    make_reward_dataset,
    make_rows,
    metrics,
    with_validation,
)
from tests.train.test_processes import ENVIRONMENT, start
from tests.train.test_sharding import LAUNCHER, SHARDED

FLAGS = ("--max-length", 128, "--packs-per-step", 3, "--learning-rate", 1e-2, "--max-steps", 5)
EVERY = ("--evaluate-every", 2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return with_validation(make_dataset(tmp_path_factory.mktemp("validation") / "data", make_rows(36)), 12)


def evaluations(run):
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def trained(run):
    lines = [{k: v for k, v in line.items() if k not in TIMED} for line in metrics(run)]
    return lines, (run / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_run_is_evaluated_on_its_way_and_at_its_end_and_trains_the_same(data, model, tmp_path, capsys):
    flags = ("--model", model, *FLAGS, "--lora-dropout", 0.1)
    assert command(data, *flags, *EVERY, "--out", tmp_path / "run") == 0
    assert "step 4: validation loss" in capsys.readouterr().err
    assert command(data, *flags, "--out", tmp_path / "plain") == 0
    assert trained(tmp_path / "run") == trained(tmp_path / "plain")
    assert not (tmp_path / "plain" / "evaluations.jsonl").exists()
    found = evaluations(tmp_path / "run")
    assert [line["step"] for line in found] == [2, 4, 5]
    capsys.readouterr()
    assert command("evaluate", tmp_path / "run", "--model", model, "--data", data, "--json") == 0
    after = json.loads(capsys.readouterr().out)
    last = found[-1]
    by_goal = {None if g["index"] is None else str(g["index"]): g["loss"] for g in after["goals"]}
    assert last["validation_loss_goal_none"] == pytest.approx(by_goal[None], rel=1e-5)
    assert last["validation_loss_goal_3"] == pytest.approx(by_goal["3"], rel=1e-5)
    assert last["goal_swap"] == pytest.approx(after["swap"]["gap"], rel=1e-3, abs=1e-5)


def test_the_validation_loss_is_that_of_training_on_the_split(data, model, tmp_path):
    """At a rate of zero, the loss of one step over a whole split is what evaluation says of that split."""
    still = ("--learning-rate", 0, "--max-steps", 1)
    assert command(data, "--model", model, "--out", tmp_path / "run", *FLAGS[:2], *still, *EVERY) == 0
    rows = [{**row, "id": f"v{row['id'][1:]}"} for row in make_rows(12)]
    other = make_dataset(tmp_path / "other", rows)
    assert command(other, "--model", model, "--out", tmp_path / "whole", *FLAGS[:2], *still, "--packs-per-step", 9) == 0
    (line,) = evaluations(tmp_path / "run")
    assert line["validation_loss"] == pytest.approx(metrics(tmp_path / "whole")[0]["loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "loss", "own"),
    [
        ("pairs", "dpo", "margin"),
        ("groups", "gft", "rectified"),
        ("unpaired", "kto", "kl"),
        ("multi-negative", "sdpo", "margin"),
    ],
)
def test_every_kind_has_a_validation_loss(kind, loss, own, model, tmp_path):
    data = with_validation(make_kind_dataset(tmp_path / "data", kind), 6)
    assert command(data, "--model", model, "--out", tmp_path / "run", *FLAGS, "--loss", loss, *EVERY) == 0
    for line in evaluations(tmp_path / "run"):
        assert {"validation_loss", f"validation_{own}"} <= line.keys()
        assert "goal_swap" not in line


def test_rewards_that_are_goals_have_a_swap_too(model, tmp_path):
    data = with_validation(make_reward_dataset(tmp_path / "data"), 8)
    assert command(data, "--model", model, "--out", tmp_path / "run", *FLAGS, *EVERY) == 0
    line = evaluations(tmp_path / "run")[-1]
    assert {"validation_loss_goal_reward_0", "validation_loss_goal_reward_1", "goal_swap"} <= line.keys()


@pytest.mark.parametrize("sharded", [False, True])
def test_ranks_share_the_work_and_find_the_same(sharded, data, model, tmp_path):
    words = (data, "--model", model, *FLAGS, *EVERY)
    assert command(*words, "--out", tmp_path / "one") == 0
    process = start(*LAUNCHER, *words, "--out", tmp_path / "two", env=SHARDED if sharded else ENVIRONMENT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    for one, two in zip(evaluations(tmp_path / "one"), evaluations(tmp_path / "two"), strict=True):
        assert one.keys() == two.keys()
        assert list(two.values()) == pytest.approx(list(one.values()), rel=1e-5, abs=2e-5)


def test_a_resumed_run_has_each_evaluation_once(data, model, tmp_path):
    words = (data, "--model", model, *FLAGS, *EVERY, "--save-every", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    whole = evaluations(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-5")
    assert command(*words, "--resume", "auto") == 0
    assert evaluations(tmp_path / "run") == whole


def test_a_dataset_without_a_validation_split_is_refused_before_the_model_is_loaded(model, tmp_path, capsys):
    data = make_dataset(tmp_path / "data", make_rows(24))
    assert command(data, "--model", model, "--out", tmp_path / "run", *FLAGS, *EVERY) == 65
    err = capsys.readouterr().err
    assert "has no split 'validation' (it has: train)" in err
    assert "expand the log again with --split 0.8,0.2" in err
    assert "loading tiny ..." not in err


@pytest.mark.parametrize("records", [1, 2, 3])
def test_a_group_is_scored_whole_wherever_the_limit_falls(records, model, tmp_path):
    """Without one of its responses the advantages of a group would not cancel out."""
    data = with_validation(make_kind_dataset(tmp_path / "data", "groups"), 6)
    flags = (*FLAGS[:4], "--max-steps", 1, "--learning-rate", 0, "--loss", "gft", *EVERY)
    found = []
    for name, count in (("asked", records), ("whole", 3)):
        out = tmp_path / name
        assert command(data, "--model", model, "--out", out, *flags, "--set", f"run.evaluate_records={count}") == 0
        found += evaluations(out)
    assert found[0] == found[1]


def test_an_evaluation_that_was_cut_off_is_made_up_for(data, model, tmp_path):
    words = (data, "--model", model, *FLAGS, *EVERY, "--save-every", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    whole = evaluations(tmp_path / "run")
    path = tmp_path / "run" / "evaluations.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1][:20])  # killed while it scored step 4, which was saved before
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-5")
    assert command(*words, "--resume", "auto") == 0
    assert evaluations(tmp_path / "run") == whole
    path.write_text("".join(lines[:2]))  # killed while it scored the last step, before the adapter was written
    shutil.rmtree(tmp_path / "run" / "adapter")
    assert command(*words, "--resume", "auto") == 0
    assert evaluations(tmp_path / "run") == whole


def test_a_validation_loss_that_is_no_number_ends_the_run_in_one_line(model, tmp_path, capsys):
    data = with_validation(make_kind_dataset(tmp_path / "data", "pairs"), 6)
    flags = ("--loss", "simpo", "--max-length", 128, "--max-steps", 3, "--warmup", 0, "--evaluate-every", 1)
    assert command(data, "--model", model, "--out", tmp_path / "run", *flags, "--learning-rate", 1e25) == 70
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error[GT7003]: step 1: the validation loss is nan")


def test_validation_rows_that_are_too_long_are_said_to_be_those(model, tmp_path, capsys):
    rows = [*make_rows(6, long=6)[:3], *({**row, "id": f"0f{row['id'][2:]}"} for row in make_rows(33))]
    for count, status in ((3, 65), (6, 0)):
        data = with_validation(make_dataset(tmp_path / f"data{count}", rows), count)
        assert command(data, "--model", model, "--out", tmp_path / f"run{count}", *FLAGS, *EVERY) == status
        err = capsys.readouterr().err
        if status:
            assert "split 'validation', its first 200 rows: no example fits in 128 tokens (3 dropped" in err
        else:
            assert "warning: 50% of the validation examples are left out; raise --max-length" in err
