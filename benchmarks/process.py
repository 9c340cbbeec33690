"""One program in a fresh process: its seconds, and the peak of its anonymous memory, its children's included (Linux).

Anonymous memory cannot be dropped; the mapped pages of files come on top and can be, at any time. It is read from the kernel
every 10 ms, or more rarely where looking takes long. A single process is its `RssAnon`; of several, which share pages since
they were forked, each counts its proportional share (`Pss_Anon`).
"""

import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.01  # seconds between two looks
RARELY = 10  # times what a look takes, so that looking takes little from what is looked at


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of the clock and of processors, peak in MB, how it ended (negative: by that signal), what it printed."""

    seconds: float
    cpu: float
    peak: float
    status: int
    output: str
    errors: str


def attempt(
    program: Sequence[str], environment: Mapping[str, str] | None = None, *, limit: float = math.inf
) -> Outcome:
    """Runs a program to its end, whatever that is; one that takes more than `limit` MB is killed."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started, used, peak = time.perf_counter(), _cpu_seconds(), 0.0
        child = subprocess.Popen(
            [*program], stdout=output, stderr=errors, env={**os.environ, **(environment or {})}, text=True
        )
        while child.poll() is None:
            before = time.perf_counter()
            peak = max(peak, anonymous_mb(child.pid))
            if peak > limit:
                child.kill()
            time.sleep(max(EVERY, RARELY * (time.perf_counter() - before)))
        seconds, cpu = time.perf_counter() - started, _cpu_seconds() - used
        output.seek(0)
        errors.seek(0)
        return Outcome(seconds, cpu, peak, child.returncode, output.read(), errors.read())


def measured(program: Sequence[str], environment: Mapping[str, str] | None = None) -> Outcome:
    """The same, and the end of everything when the program fails."""
    found = attempt(program, environment)
    if found.status:
        sys.exit(f"{' '.join(program)} ended with {found.status}\n{found.errors[-2000:]}")
    return found


def anonymous_mb(pid: int) -> float:
    """Anonymous resident memory of a process and its descendants in MB; 0 once they have ended."""
    pids = [pid, *_descendants(pid)]
    if len(pids) == 1:
        return _kilobytes(f"/proc/{pid}/status", "RssAnon:") / 1024
    return sum(_kilobytes(f"/proc/{each}/smaps_rollup", "Pss_Anon:") for each in pids) / 1024


def _cpu_seconds() -> float:
    """Of all children that have ended, and of theirs that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _descendants(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    except OSError:
        return []
    return [each for child in children for each in (child, *_descendants(child))]


def _kilobytes(path: str, field: str) -> int:
    try:
        text = Path(path).read_text()
    except OSError:
        return 0
    return int(text.split(field)[1].split()[0]) if field in text else 0
