"""Rewards on a common scale, and splits by time, through the whole program."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import Manifest

from . import reference
from .support import Outcome, examples, expand, gcsl_data, write_jsonl

METHODS = ("minmax", "zscore", "robust", "rank", "log")


def log_of(folder: Path, rewards: list[float], *, name: str = "log.jsonl") -> Path:
    rows = [
        {
            "prompt": f"Task {i % 9}",
            "response": f"Answer {i}",
            "reward": r,
            "task": i % 9,
            "at": f"2026-01-{i % 28 + 1:02}",
        }
        for i, r in enumerate(rewards)
    ]
    return write_jsonl(folder / name, rows)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rng = random.Random(5)
    return log_of(tmp_path, [round(rng.gauss(40, 12), 1) for _ in range(240)])


def logged(row: dict[str, Any], manifest: Manifest) -> float:
    return manifest.fit.sign * row["reward_raw"]


@pytest.mark.parametrize("direction", ["higher", "lower"])
@pytest.mark.parametrize("method", METHODS)
def test_a_normalised_dataset_holds_and_keeps_the_logged_reward(
    log: Path, tmp_path: Path, method: str, direction: str
) -> None:
    out = tmp_path / "out"
    manifest = expand(out, log, rewards__normalize=method, record__direction=direction, goals__filter="none")

    rows = examples(out)
    assert check_dataset(out) == []
    ranked = sorted({(row["reward_raw"], row["reward"]) for row in rows})
    assert [new for _, new in ranked] == sorted(new for _, new in ranked)
    assert {logged(row, manifest) for row in rows} <= {r["reward"] for r in map(parsed, log.read_text().splitlines())}


def parsed(line: str) -> dict[str, Any]:

    return json.loads(line)


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_minmax_prints_numbers_between_0_and_1_whatever_is_better(log: Path, tmp_path: Path, direction: str) -> None:
    manifest = expand(tmp_path / "out", log, rewards__normalize="minmax", record__direction=direction)

    assert all(0 <= float(goal.threshold) <= 1 for goal in manifest.goals)
    low, high = (f(r["reward"] for r in map(parsed, log.read_text().splitlines())) for f in (min, max))
    for row in examples(tmp_path / "out"):
        value = manifest.fit.sign * row["reward"]
        assert math.isclose(value, (logged(row, manifest) - low) / (high - low), abs_tol=1e-11)


def test_affine_scales_change_no_level(log: Path, tmp_path: Path) -> None:
    plain = expand(tmp_path / "plain", log, bins__decimals="exact", goals__filter="none")
    for method in ("minmax", "zscore", "robust"):
        scaled = expand(tmp_path / method, log, rewards__normalize=method, bins__decimals="exact", goals__filter="none")
        assert [t.reached for t in scaled.fit.thresholds] == [t.reached for t in plain.fit.thresholds]


def test_clipping_keeps_the_ends_within_the_order_statistics(log: Path, tmp_path: Path) -> None:
    manifest = expand(
        tmp_path / "out", log, rewards__normalize="minmax", rewards__clip=[0.1, 0.9], goals__filter="none"
    )

    found = manifest.fit.normalisation
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    rewards = sorted(r["reward"] for r in map(parsed, log.read_text().splitlines()))
    assert (found.low.value, found.high.value) == (rewards[math.floor(0.1 * 239)], rewards[math.ceil(0.9 * 239)])
    assert {0.0, 1.0} <= {row["reward"] for row in examples(tmp_path / "out")}


def test_a_group_is_measured_by_itself_and_one_that_tells_nothing_is_counted(tmp_path: Path) -> None:
    rewards = [float(i // 9) for i in range(45)]
    rows = [
        {"prompt": f"Task {i % 9}", "response": f"Answer {i}", "reward": 7.0 if i % 9 == 0 else r}
        for i, r in enumerate(rewards)
    ]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    manifest = expand(
        tmp_path / "out", log, rewards__normalize="minmax", rewards__normalize_by="group", goals__filter="none"
    )

    assert manifest.fit.neutral == 5
    assert check_dataset(tmp_path / "out") == []
    for row in examples(tmp_path / "out"):
        assert row["reward"] == (0.5 if row["row"] % 9 == 1 else row["reward_raw"] / 4)


def test_a_frozen_fit_brings_tomorrows_log_to_the_same_scale(log: Path, tmp_path: Path) -> None:
    first = expand(tmp_path / "first", log, rewards__normalize="zscore", rewards__clip=[0.01, 0.99])
    other = log_of(tmp_path, [30.0, 47.3, 55.0, 61.0, 38.8, 70.0], name="other.jsonl")

    second = expand(tmp_path / "second", other, bins__fit=str(tmp_path / "first"))

    assert second.fit == first.fit
    assert check_dataset(tmp_path / "second") == []
    offset, divisor = first.fit.normalisation.offset, first.fit.normalisation.divisor  # type: ignore[union-attr]
    for row in examples(tmp_path / "second"):
        inside = min(row["reward_raw"], first.fit.normalisation.high.value)  # type: ignore[union-attr]
        assert math.isclose(row["reward"], (inside - offset.value) / divisor.value, abs_tol=1e-11)  # type: ignore[union-attr]


def test_aspects_are_brought_to_a_scale_each(tmp_path: Path) -> None:
    rng = random.Random(2)
    rows = [
        {"prompt": f"Task {i}", "response": f"Answer {i}", "a": rng.randint(1, 5), "b": round(rng.random() * 900)}
        for i in range(200)
    ]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    manifest = expand(
        tmp_path / "out",
        log,
        record__rewards={"quality": "a", "runtime": "b"},
        record__directions={"runtime": "lower"},
        rewards__normalize="minmax",
    )

    assert check_dataset(tmp_path / "out") == []
    fastest, slowest = min(r["b"] for r in rows), max(r["b"] for r in rows)
    for row in examples(tmp_path / "out"):
        source = rows[row["row"] - 1]
        assert math.isclose(-row["reward_runtime"], (source["b"] - fastest) / (slowest - fastest), abs_tol=1e-11)
        assert row["reward_raw_runtime"] == -source["b"]
        assert row["reward_quality"] == (source["a"] - 1) / 4
    assert manifest.inference_text is not None
    assert "runtime: at most 0." in manifest.inference_text


def test_equal_rewards_cannot_be_binned_after_any_method(tmp_path: Path) -> None:
    log = log_of(tmp_path, [3.0] * 20)

    for method in METHODS:
        done = gcsl_data("expand", log, "--normalize", method, "-o", "out", cwd=tmp_path)
        assert done.status == 65
        assert "20 of 20 records (100%)" in done.err


def test_splits_by_time_put_each_prompt_where_it_was_first_seen(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [
        {"prompt": f"Task {i // 2}", "response": f"Answer {i}", "reward": rng.random(), "at": i // 2 + (i % 2) * 500}
        for i in range(200)
    ]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    manifest = expand(
        tmp_path / "out",
        log,
        record__map={"time": "at"},
        splits__shares=[0.7, 0.2, 0.1],
        splits__by="time",
        goals__filter="none",
    )

    assert check_dataset(tmp_path / "out") == []
    assert [split.records for split in manifest.splits] == [140, 40, 20]
    for split, tasks in (("train", range(70)), ("validation", range(70, 90)), ("test", range(90, 100))):
        assert {(row["row"] - 1) // 2 for row in examples(tmp_path / "out", split)} == set(tasks)
    assert manifest.fit.mean == reference.mean([reference.significant(row["reward"]) for row in rows[:140]])


def run(log: Path, *flags: str) -> Outcome:
    return gcsl_data("expand", log.name, *flags, "-o", "out", cwd=log.parent)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--split-by", "time", "--map", "time=at"), "splits by time need their shares"),
        (("--split-by", "time", "--split", "0.8,0.2"), "say --map time=SQL"),
        (("--normalize", "log", "--normalize-by", "group"), "log takes no statistics"),
        (("--normalize", "zscore", "--normalize-by", "group", "--clip", "0.1,0.9"), "goes with --normalize-by all"),
        (("--clip", "0.9,0.1"), "clip goes from a lower to a higher share"),
        (("--normalize", "softmax"), "rewards.normalize"),
    ],
)
def test_settings_that_do_not_go_together_are_usage_errors(log: Path, flags: tuple[str, ...], words: str) -> None:
    done = run(log, *flags)

    assert done.status == 2
    assert words in done.err
    assert not (log.parent / "out").exists()


def test_records_keep_their_time_for_a_later_split(log: Path, tmp_path: Path) -> None:
    flags = ("--map", "time=at", "--map", "prompt=response")
    gcsl_data("ingest", "log.jsonl", *flags, "-o", "records.parquet", cwd=tmp_path)

    done = gcsl_data(
        "expand", "records.parquet", "--split", "0.5,0.5", "--split-by", "time", "-o", "out", "--json", cwd=tmp_path
    )

    assert done.status == 0
    assert [split["name"] for split in done.json["splits"]] == ["train", "validation"]
