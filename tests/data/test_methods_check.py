"""`check` finds what is not true of rows that were made for other methods, even with every hash made to fit."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset

from .support import expand_rows, gcsl_data, rewrite_shard
from .test_contract_check import document, write_document
from .test_methods import Row, log

SHARD = "data/train-00000-of-00001.arrow"
Change = Callable[[list[Row]], Any]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("methods")

    def made(name: str) -> Path:
        if not (folder / name / "out").exists():
            (folder / name).mkdir()
            expand_rows(folder / name, log(), goals__formulation=name)
        return folder / name / "out"

    return made


def forge(dataset: Path, change: Change) -> None:
    """Changes rows of the shard and makes everything that is computed from its bytes fit again."""
    rewrite_shard(dataset / SHARD, change)
    content, path = document(dataset), dataset / SHARD
    content["shards"][0] |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_document(dataset, content)


def at(place: int, **values: Any) -> Change:
    """Sets columns of one row; a value may be made from the row."""

    def change(rows: list[Row]) -> list[Row]:
        rows[place] |= {name: value(rows[place]) if callable(value) else value for name, value in values.items()}
        return rows

    return change


def swapped(rows: list[Row]) -> list[Row]:
    rows[4]["advantage"], rows[5]["advantage"] = rows[5]["advantage"], rows[4]["advantage"]
    return rows


def zeroed(rows: list[Row]) -> list[Row]:
    for row in rows:
        row["advantage"] = 0.0
    return rows


def alone(rows: list[Row]) -> list[Row]:
    rows[4]["group"] = "of its own"
    return rows


NAN = float("nan")
FAULTS: list[tuple[str, str, str, Change]] = [
    ("pairs", "an order that is wrong", "rows.true", at(4, rejected_reward=lambda row: row["chosen_reward"] + 1)),
    ("pairs", "equal rewards", "rows.true", at(4, rejected_reward=lambda row: row["chosen_reward"])),
    ("pairs", "a reward that is NaN", "rows.true", at(4, rejected_reward=NAN)),
    ("pairs", "the same text twice", "rows.true", at(4, rejected=lambda row: row["chosen"])),
    ("pairs", "smoothing that turns it around", "rows.true", at(4, smoothing=0.5)),
    ("pairs", "another copy", "rows.id", at(4, copy=9)),
    ("pairs", "another gap than the manifest's", "manifest.counts", at(4, chosen_reward=99.0)),
    ("unpaired", "a label that is wrong", "rows.true", at(4, label=lambda row: not row["label"])),
    ("unpaired", "a reward that is infinite", "rows.true", at(4, reward=float("inf"), label=True)),
    ("unpaired", "another id", "rows.id", at(4, id="0" * 16)),
    ("multi-negative", "none rejected", "rows.true", at(4, rejected=[], rejected_reward=[], rejected_source=[],
        rejected_row=[], rejected_part=[])),
    ("multi-negative", "lists of several lengths", "rows.true", at(4, rejected_row=[1])),
    ("multi-negative", "one as good", "rows.true", at(4, rejected_reward=lambda row: [
        *row["rejected_reward"][1:], row["chosen_reward"]])),
    ("multi-negative", "a reward that is NaN", "rows.true", at(4, rejected_reward=lambda row: [
        *row["rejected_reward"][1:], NAN])),
    ("multi-negative", "the chosen one rejected", "rows.true", at(4, rejected=lambda row: [
        *row["rejected"][1:], row["chosen"]])),
    ("multi-negative", "one rejected twice", "rows.true", at(4, rejected=lambda row: [
        *row["rejected"][1:], row["rejected"][1]])),
    ("best-of-group", "a goal", "rows.goal", at(4, goal="Be good.")),
    ("best-of-group", "a level", "rows.true", at(4, level=1)),
    ("best-of-group", "a weight", "rows.true", at(4, weight=2.0)),
    ("weights", "another weight", "rows.true", at(4, weight=lambda row: row["weight"] * 1.001)),
    ("weights", "a weight that is NaN", "rows.true", at(4, weight=NAN)),
    ("weights", "a reward that its weight is not of", "rows.true", at(4, reward=lambda row: row["reward"] + 0.5)),
    ("groups", "an advantage that is infinite", "rows.true", at(4, advantage=float("inf"))),
    ("groups", "advantages of each other", "rows.true", swapped),
    ("groups", "advantages of nothing", "rows.true", zeroed),
    ("groups", "a group of one", "rows.true", alone),
    ("steerlm", "another attribute", "rows.goal", at(4, goal="score:9")),
    ("steerlm", "a prompt without it", "rows.goal", at(4, prompt=[{"role": "user", "content": "Task"}])),
    ("steerlm", "a goal's number", "rows.goal", at(4, threshold=1.0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rule", "change"), [(n, r, c) for n, _, r, c in FAULTS], ids=[f"{n}: {what}" for n, what, _, _ in FAULTS]
)
def test_a_forged_row_is_found(
    datasets: Callable[[str], Path], tmp_path: Path, name: str, rule: str, change: Change
) -> None:
    shutil.copytree(datasets(name), tmp_path / "out")
    assert check_dataset(tmp_path / "out") == []

    forge(tmp_path / "out", change)

    assert rule in {finding.rule for finding in check_dataset(tmp_path / "out")}


MANIFEST_FAULTS: dict[str, tuple[str, str, Callable[[dict[str, Any]], Any]]] = {
    "another kind": ("weights", "manifest.schema", lambda content: content.update(kind="pairs")),
    "another formulation": ("pairs", "manifest.schema", lambda content: content.update(formulation="sft")),
    "no deviation": ("weights", "manifest.schema", lambda content: content["fit"].update(deviation=None)),
    "no cut": ("unpaired", "manifest.schema", lambda content: content["fit"].update(cut=None)),
    "another range": ("groups", "manifest.counts", lambda content: content["ranges"][0].update(minimum=-9.0)),
    "no range": ("groups", "manifest.counts", lambda content: content.update(ranges=[])),
    "a range of nothing": ("unpaired", "manifest.counts", lambda content: content.update(
        ranges=[{"name": "gap", "minimum": 0.0, "maximum": 1.0}])),
    "settings that cannot be": ("weights", "rows.true", lambda content: content["recipe"].update(build={"beta": 0})),
    "a deviation that is not its hex": ("weights", "manifest.counts", lambda content: content["fit"]["deviation"].update(
        value=1.0)),
}  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "change"), MANIFEST_FAULTS.values(), ids=MANIFEST_FAULTS)
def test_an_edited_manifest_is_found(
    datasets: Callable[[str], Path], tmp_path: Path, name: str, rule: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    shutil.copytree(datasets(name), tmp_path / "out")
    content = document(tmp_path / "out")
    change(content)
    write_document(tmp_path / "out", content)

    assert rule in {finding.rule for finding in check_dataset(tmp_path / "out")}
    assert gcsl_data("check", tmp_path / "out", cwd=tmp_path).status == 1


@pytest.mark.parametrize("method", ["exp", "standard", "group-standard", "quality"])
def test_every_way_to_weigh_holds(tmp_path: Path, method: str) -> None:
    expand_rows(tmp_path, log(), goals__formulation="weights", build__weight_method=method, splits__shares="0.6,0.4")

    assert check_dataset(tmp_path / "out") == []
