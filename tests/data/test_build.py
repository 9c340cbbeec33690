"""A build gives the same bytes anywhere, says what it wrote, and leaves nothing behind when it fails."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from gcsl_data.build import build
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import OutputError

from . import reference
from .lives import VARIANTS, build_elsewhere, hashes
from .support import examples, expand, expand_rows, make_rows, plan_of, tree, write_jsonl

REWARDS = [round(((i * 7919) % 10007) / 10007, 9) for i in range(5000)]


def test_the_manifest_says_what_the_plain_reference_says(tmp_path: Path) -> None:
    rewards = REWARDS
    edges = reference.thresholds(rewards, 7)
    decimals = reference.auto_decimals(rewards, edges, ">=")
    assert decimals is not None
    numbers = [reference.snapped(edge, ">=", decimals) for edge in edges]
    kept = reference.kept(edges, rewards)
    expected = reference.expand(rewards, numbers, ">=", kept)

    manifest = expand_rows(tmp_path, make_rows(REWARDS), bins__count=7)

    assert [t.edge for t in manifest.fit.thresholds] == edges
    assert [Decimal(t.printed) for t in manifest.fit.thresholds] == numbers
    assert manifest.fit.mean == reference.mean(rewards)
    assert (manifest.fit.minimum, manifest.fit.maximum) == (min(rewards), max(rewards))
    assert [goal.index for goal in manifest.kept_goals] == kept
    assert manifest.inference_goal == kept[-1]
    assert [goal.examples for goal in manifest.kept_goals] == [sum(k == g for _, g in expected) for k in kept]
    assert [goal.records for goal in manifest.goals] == [sum(r >= float(x) for r in rewards) for x in numbers]
    assert manifest.splits[0].examples == len(expected)
    assert [(row["row"] - 1, row["goal_index"]) for row in examples(tmp_path / "out")] == expected


def test_the_manifest_says_what_lies_on_disk(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(REWARDS), splits__shares="0.8,0.1,0.1")
    out, log = tmp_path / "out", (tmp_path / "log.jsonl").read_bytes()

    (described,) = manifest.inputs
    assert (described.uri, described.bytes, described.sha256) == (
        "log.jsonl",
        len(log),
        hashlib.sha256(log).hexdigest(),
    )
    assert manifest.identified() == manifest
    assert [split.name for split in manifest.splits] == ["train", "validation", "test"]
    for shard in manifest.shards:
        content = (out / shard.name).read_bytes()
        assert (shard.bytes, shard.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    side = {path.name: path for path in (out / "_gcsl").iterdir()}
    assert side.keys() == {"fit.json", "goals.json", "recipe.toml", "template.j2", "run.json"}
    document = json.loads((out / "manifest.json").read_text())
    assert json.loads(side["fit.json"].read_text()) == document["fit"]
    assert json.loads(side["goals.json"].read_text()) == document["goals"]
    assert hashlib.sha256(side["template.j2"].read_bytes()).hexdigest() == manifest.templates["reward"].sha256
    assert not list(out.glob("**/state.json"))


def test_nothing_of_this_machine_stands_in_a_dataset(tmp_path: Path) -> None:
    template = tmp_path / "private" / "goal.j2"
    template.parent.mkdir()
    template.write_text("At least {{ threshold }}.")

    expand_rows(tmp_path, make_rows(REWARDS[:100]), goals__template=str(template))

    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name != "run.json":
            assert str(tmp_path).encode() not in path.read_bytes(), path


def test_the_bytes_do_not_depend_on_threads_seeds_zones_locales_folders_order_or_jobs(tmp_path: Path) -> None:
    rows = make_rows(REWARDS)
    flags = ["--split", "0.8,0.1,0.1", "--bins", "7", "--set", "output.shard_bytes=200000"]
    flags += ["--set", "output.fragment_bytes=100000"]

    found = [
        hashes(build_elsewhere(tmp_path / f"machine {number}", rows, flags, variant, number=number))
        for number, variant in enumerate(VARIANTS[:6])
    ]

    assert len([name for name in found[0] if name.startswith("data/train")]) > 3
    assert len({tuple(one.items()) for one in found}) == 1


def test_another_recipe_gives_another_dataset(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS[:200]))

    ids = {
        expand(tmp_path / "a", log).dataset_id,
        expand(tmp_path / "b", log, bins__count=4).dataset_id,
        expand(tmp_path / "c", log, goals__placement="suffix").dataset_id,
        expand(tmp_path / "d", log, goals__metric="grade").dataset_id,
    }

    assert len(ids) == 4


def test_shards_are_cut_by_size_and_numbered(tmp_path: Path) -> None:
    flags = {"output__shard_bytes": 1, "splits__shares": "0.9,0.1", "goals__filter": "none"}

    manifest = expand_rows(tmp_path, make_rows(REWARDS), **flags)

    train = manifest.split_shards("train")
    assert [s.name for s in train] == [f"data/train-{i:05d}-of-{len(train):05d}.arrow" for i in range(len(train))]
    assert len(train) > 3
    assert [s.rows for s in train[:-1]] == [BATCH_ROWS] * (len(train) - 1)
    assert {path.name for path in (tmp_path / "out" / "data").iterdir()} == {Path(s.name).name for s in manifest.shards}


def test_a_shard_holds_batches_of_a_fixed_size_and_plain_types(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(REWARDS), goals__filter="none")

    with pa.ipc.open_file(tmp_path / "out" / manifest.shards[0].name) as reader:
        sizes = [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
        types = {field.name: str(field.type) for field in reader.schema}

    assert set(sizes[:-1]) == {BATCH_ROWS}
    assert sum(sizes) == manifest.splits[0].examples
    assert types["prompt"] == types["completion"] == "list<item: struct<role: string, content: string>>"
    assert {types[name] for name in ("id", "goal", "group", "source")} == {"string"}


def test_a_split_without_examples_has_one_empty_shard(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i % 2}", "response": f"r{i}", "reward": float(i)} for i in range(20)]

    manifest = expand_rows(tmp_path, rows, splits__shares="0.5,0.25,0.25")

    assert [(s.split, s.rows) for s in manifest.shards if s.split != "train"] == [
        (split.name, split.examples) for split in manifest.splits[1:]
    ]
    assert 0 in [split.examples for split in manifest.splits]


def test_progress_is_told_up_to_the_promised_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS))

    manifest, _ = build(*plan_of(log), tmp_path / "out", on_rows=lambda done, total: told.append((done, total)))

    assert told[-1] == (manifest.splits[0].examples, manifest.splits[0].examples)


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling"])
def test_an_existing_output_is_refused_and_untouched(tmp_path: Path, kind: str) -> None:
    log, out = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS[:50])), tmp_path / "out"
    make = {
        "folder": out.mkdir,
        "file": lambda: out.write_text("mine"),
        "link": lambda: out.symlink_to(tmp_path),
        "dangling": lambda: out.symlink_to(tmp_path / "nowhere"),
    }
    make[kind]()
    before = tree(tmp_path)

    with pytest.raises(OutputError, match="exists"):
        expand(out, log)

    assert tree(tmp_path) == before


class Failing(LocalEngine):
    """An engine that breaks off after its first piece."""

    error: BaseException = RuntimeError("broken off")

    def sink(self, frame: pl.LazyFrame, write: Callable[[pl.DataFrame], None]) -> None:
        def once(piece: pl.DataFrame) -> None:
            write(piece)
            raise self.error

        super().sink(frame, once)


@pytest.mark.parametrize("error", [RuntimeError("broken off"), KeyboardInterrupt(), MemoryError()])
def test_a_build_that_breaks_off_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS))
    plan, _ = plan_of(log)
    engine = Failing(plan.logs)
    engine.error = error

    with pytest.raises(type(error)):
        build(plan, engine, tmp_path / "new" / "folders" / "out")

    assert tree(tmp_path) == ["log.jsonl"]


def test_folders_on_the_way_to_the_output_are_made(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS[:50]))

    manifest = expand(tmp_path / "new" / "folders" / "out", log)

    assert load(tmp_path / "new" / "folders" / "out") == manifest
    assert sorted(path.name for path in (tmp_path / "new" / "folders").iterdir()) == ["out"]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from gcsl_data.cli import main
main()
"""


