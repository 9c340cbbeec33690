"""`check` finds every fault it promises to find, names the rule, and never trusts what it reads."""

import copy
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.goal import PLACEMENTS
from gcsl_data.dataset.manifest import load, verified_shard
from gcsl_data.errors import DataError, InputError

from .mutants.names import HOSTILE_NAMES
from .support import document, examples, expand_rows, forge, gcsl_data, make_rows, write_document

Document = dict[str, Any]
TRAIN = "data/train-00000-of-00002.arrow"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    expand_rows(folder, make_rows((i * 37 % 101) / 100 for i in range(3000)), output__shard_bytes=300_000)
    return folder / "out"


@pytest.fixture
def dataset(good: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    copied = tmp_path / "out"
    for path in good.rglob("*"):
        target = copied / path.relative_to(good)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return copied


def edited(change: Callable[[dict[str, Any]], Any], *, at: int = 5) -> Callable[[list[dict[str, Any]]], Any]:
    def edit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        change(rows[at])
        return rows

    return edit


def rules(dataset: Path) -> set[str]:
    found = check_dataset(dataset)
    assert all(finding.file and finding.message and finding.fix for finding in found)
    return {finding.rule for finding in found}


def test_a_good_dataset_has_no_findings(good: Path) -> None:
    assert len(document(good)["shards"]) == 2
    assert check_dataset(good) == []
    assert gcsl_data("check", good, cwd=good).status == 0


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("chat", [True, False])
def test_all_placements_and_conversations_hold(tmp_path: Path, placement: str, chat: bool) -> None:
    rows = make_rows(i / 40 for i in range(40))
    for at, row in enumerate(rows):
        if chat:
            row["prompt"] = [{"role": "user", "content": row["prompt"]}]
            if at % 2:
                row["prompt"].insert(0, {"role": "system", "content": "Be brief."})
            if at % 3:
                row["prompt"] += [{"role": "assistant", "content": "?"}, {"role": "user", "content": "!"}]

    expand_rows(tmp_path, rows, goals__placement=placement, splits__shares="0.5,0.5")

    assert check_dataset(tmp_path / "out") == []


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_text_datasets_hold(tmp_path: Path, direction: str) -> None:
    flags = {"output__format": "text", "goals__placement": "suffix", "record__direction": direction}

    expand_rows(tmp_path, make_rows(i / 40 for i in range(40)), **flags)

    assert check_dataset(tmp_path / "out") == []


ROW_FAULTS: dict[str, tuple[str, Callable[[list[dict[str, Any]]], Any]]] = {
    "a reward below its goal": ("rows.true", edited(lambda row: row.update(reward=0.0))),
    "a reward that is NaN": ("rows.true", edited(lambda row: row.update(reward=float("nan")))),
    "a reward that is infinite": ("rows.true", edited(lambda row: row.update(reward=float("inf")))),
    "a wrong level": ("rows.true", edited(lambda row: row.update(level=row["level"] + 1))),
    "a wrong id": ("rows.id", edited(lambda row: row.update(id="0" * 16))),
    "a row number that is not the id's": ("rows.id", edited(lambda row: row.update(row=999_999))),
    "a doubled row": ("rows.id", lambda rows: [*rows[:5], rows[4], *rows[6:]]),
    "another goal text": ("rows.goal", edited(lambda row: row.update(goal=row["goal"] + " "))),
    "a goal that is null": ("rows.goal", edited(lambda row: row.update(goal=None))),
    "another threshold": ("rows.goal", edited(lambda row: row.update(threshold=0.0))),
    "a goal index that was dropped": ("rows.goal", edited(lambda row: row.update(goal_index=1))),
    "no goal in the prompt": (
        "rows.goal",
        edited(lambda row: row["prompt"][-1].update(content=row["prompt"][-1]["content"].split("\n\n", 1)[1])),
    ),
    "a lost row": ("rows.count", lambda rows: rows[:-1]),
    "a row too many": ("rows.count", lambda rows: [*rows, rows[-1]]),
}


@pytest.mark.parametrize(("rule", "change"), ROW_FAULTS.values(), ids=ROW_FAULTS)
def test_a_forged_row_is_found(dataset: Path, rule: str, change: Any) -> None:
    forge(dataset, change)

    assert rule in rules(dataset)


def test_the_finding_names_shard_and_row(dataset: Path) -> None:
    forge(dataset, edited(lambda row: row.update(reward=0.0, id="0" * 16)))

    by_rule = {finding.rule: finding for finding in check_dataset(dataset)}

    assert (by_rule["rows.true"].file, by_rule["rows.true"].row) == (TRAIN, 6)
    assert by_rule["rows.true"].message == f"1 row breaks this; the first has id {'0' * 16}"


def _dropped_column(schema: pa.Schema, table: pa.Table) -> pa.Table:
    return table.drop_columns(["weight"])


def _wider_column(schema: pa.Schema, table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("row"), "row", table["row"].cast(pa.int32()))


def _extra_column(schema: pa.Schema, table: pa.Table) -> pa.Table:
    return table.append_column("extra", table["row"])


@pytest.mark.parametrize("change", [_dropped_column, _wider_column, _extra_column])
def test_other_columns_are_found(dataset: Path, change: Callable[[pa.Schema, pa.Table], pa.Table]) -> None:
    with pa.ipc.open_file(dataset / TRAIN) as reader:
        table = change(reader.schema, reader.read_all())
    with pa.ipc.new_file(dataset / TRAIN, table.schema) as writer:
        writer.write_table(table)
    forge(dataset, lambda rows: rows)

    assert rules(dataset) == {"shards.columns"}


def test_a_shard_that_is_no_arrow_file_is_found(dataset: Path) -> None:
    path = dataset / TRAIN
    path.write_bytes(b"ARROW1\0\0 but not really")
    content = document(dataset)
    content["shards"][0] |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_document(dataset, content)

    assert rules(dataset) == {"shards.columns"}


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0, 100, 5000, -1, -20])
def test_a_flipped_bit_is_found_before_anything_parses_it(dataset: Path, at: int) -> None:
    _flip(dataset / TRAIN, at)

    assert rules(dataset) == {"shards.hash"}
    with pytest.raises(DataError, match="damaged"):
        verified_shard(dataset, load(dataset).shards[0])


