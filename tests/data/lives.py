"""Builds that are killed: what they may leave behind, and how a whole one is told from half of one."""

import hashlib
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .support import PROGRAM

Hashes = dict[str, str]
PARTS = ("--split", "0.9,0.1", "--set", "output.shard_bytes=200000")  # many shards: many moments to be killed in


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
) -> int:
    """Runs a command so many times, each killed after a random part of the time that a whole run takes.

    After each, what is `found` must be one of `may_be`. Gives how many were killed before they had ended.
    """
    draw = random.Random(seed)
    longest, landed = 3.0, 0
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
