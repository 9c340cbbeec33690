"""Builds at length: killed and refused at every write, on every machine, a thousand times. `make soak` runs it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.data.lives import PARTS, VARIANTS, Hashes, build_elsewhere, hashes, killed
from tests.data.support import PROGRAM, REPOSITORY, gcsl_data, make_rows, write_jsonl

pytestmark = pytest.mark.soak
REWARDS = [(i * 7919 % 10007) / 10007 for i in range(20_000)]
CALLS = ("fsync", "rename,renameat,renameat2")
ERRORS = ("ENOSPC", "EIO", "EFBIG")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jsonl(tmp_path_factory.mktemp("log") / "log.jsonl", make_rows(REWARDS))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jsonl(tmp_path_factory.mktemp("small") / "log.jsonl", make_rows(REWARDS[:500]))


@pytest.mark.parametrize("flags", [(), ("--overwrite",), ("--resume",)], ids=["new", "overwrite", "resume"])
def test_two_hundred_kills_leave_nothing_or_all(tmp_path: Path, log: Path, flags: tuple[str, ...]) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert gcsl_data("expand", log, "-o", whole, *PARTS, cwd=tmp_path).status == 0
    expected = hashes(whole)
    longest = _seconds("expand", log, "-o", tmp_path / "timed", *PARTS)
    shutil.rmtree(tmp_path / "timed")
    landed = runs = 0
    while runs < 200:
        if out.exists() and flags != ("--overwrite",):
            shutil.rmtree(out)
        landed += killed(
            ("expand", str(log), "-o", str(out), *PARTS, *flags),
            times=1,
            seed=runs,
            found=lambda: hashes(out) if out.exists() else None,
            may_be=(None, expected),
            longest=longest,
        )
        runs += 1
    print(f"{landed} of {runs} killed before their end")
    assert landed > 100
    assert gcsl_data("expand", log, "-o", out, "--overwrite", *PARTS, cwd=tmp_path).status == 0
    assert hashes(out) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def _seconds(*command: str | Path) -> float:
    started = time.monotonic()
    subprocess.run([*PROGRAM, *map(str, command)], check=True, capture_output=True)
    return time.monotonic() - started


def test_two_hundred_kills_of_a_merge_leave_the_parts_or_the_dataset(tmp_path: Path, log: Path) -> None:
    out, whole, kept = tmp_path / "out", tmp_path / "whole", tmp_path / "kept"
    assert gcsl_data("expand", log, "-o", whole, *PARTS, cwd=tmp_path).status == 0
    for share in ("1/2", "2/2"):
        assert gcsl_data("expand", log, "-o", kept, "--shard", share, *PARTS, cwd=tmp_path).status == 0
    parts, expected = hashes(kept), hashes(whole)
    shutil.copytree(kept, out)
    longest = _seconds("merge", out)
    landed = merged = 0
    for run in range(200):
        if not out.exists() or hashes(out) == expected:
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(kept, out)
        landed += killed(
            ("merge", str(out)),
            times=1,
            seed=run,
            found=lambda: hashes(out),
            may_be=(parts, expected),
            longest=longest,
        )
        merged += hashes(out) == expected
    print(f"{landed} of 200 killed before their end, {merged} had merged")
    assert landed > 50
    if hashes(out) != expected:
        assert gcsl_data("merge", out, cwd=tmp_path).status == 0
    assert hashes(out) == expected
    assert not [*tmp_path.glob(".out.*")]


@pytest.mark.parametrize("flags", [(), ("--overwrite",)], ids=["new", "overwrite"])
@pytest.mark.parametrize("what", ["SIGKILL", *ERRORS])
@pytest.mark.parametrize("call", CALLS, ids=["fsync", "rename"])
def test_a_kill_or_an_error_at_each_call(
    tmp_path: Path, small: Path, call: str, what: str, flags: tuple[str, ...]
) -> None:
    """At the first such call, at the second, and so on until a build gets through untouched."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (scripts/system-deps says why)")
    out, old = tmp_path / "out", tmp_path / "old"
    command = ("expand", str(small), "-o", str(out), *PARTS, *flags)
    assert gcsl_data(*command, cwd=tmp_path).status == 0
    whole = hashes(out)
    assert gcsl_data("expand", small, "-o", old, "--bins", "3", cwd=tmp_path).status == 0
    before = hashes(old) if flags else None
    ended: Counter[int] = Counter()
    for when in range(1, 500):
        shutil.rmtree(out, ignore_errors=True)
        if flags:
            shutil.copytree(old, out)
        status, said = _injected(command, call, what, when, folder=tmp_path)
        ended[status] += 1
        found = hashes(out) if out.exists() else None
        if status == 0:
            assert found == whole
        elif what == "SIGKILL":
            assert found in (before, whole)
        else:
            assert status in (73, 74), said
            assert found in (before, whole)
            assert not [*tmp_path.glob(".out.*")], said
        if status == 0:
            break
    print(f"{call} {what}: {dict(ended)}")
    assert ended[0] == 1
    assert ended.total() > 2
    shutil.rmtree(out)
    assert gcsl_data(*command, cwd=tmp_path).status == 0
    assert hashes(out) == whole
    assert not [*tmp_path.glob(".out.*")]