def _swap(dataset: Path) -> None:
    other = dataset / TRAIN.replace("00000-of", "00001-of")
    moved = dataset / "moved"
    (dataset / TRAIN).rename(moved)
    other.rename(dataset / TRAIN)
    moved.rename(other)


FILE_FAULTS: dict[str, Callable[[Path], Any]] = {
    "truncated": lambda dataset: os.truncate(dataset / TRAIN, 1000),
    "emptied": lambda dataset: os.truncate(dataset / TRAIN, 0),
    "removed": lambda dataset: (dataset / TRAIN).unlink(),
    "swapped": _swap,
    "longer": lambda dataset: os.truncate(dataset / TRAIN, (dataset / TRAIN).stat().st_size + 8),
    "a folder": lambda dataset: ((dataset / TRAIN).unlink(), (dataset / TRAIN).mkdir()),
    "a link": lambda dataset: (
        (dataset / TRAIN).rename(dataset / "elsewhere"),
        (dataset / TRAIN).symlink_to(dataset / "elsewhere"),
    ),
    "an extra shard": lambda dataset: (dataset / "data" / "train-00009-of-00009.arrow").write_bytes(b"x"),
}


@pytest.mark.parametrize("damage", FILE_FAULTS.values(), ids=FILE_FAULTS)
def test_a_damaged_shard_is_found(dataset: Path, damage: Callable[[Path], Any]) -> None:
    damage(dataset)

    assert rules(dataset) == {"shards.hash"}
    outcome = gcsl_data("check", dataset, cwd=dataset)
    assert outcome.status == 1
    assert "FAIL  shards.hash" in outcome.out


