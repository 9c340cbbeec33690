"""Killed at any moment, raced or out of space: what a build leaves is nothing, or all of it."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset import files, renames
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import OutputError, WriteError

from .lives import PARTS, hashes, killed
from .support import PROGRAM, expand, gcsl_data, make_rows, tree, write_jsonl


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that takes a build long enough to be hit in the middle of it."""
    rows = make_rows([(i * 7919 % 10007) / 10007 for i in range(20_000)])
    return write_jsonl(tmp_path_factory.mktemp("log") / "log.jsonl", rows)


@pytest.mark.parametrize("flags", [(), ("--overwrite",)], ids=["new", "overwrite"])
def test_a_build_killed_at_a_random_moment_leaves_nothing_or_all_and_can_be_run_again(
    tmp_path: Path, log: Path, flags: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    command = ("expand", str(log), "-o", str(out), *PARTS, *flags)
    if flags:
        assert gcsl_data("expand", log, "-o", out, "--bins", "3", cwd=tmp_path).status == 0
    old = hashes(out) if flags else None
    assert gcsl_data("expand", log, "-o", tmp_path / "whole", *PARTS, cwd=tmp_path).status == 0
    whole = hashes(tmp_path / "whole")

    landed = killed(
        command, times=13, seed=len(flags), found=lambda: hashes(out) if out.exists() else None, may_be=(old, whole)
    )

    assert landed >= 5
    again = subprocess.run([*PROGRAM, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0 or (not flags and hashes(out) == whole), again.stderr
    assert hashes(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_of_two_builds_for_one_place_one_wins_and_the_other_is_73(tmp_path: Path, log: Path) -> None:
    builds = [
        subprocess.Popen([*PROGRAM, "expand", str(log), "-o", "out"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [build.communicate()[1] for build in builds]

    assert sorted(build.returncode for build in builds) == [0, 73], said
    assert "out exists" in said[[build.returncode for build in builds].index(73)]
    assert tree(tmp_path)[0] == "out"
    assert gcsl_data("check", tmp_path / "out", cwd=tmp_path).status == 0
    assert not [*tmp_path.glob(".out.*")]


@pytest.mark.parametrize(("number", "status", "word"), [(2, 130, "interrupted"), (15, 143, "terminated")])
def test_a_signal_ends_a_build_at_once_and_leaves_nothing(
    tmp_path: Path, log: Path, number: int, status: int, word: str
) -> None:
    for part in (0.0, 0.05, 0.2):
        build = subprocess.Popen(
            [*PROGRAM, "expand", str(log), "-o", "out", "--json", "--split", "0.9,0.1"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not [*tmp_path.glob(".out.*")] and build.poll() is None:
            time.sleep(0.002)
        time.sleep(part)
        build.send_signal(number)

        out, said = build.communicate()
        if build.returncode == 0:  # it was faster
            shutil.rmtree(tmp_path / "out")
            continue
        assert build.returncode == status, said
        assert f"{word}; nothing half-written is left" in said
        assert json.loads(out)["code"] == word
        if (tmp_path / "out").exists():  # the signal came after the last step: then it is whole
            assert check_dataset(tmp_path / "out") == []
            shutil.rmtree(tmp_path / "out")
        assert tree(tmp_path) == []


BROKEN_OFF = """
import threading, time
import polars as pl
from gcsl_data.cli import main

def slowly(piece):
    called.set()
    time.sleep(0.001)

def query():
    while True:
        pl.LazyFrame({"a": range(10_000)}).sink_batches(slowly, chunk_size=10, engine="streaming")

called = threading.Event()
threading.Thread(target=query, daemon=True).start()
called.wait()
main()
"""


def test_the_exit_status_stands_while_a_thread_of_polars_calls_back(tmp_path: Path) -> None:
    """What Polars was doing when a build was broken off goes on for a moment; Python's own end then is SIGABRT."""
    said = subprocess.run(
        [PROGRAM[0], "-W", "ignore", "-c", BROKEN_OFF, "expand", "absent.jsonl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 66, said.stderr


def test_overwrite_replaces_a_dataset_and_nothing_else(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 50 for i in range(50)]))
    first = expand(tmp_path / "out", tmp_path / "log.jsonl")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    (tmp_path / "link").symlink_to(tmp_path / "out")

    for note in (tmp_path / "out" / "notes.md", tmp_path / "out" / "run"):
        note.mkdir()
        refused = gcsl_data("expand", "log.jsonl", "-o", "out", "--overwrite", "--json", cwd=tmp_path)
        assert (refused.status, refused.json["code"]) == (73, "GD7307")
        assert note.name in refused.json["message"]
        note.rmdir()
    for place in ("mine", "link", "log.jsonl"):
        refused = gcsl_data("expand", "log.jsonl", "-o", place, "--overwrite", "--json", cwd=tmp_path)
        assert (refused.status, refused.json["code"]) == (73, "GD7306")
    assert gcsl_data("expand", "log.jsonl", "-o", "out", "--bins", "3", cwd=tmp_path).status == 73
    assert load(tmp_path / "out") == first
    assert gcsl_data("expand", "log.jsonl", "-o", "out", "--bins", "3", "--overwrite", cwd=tmp_path).status == 0

    assert load(tmp_path / "out").fit.bins_asked == 3
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert not [*tmp_path.glob(".*")]


def test_a_failed_overwrite_leaves_the_old_dataset(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 50 for i in range(50)]))
    expand(tmp_path / "out", tmp_path / "log.jsonl")
    before = hashes(tmp_path / "out")
    write_jsonl(tmp_path / "bad.jsonl", make_rows([*(i / 50 for i in range(50)), None]))

    assert gcsl_data("expand", "bad.jsonl", "-o", "out", "--overwrite", cwd=tmp_path).status == 65

    assert hashes(tmp_path / "out") == before


def test_what_dead_processes_left_is_removed_and_what_living_ones_hold_is_not(tmp_path: Path) -> None:
    dead = tmp_path / ".out.999999-0123abcd.incomplete"
    (dead / "data").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    (tmp_path / ".out.1-0123abcd.incomplete").symlink_to(elsewhere)
    (dead / "link").symlink_to(elsewhere)
    for other in (".out.mine", ".outer.1-0123abcd.incomplete", ".out.1-0123abcd.incomplete.txt"):
        (tmp_path / other).mkdir()

    with files.staged(tmp_path / "out") as living, files.staged(tmp_path / "out2"):
        files.remove_abandoned(tmp_path, ".out.")
        assert living.is_dir()
        (living / "x").write_text("x")

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".out.1-0123abcd.incomplete", ".out.1-0123abcd.incomplete.txt", ".out.mine", ".outer.1-0123abcd.incomplete",
        "elsewhere", "out", "out2",
    ]  # fmt: skip
    assert (elsewhere / "kept").read_text() == "x"


@pytest.mark.parametrize("has_flags", [True, False], ids=["kernel", "fallback"])
def test_a_rename_replaces_nothing_and_a_swap_changes_places(
    tmp_path: Path, has_flags: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_flags:
        monkeypatch.setattr(renames, "_function", lambda: None)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (tmp_path / "empty").mkdir()

    for target in ("b", "empty"):
        with pytest.raises(FileExistsError):
            renames.move(tmp_path / "a", tmp_path / target)
    renames.swap(tmp_path / "a", tmp_path / "b")
    renames.move(tmp_path / "a", tmp_path / "c")

    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "b",
        "b/a",
        "c",
        "c/b",
        "empty",
    ]


def test_a_place_that_was_taken_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="out exists"), files.staged(tmp_path / "out"):
        (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="file exists"), files.staged_file(tmp_path / "file") as path:
        [place.write_text("theirs") for place in (path, tmp_path / "file")]

    assert (tmp_path / "file").read_text() == "theirs"
    assert tree(tmp_path) == ["file", "out"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_disk_that_refuses_is_74_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(WriteError), files.staged(tmp_path / "deep" / "out"):
        refuse()

    assert tree(tmp_path) == []


def test_copies_of_a_log_do_not_outlive_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import os, signal; from gcsl_data.ingest.plain import temporary_folder; "
        "(temporary_folder() / 'copy').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    left = [path.name for path in tmp_path.iterdir()]
    subprocess.run(
        [sys.executable, "-c", "from gcsl_data.ingest.plain import temporary_folder; print(temporary_folder())"],
        env=environment,
        check=True,
        capture_output=True,
    )

    assert len(left) == 1
    assert left[0].startswith("gcsl-copies-")
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    "flags", [{}, {"output__format": "text"}, {"goals__formulation": "gcsl-nl"}, {"goals__filter": "none"}]
)
def test_the_room_that_is_asked_for_is_about_what_the_shards_take(
    tmp_path: Path, flags: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(files, "require_space", lambda _target, needed: asked.append(needed))
    rows = [
        {**row, "response": "word " * (1 + i % 90)} for i, row in enumerate(make_rows(i / 5000 for i in range(5000)), 1)
    ]
    write_jsonl(tmp_path / "log.jsonl", rows)

    manifest = expand(tmp_path / "out", tmp_path / "log.jsonl", **flags)

    assert 0.8 < sum(shard.bytes for shard in manifest.shards) / asked[0] < 1.25


def test_a_disk_without_room_is_74_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=5000))
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 50 for i in range(50)]))

    outcome = gcsl_data("expand", "log.jsonl", "-o", "deep/out", "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (74, "GD7404")
    assert "will take about" in outcome.json["message"]
    assert tree(tmp_path) == ["log.jsonl"]