def _injected(command: Sequence[str], call: str, what: str, when: int, *, folder: Path) -> tuple[int, str]:
    """The exit status of a build, and what it said, whose `when`-th such call on a file of its output goes wrong."""
    fault = f"signal={what}" if what.startswith("SIG") else f"error={what}"
    watch = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:{fault}:when={when}"]
    done = subprocess.run([*watch, *PROGRAM, *command], cwd=folder, capture_output=True, text=True, check=False)
    status = done.returncode
    return (137 if status == -9 else status), done.stderr


@pytest.mark.parametrize("flags", [(), ("--overwrite",)], ids=["new", "overwrite"])
@pytest.mark.parametrize("what", ["SIGKILL", *ERRORS])
def test_a_kill_or_an_error_at_each_write(tmp_path: Path, small: Path, what: str, flags: tuple[str, ...]) -> None:
    """From inside the process, since a whole process has other writes than those of its output: 40 places, evenly spread."""
    out, old = tmp_path / "out", tmp_path / "old"
    command = ("expand", str(small), "-o", str(out), *PARTS, *flags)
    writes = int(_failing(command, what, 10**9, folder=tmp_path)[1].rsplit("writes ", 1)[1].split()[0])
    whole = hashes(out)
    assert gcsl_data("expand", small, "-o", old, "--bins", "3", cwd=tmp_path).status == 0
    before = hashes(old) if flags else None
    for when in range(1, writes + 1, max(1, writes // 40)):
        shutil.rmtree(out, ignore_errors=True)
        if flags:
            shutil.copytree(old, out)
        status, said = _failing(command, what, when, folder=tmp_path)
        assert status == (-9 if what == "SIGKILL" else 74), said
        assert (hashes(out) if out.exists() else None) == before
        assert what == "SIGKILL" or not [*tmp_path.glob(".out.*")]
    print(f"{what}: up to write {writes}")
    shutil.rmtree(out, ignore_errors=True)
    assert gcsl_data(*command, cwd=tmp_path).status == 0
    assert hashes(out) == whole
    assert not [*tmp_path.glob(".out.*")]


def _failing(command: Sequence[str], what: str, when: int, *, folder: Path) -> tuple[int, str]:
    """The exit status of a build whose `when`-th write goes wrong, and what it said: at the end how many writes it made."""
    script = f"from tests.data.lives import fail_at_write; fail_at_write({what!r}, {when})"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ["--split", "0.8,0.1,0.1", "--bins", "7"],
        ["--normalize", "zscore", "--normalize-by", "group", "--dedup", "exact", "--conflicts", "mean"],
        ["--formulation", "pairs"],
        ["--formulation", "groups", "--split", "0.9,0.1"],
    ],
    ids=["goals", "groups and hygiene", "pairs", "advantages"],
)
def test_one_hash_on_twenty_four_machines(tmp_path: Path, flags: list[str]) -> None:
    rows = [{**row, "prompt": f"Task {i % 700}"} for i, row in enumerate(make_rows(REWARDS[:5000]))]
    seen: list[Hashes] = []
    for number, variant in enumerate(VARIANTS):
        folder = tmp_path / f"machine {number}"
        given = [*flags, "--set", "output.shard_bytes=200000", "--set", "output.fragment_bytes=150000"]
        seen.append(hashes(build_elsewhere(folder, rows, given, variant, number=number)))
        shutil.rmtree(folder)

    assert len({tuple(one.items()) for one in seen}) == 1
    assert len([name for name in seen[0] if re.match("data/train", name)]) > 1
