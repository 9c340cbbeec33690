"""What is done is on the disk: files and folders are fsynced after their last change, then they appear, then the parent is.

Python's own fsync tells of it in the program's processes; tests/system/test_durability.py looks from the kernel's side.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .support import gcsl_data_process, make_rows, write_jsonl

# Loaded by every Python process that has it on its path: notes what each fsync finds, and what stands at the target then.
WATCH = """
import json, os

def noted(handle, fsync=os.fsync):
    fsync(handle)
    found, target = os.fstat(handle), os.environ["WATCHED_TARGET"]
    there = os.stat(target).st_ino if os.path.exists(target) else None
    line = json.dumps([found.st_ino, found.st_size, found.st_mtime_ns, there]) + "\\n"
    with open(os.environ["WATCHED_LOG"], "a") as log:
        log.write(line)

os.fsync = noted
"""


@dataclass(frozen=True, slots=True)
class Sync:
    """One fsync: of which inode, its size and time then, and the inode that stood at the target."""

    inode: int
    size: int
    time: int
    target: int | None


def syncs_of(folder: Path, target: str, *arguments: str) -> list[Sync]:
    """Runs the program in `folder`, where it makes `target`, and gives its fsyncs in their order."""
    (folder / "watch").mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    log = folder / "watch" / "log"
    log.write_text("")
    path = os.pathsep.join([str(folder / "watch"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PYTHONPATH": path, "WATCHED_LOG": str(log), "WATCHED_TARGET": str(folder / target)}
    done = gcsl_data_process(*arguments, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    return [Sync(*json.loads(line)) for line in log.read_text().splitlines()]


def everything(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")


def last_sync(syncs: list[Sync], path: Path, appeared: int) -> int:
    """When `path` was synced as it is now, before the file or folder with the inode `appeared` stood at the target."""
    info = path.stat()
    as_it_is = (info.st_ino, info.st_size, info.st_mtime_ns)
    found = [at for at, s in enumerate(syncs) if (s.inode, s.size, s.time) == as_it_is and s.target != appeared]
    assert found, f"{path.name} was not fsynced after its last write and before it appeared"
    return found[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log, another one with rows to set aside, and a dataset."""
    rows = make_rows(i / 3000 for i in range(3000))
    write_jsonl(tmp_path / "log.jsonl", rows)
    write_jsonl(tmp_path / "flawed.jsonl", [*rows, {"prompt": "p", "response": "", "reward": 1}])
    return tmp_path


MANY = ("--split", "0.6,0.4", "--set", "output.shard_bytes=100000", "--on-error", "quarantine")
COMMANDS = {
    "expand": ("expand", "flawed.jsonl", "-o", "out", *MANY),
    "overwrite": ("expand", "flawed.jsonl", "-o", "out", *MANY, "--overwrite"),
    "ingest": ("ingest", "log.jsonl", "-o", "out"),
    "export": ("export", "whole", "--to", "jsonl", "-o", "out"),
    "fit": ("fit", "log.jsonl", "-o", "out"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_all_that_is_made_is_synced_before_it_appears_and_its_parent_after(folder: Path, command: str) -> None:
    out = folder / "out"
    for made in {"overwrite": "out", "export": "whole"}.get(command, "").split():
        assert gcsl_data_process("expand", "log.jsonl", "-o", made, cwd=folder).returncode == 0

    syncs = syncs_of(folder, "out", *COMMANDS[command])

    appeared = out.stat().st_ino
    for path in everything(out):
        last_sync(syncs, path, appeared)
    assert [s for s in syncs if s.inode == folder.stat().st_ino and s.target == appeared], "the parent was not fsynced"


def test_the_manifest_is_the_last_file_that_is_written(folder: Path) -> None:
    syncs = syncs_of(folder, "out", *COMMANDS["expand"])

    out = folder / "out"
    at = {path: last_sync(syncs, path, out.stat().st_ino) for path in out.rglob("*") if path.is_file()}
    assert len([path for path in at if path.suffix == ".arrow"]) == 3
    assert (out / "_gcsl" / "rejects.jsonl") in at
    assert max(at, key=at.__getitem__) == out / "manifest.json"
