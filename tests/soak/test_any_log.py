"""Two thousand random logs and command lines, and a bomb: no bug, no traceback, bounded memory."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..data.fuzz import Log, commands, flags, hold_to_the_contract, json_lines, logs

pytestmark = pytest.mark.soak

# The program, which at its end says how much memory it held at most, in KiB. (What the operating system counts of a child
# starts with what its parent held.)
WATCHED = """
import re, runpy, sys
try:
    runpy.run_module("gcsl_data", run_name="__main__")
finally:
    print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(commands, flags, st.lists(logs(), min_size=1, max_size=2))
def test_two_thousand_logs_and_flags_keep_the_contract(
    command: str, given_flags: list[str], content: list[Log]
) -> None:
    hold_to_the_contract(command, given_flags, content)


def test_26_a_bomb_of_one_long_line_is_set_aside_in_little_memory(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "response": "r", "reward": i % 7} for i in range(200)]
    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb", compresslevel=9) as file:
        file.write(json_lines(rows))
        file.write(b'{"prompt": "p", "reward": 1, "response": "')
        for _ in range(400):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n')
    arguments = ["expand", "bomb.jsonl.gz", "-o", "out", "--on-error", "quarantine", "--json"]

    done = subprocess.run([sys.executable, "-c", WATCHED, *arguments], cwd=tmp_path, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accounting"]["rejected"] == {"line_too_long": 1}
    peak = int(done.stderr.split()[-1])
    assert peak < 400_000, f"{peak} KiB"
