"""Datasets for other methods, from a log to a checked dataset, against plain Python."""

import json
import math
import statistics
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.columns import KINDS
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.stages.builders.built import REASONS
from gcsl_data.stages.builders.registry import BUILDERS
from gcsl_data.stages.formulations import FORMULATIONS

from .support import examples, expand, expand_rows, write_jsonl

Row = dict[str, Any]
MANIFESTS: dict[str, dict[str, Any]] = {
    "messages": {},
    "text": {"output__format": "text"},
    "splits": {"splits__shares": "0.6,0.4"},
    "lower": {"record__direction": "lower"},
    "scaled": {"rewards__normalize": "zscore"},
    "kept": {"record__keep": "note"},
}


def log(*, chat: bool = False, prompts: int = 30) -> list[Row]:
    """Up to seven answers to each prompt, some with equal rewards, one prompt with one answer, one with equal ones."""
    rows = []
    for at in range(prompts):
        for answer in range(1 if at == 3 else 7 - at % 4):
            reward = 2.0 if at == 5 else (at * 7 + answer * answer * 3) % 11 / 2
            text = f"Task {at}"
            prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}] if chat else text
            rows.append({"prompt": prompt, "response": f"A{answer % 5}", "reward": reward, "note": f"n{at}"})
    return rows


def make(folder: Path, name: str, rows: list[Row] | None = None, **flags: Any) -> tuple[Manifest, list[Row]]:
    expand_rows(folder, log() if rows is None else rows, goals__formulation=name, **flags)
    return load(folder / "out"), examples(folder / "out")


@pytest.mark.parametrize("variant", MANIFESTS)
@pytest.mark.parametrize("name", BUILDERS)
def test_every_dataset_adds_up_and_holds(tmp_path: Path, name: str, variant: str) -> None:
    rows = log()
    manifest, written = make(tmp_path, name, rows, **MANIFESTS[variant])
    kind = FORMULATIONS[name].kind  # pyright: ignore[reportArgumentType]

    assert manifest.kind == kind
    assert list(written[0])[: len(KINDS[kind])] == [column.name for column in KINDS[kind]]
    assert sum(split.examples for split in manifest.splits) == len(written) > 0
    assert sum(split.records for split in manifest.splits) == manifest.accounting.rows == len(rows)
    places = {row["row"] for row in written}
    for row in written:
        rejected = row.get("rejected_row", [])
        places |= set(rejected if isinstance(rejected, list) else [rejected])
    assert manifest.accounting.used == len(places)
    assert len(rows) - len(places) == sum(manifest.accounting.filtered.values())
    assert set(manifest.accounting.filtered) <= set(REASONS)
    assert check_dataset(tmp_path / "out") == []
    if variant == "kept":
        assert all(row["note"] == rows[row["row"] - 1]["note"] for row in written)
    if variant == "scaled":
        assert all(row["reward_raw"] == rows[row["row"] - 1]["reward"] for row in written)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_log_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    source = write_jsonl(tmp_path / "log.jsonl", log())

    one, two = (
        expand(tmp_path / out, source, goals__formulation=name, splits__shares="0.5,0.5", output__shard_bytes=500)
        for out in ("one", "two")
    )

    assert one == two
    assert [s.sha256 for s in one.shards] == [s.sha256 for s in two.shards]


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("placement", ["prefix", "system"])
def test_conversations_stay_as_they_are(tmp_path: Path, name: str, placement: str) -> None:
    rows = log(chat=True)
    _, written = make(tmp_path, name, rows, goals__placement=placement)

    for row in written:
        prompt = json.loads(json.dumps(rows[row["row"] - 1]["prompt"]))
        if name == "steerlm":
            turn = prompt[0 if placement == "system" else 1]
            turn["content"] = f"{row['goal']}\n\n{turn['content']}"
        assert row["prompt"] == prompt
    assert check_dataset(tmp_path / "out") == []


@pytest.mark.parametrize("name", BUILDERS)
def test_any_reader_opens_it(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    _, written = make(tmp_path, name)

    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    assert found["train"].to_list() == written


def test_pairs_are_the_largest_gaps_of_a_prompt(tmp_path: Path) -> None:
    rows = log()
    manifest, written = make(tmp_path, "pairs", rows, build__pairs_top="2", build__min_gap=0.5)

    by_prompt = {p: list(of) for p, of in groupby(rows, key=lambda row: row["prompt"])}
    expected = []
    for members in by_prompt.values():
        gaps = sorted(b["reward"] - a["reward"] for a in members for b in members if a["response"] != b["response"])
        expected += [gap for gap in gaps[:-3:-1] if gap > 0.5]
    gaps = [row["chosen_reward"] - row["rejected_reward"] for row in written]
    assert gaps == expected
    assert [(told.name, told.minimum, told.maximum) for told in manifest.ranges] == [("gap", min(gaps), max(gaps))]


def test_unpaired_rows_are_labelled_by_the_better_half_of_train(tmp_path: Path) -> None:
    manifest, written = make(tmp_path, "unpaired", splits__shares="0.6,0.4")

    train = sorted(row["reward"] for row in examples(tmp_path / "out", "train"))
    cut = train[len(train) - math.ceil(len(train) / 2)]
    assert manifest.fit.cut is not None
    assert (manifest.fit.cut.asked, manifest.fit.cut.value) == ("50%", cut)
    assert all(row["label"] == (row["reward"] >= cut) for row in written)


def test_weights_are_those_of_the_train_split(tmp_path: Path) -> None:
    manifest, written = make(tmp_path, "weights", splits__shares="0.6,0.4", build__weight_method="standard")

    train = [row["reward"] for row in examples(tmp_path / "out", "train")]
    mean, deviation = statistics.fmean(train), statistics.stdev(train)
    assert manifest.fit.deviation is not None
    assert manifest.fit.deviation.value == pytest.approx(deviation, rel=1e-12)
    for row in written:
        assert row["weight"] == pytest.approx((row["reward"] - mean) / (deviation + 1e-6), rel=1e-9)
        assert (row["goal"], row["goal_index"], row["threshold"], row["level"]) == (None, None, None, 0)


@pytest.mark.parametrize("name", ["groups", "best-of-group", "weights"])
def test_a_group_of_several_prompts_is_compared_within_its_split(tmp_path: Path, name: str) -> None:
    flags = {"record__map": {"group": "note"}, "build__weight_method": "group-standard"}
    rows = [{**row, "note": f"n{at % 4}"} for at, row in enumerate(log())]
    manifest, _ = make(tmp_path, name, rows, splits__shares="0.5,0.5", **flags)

    for split in manifest.splits:
        of_split = examples(tmp_path / "out", split.name)
        assert {row["group"] for row in of_split} == {"n0", "n1", "n2", "n3"}
        for group in ("n0", "n1", "n2", "n3"):
            members = [row for row in of_split if row["group"] == group]
            if name == "best-of-group":
                assert len(members) == 1
            else:
                total = sum(row["advantage" if name == "groups" else "weight"] for row in members)
                assert total == pytest.approx(0, abs=1e-6)
    assert check_dataset(tmp_path / "out") == []