def _set(*place: Any, to: Any) -> Callable[[Document], None]:
    def change(content: Document) -> None:
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = to

    return change


MANIFEST_FAULTS: dict[str, tuple[str, Callable[[Document], None]]] = {
    "an unknown key": ("manifest.schema", _set("surprise", to=1)),
    "a missing key": ("manifest.schema", lambda content: content.pop("kind")),
    "a number as text": ("manifest.schema", _set("shards", 0, "rows", to="1")),
    "an unknown placement": ("manifest.schema", _set("placement", to="middle")),
    "rows that do not add up": ("manifest.counts", _set("accounting", "rows", to=7)),
    "another count of a split": ("manifest.counts", _set("splits", 0, "examples", to=7)),
    "another count of a goal": ("manifest.counts", _set("goals", 4, "examples", to=7)),
    "another inference goal": ("manifest.counts", _set("inference_goal", to=4)),
    "no goals": ("manifest.counts", _set("goals", to=[])),
    "a threshold that is no number": ("manifest.counts", _set("fit", "thresholds", 4, "printed", to="much")),
    "an edge that is not its hex": ("manifest.counts", _set("fit", "thresholds", 4, "edge", to=0.5)),
    "another goal text": ("manifest.id", _set("goals", 3, "text", to="A score of at least 0.60!")),
    "other columns": ("manifest.id", _set("columns", 0, "nullable", to=True)),
    "a sentence without its number": ("rows.true", _set("goals", 3, "text", to="Do well.")),
    "another number of rows": ("rows.count", _set("shards", 0, "rows", to=7)),
}


@pytest.mark.parametrize(("rule", "change"), MANIFEST_FAULTS.values(), ids=MANIFEST_FAULTS)
def test_an_edited_manifest_is_found_even_with_its_id_made_to_fit(
    dataset: Path, rule: str, change: Callable[[Document], None]
) -> None:
    content = document(dataset)
    change(content)
    write_document(dataset, content)

    assert rule in rules(dataset)
    assert gcsl_data("check", dataset, cwd=dataset).status == 1


def test_an_edited_manifest_with_its_old_id_is_found(dataset: Path) -> None:
    content = document(dataset)
    content["recipe"]["bins"]["count"] = 6
    write_document(dataset, content, identify=False)

    assert rules(dataset) == {"manifest.id", "manifest.files"}


@pytest.mark.parametrize(
    ("text", "placement"), [(False, "prefix"), (False, "suffix"), (False, "system"), (True, "prefix"), (True, "suffix")]
)
@pytest.mark.parametrize("spelling", ["{}", " {}\n", "\n{}  "])
def test_a_prompt_in_two_splits_is_found(tmp_path: Path, text: bool, placement: str, spelling: str) -> None:
    form = {"output__format": "text"} if text else {}
    flags = {"goals__placement": placement, "splits__shares": "0.5,0.5"}
    expand_rows(tmp_path, make_rows(i / 40 for i in range(40)), **form, **flags)
    assert check_dataset(tmp_path / "out") == []
    (prompt,) = {
        row["prompt"] if text else row["prompt"][-1]["content"] for row in examples(tmp_path / "out", "validation")[:1]
    }
    bare = re.search(r"Task \d+", prompt)
    assert bare

    def move(row: dict[str, Any]) -> None:
        whole = row["prompt"] if text else row["prompt"][-1]["content"]
        moved = re.sub(r"Task \d+", lambda _: spelling.format(bare[0]), whole)
        row["prompt"] = moved if text else [*row["prompt"][:-1], {"role": "user", "content": moved}]

    forge(tmp_path / "out", edited(move, at=0))

    (finding,) = check_dataset(tmp_path / "out")
    assert finding.rule == "rows.splits"
    assert (finding.file, finding.row) == ("data/train-00000-of-00001.arrow", 1)
    assert re.fullmatch(
        r"1 prompt stands in two splits, the first of them \(id [0-9a-f]{16}\) in train and validation", finding.message
    )


UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"format_version": 1, "data',
    "not JSON": b"version https://git-lfs.github.com/spec/v1",
    "not UTF-8": b"\xff\xfe{}",
    "a list": b"[]",
    "null": b"null",
    "another version": b'{"format_version": 2}',
    "a version as text": b'{"format_version": "1"}',
    "nested deeply": b"[" * 200_000,
    "a doubled key": b'{"format_version": 1, "format_version": 1}',
    "NaN": b'{"format_version": NaN}',
    "a number too large": b'{"format_version": 1, "x": 1e999}',
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("command", ["check", "stats", "goal"])
def test_a_manifest_that_cannot_be_parsed_is_exit_65(tmp_path: Path, content: bytes, command: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)

    outcome = gcsl_data(command, tmp_path, cwd=tmp_path)

    assert outcome.status == 65
    assert len(outcome.err.splitlines()) == len(outcome.errors) == 1


def test_a_huge_manifest_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(20 * 1024 * 1024)

    with pytest.raises(DataError, match="larger than"):
        check_dataset(tmp_path)


def test_a_folder_without_a_manifest_is_exit_65_and_no_folder_66(tmp_path: Path) -> None:
    assert gcsl_data("check", tmp_path, cwd=tmp_path).status == 65
    assert gcsl_data("check", tmp_path / "nowhere", cwd=tmp_path).status == 66
    with pytest.raises(InputError):
        check_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_shard_name_that_leads_elsewhere_is_refused(dataset: Path, name: str) -> None:
    content = document(dataset)
    content["shards"][0]["name"] = name
    write_document(dataset, content)

    outcome = gcsl_data("check", dataset, cwd=dataset)

    assert outcome.status == 65
    assert "not a plain shard name" in outcome.err


def test_the_same_shard_twice_is_refused(dataset: Path) -> None:
    content = document(dataset)
    content["shards"][1] = copy.deepcopy(content["shards"][0])
    write_document(dataset, content)

    assert gcsl_data("check", dataset, cwd=dataset).status == 65


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*at, key))


def one_of_each(content: Document) -> list[tuple[Any, ...]]:
    """Every place of a manifest once, list items by their first."""
    kinds = {re.sub(r"\b\d+\b", "#", repr(place)): place for place in reversed(list(places(content)))}
    return list(kinds.values())


def test_no_hostile_manifest_is_a_crash(dataset: Path) -> None:
    original = document(dataset)
    for shard in original["shards"]:
        (dataset / shard["name"]).unlink()
    values = (None, "x\x1b[31m", "9" * 500, -1, 10**30, [])

    for place in one_of_each(original):
        for value in values:
            content = copy.deepcopy(original)
            _set(*place, to=value)(content)
            write_document(dataset, content)
            for command, allowed in (("check", {0, 1, 65}), ("stats", {0, 65})):
                outcome = gcsl_data(command, dataset, cwd=dataset)
                assert outcome.status in allowed, (place, value, outcome.err)
                assert "\x1b" not in outcome.err


def test_stats_name_a_damaged_shard(dataset: Path) -> None:
    (dataset / TRAIN).unlink()

    outcome = gcsl_data("stats", dataset, cwd=dataset)

    assert outcome.status == 65
    assert TRAIN in outcome.err


def test_counts_by_goal_are_recounted_from_the_rows(dataset: Path) -> None:
    content = document(dataset)
    content["goals"][3]["examples"] += 1
    content["goals"][4]["examples"] -= 1
    write_document(dataset, content)

    assert rules(dataset) == {"manifest.counts", "manifest.files"}


def test_a_goal_that_stands_in_the_user_turn_is_not_placed_in_a_system_message(dataset: Path) -> None:
    content = document(dataset)
    write_document(dataset, {**content, "placement": "system"})

    assert "rows.goal" in {finding.rule for finding in check_dataset(dataset)}
