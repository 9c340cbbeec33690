"""Code blocks of a page, and the commands in them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def session(block: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with the output below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(part.split("\n", 1)[0], part.split("\n", 1)[1]) for part in parts]


def run(command: str, folder: Path) -> str:
    """What a command prints on both streams, as on a terminal of 80 columns; it must succeed."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": tools, "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def lines(text: str) -> list[str]:
    """Sorted, because talk and data go to two streams and their order is not compared.

    The SHA-256 of a manifest goes with the versions of the tools that it names.
    """
    text = re.sub(r"(?<=^manifest sha256 )[0-9a-f]{64}$", "...", text, flags=re.MULTILINE)
    return sorted(line.rstrip() for line in text.strip().splitlines())
