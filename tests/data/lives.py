"""Builds in processes of their own: on machines that differ, and killed at any moment; and what is to be the same."""

import atexit
import errno
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from .support import PROGRAM, write_jsonl

Hashes = dict[str, str]
# Many fragments and shards: many moments to be killed in.
PARTS = ("--split", "0.9,0.1", "--set", "output.shard_bytes=200000", "--set", "output.fragment_bytes=300000")

_PLACES = (
    {"TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    {"TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"TZ": "America/Lima", "LANG": "tr_TR.UTF-8", "LC_ALL": ""},
)
# What may differ between two machines: threads, the seed of Python's hashes, time zone and locale.
_EVERY = [
    {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": seed, **place}
    for seed, place, threads in itertools.product("12", _PLACES, "1273")
]
VARIANTS: list[Mapping[str, str]] = [_EVERY[n * 5 % 24] for n in range(24)]  # so that the first six differ in all of it


def build_elsewhere(
    folder: Path, rows: Sequence[Mapping[str, Any]], flags: Sequence[str], variant: Mapping[str, str], *, number: int
) -> Path:
    """The dataset of these rows, made in `folder`: of two logs; their order and times, the place and the jobs vary with
    `number`.
    """
    (folder / "logs").mkdir(parents=True)
    (folder / "elsewhere").mkdir()
    cut = len(rows) * 3 // 5
    first = write_jsonl(folder / "logs" / "a.jsonl", rows[:cut])
    second = folder / "logs" / "b.parquet"
    pl.DataFrame(rows[cut:]).write_parquet(second, row_group_size=500)
    os.utime(first, (number * 1e8, number * 1e8))
    given = [str(first), str(second)] if number % 2 else [os.path.relpath(second, folder / "elsewhere"), str(first)]
    expand = ["expand", *given, "-o", f"../set{number}", *flags]
    jobs = (1, 3, 2)[number % 3]
    parts = [[*expand, "--shard", f"{job}/{jobs}"] for job in range(jobs, 0, -1)]
    for command in [expand] if jobs == 1 else [*parts, ["merge", f"../set{number}"]]:
        subprocess.run(
            [*PROGRAM, *command],
            cwd=folder / "elsewhere",
            env={**os.environ, **variant},
            check=True,
            capture_output=True,
        )
    return folder / f"set{number}"


def hashes(dataset: Path) -> Hashes:
    """SHA-256 of every file of a dataset, except the one that says how the run went."""
    files = [path for path in dataset.rglob("*") if path.is_file() and path.name != "run.json"]
    return {str(path.relative_to(dataset)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def killed(
    command: Sequence[str],
    *,
    times: int,
    seed: int,
    found: Callable[[], Hashes | None],
    may_be: Sequence[Hashes | None],
    longest: float = 3.0,
) -> int:
    """Runs a command so many times, each killed after a random part of the time that a whole run takes (`longest` seconds at
    first).

    After each, what is `found` must be one of `may_be`. Gives how many were killed before they had ended.
    """
    draw = random.Random(seed)
    landed = 0
    for _ in range(times):
        started = time.monotonic()
        life = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            life.wait(draw.uniform(0.5, 1.0) ** 2 * longest)
            longest = time.monotonic() - started
        except subprocess.TimeoutExpired:
            life.kill()
            landed += life.wait() != 0
        assert found() in may_be
    return landed


def fail_at_write(what: str, when: int) -> None:
    """Runs the program on `sys.argv`, and has its `when`-th write to a shard go wrong: a signal, or an error number."""
    from gcsl_data.cli import main
    from gcsl_data.dataset import files

    write, made = files.HashedFile.write, itertools.count(1)
    last = 0

    def failing(file: files.HashedFile, content: bytes) -> int:
        nonlocal last
        last = next(made)
        if last == when:
            if what.startswith("SIG"):
                os.kill(os.getpid(), getattr(signal, what))
            number = getattr(errno, what)
            raise OSError(number, os.strerror(number))
        return write(file, content)

    files.HashedFile.write = failing
    atexit.register(lambda: print(f"writes {last}", file=sys.stderr))
    main()