@pytest.mark.parametrize("limit", [0, 40_000, 400_000])
def test_a_full_disk_is_exit_74_and_leaves_nothing_behind(tmp_path: Path, limit: int) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), "expand", log, "-o", tmp_path / "out", "--json"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 74, done.stderr.decode()
    assert json.loads(done.stdout)["exit_code"] == 74
    assert tree(tmp_path) == ["log.jsonl"]


def test_a_folder_that_cannot_be_written_is_exit_73(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS[:50]))
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError) as caught:
        expand(tmp_path / "file" / "out", log)

    assert caught.value.exit_status == 73
    assert tree(tmp_path) == ["file", "log.jsonl"]


def test_a_log_that_changed_between_plan_and_build_is_noticed_or_harmless(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(REWARDS[:50]))
    plan, engine = plan_of(log)
    log.unlink()

    with pytest.raises(Exception) as caught:  # noqa: PT011
        build(plan, engine, tmp_path / "out")

    assert not isinstance(caught.value, AssertionError)
    assert tree(tmp_path) == []


def test_rows_stand_in_log_order_with_goals_ascending(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows(REWARDS), goals__filter="none", output__shard_bytes=100_000)

    keys = [(row["row"], row["goal_index"]) for row in examples(tmp_path / "out")]

    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))
