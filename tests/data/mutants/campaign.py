"""A process that gives mutants to all readers and says what they made of them, and whoever starts it.

A process of its own, because a parser may end it: whoever asks then knows which mutant it was. Run as
`python -m tests.data.mutants.campaign DATASET SCRATCH MODE NUMBER...`; one JSON object on each line that is printed.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.data.mutants.kinds import KINDS, make_dataset, make_mutant
from tests.data.mutants.readers import READERS, Place, in_process, may_be, over_the_command_line
from tests.data.support import REPOSITORY, examples, make_rows, write_jsonl

SECONDS = 60  # a reader that takes longer hangs: the alarm ends the process
SPARING = 5  # one in so many
Mode = Literal["library", "sparing", "command"]


@dataclass(slots=True)
class Campaign:
    """How many mutants there were of each kind, how often each reader was asked, and what was wrong: mutant, reader, outcome.

    `refused` counts who was turned away or found something, `taken` who had nothing to say.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)


def prepare(folder: Path) -> Path:
    """The dataset to make mutants of, and beside it what the readers need; gives the dataset."""
    write_jsonl(folder / "again.jsonl", make_rows(i / 20 for i in range(20)))
    (folder / "scratch").mkdir()
    return make_dataset(folder)


def campaign(dataset: Path, numbers: Sequence[int], mode: Mode) -> Campaign:
    """Gives mutants of these numbers to all readers, in processes of their own; one that dies is blamed on its mutant.

    With the mode "sparing", a reader that looks at no damaged part of a mutant is asked for one in five of them only.
    """
    found, left = Campaign(), list(numbers)
    while left:
        words = [str(dataset), str(dataset.parent / "scratch"), mode, *map(str, left)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.data.mutants.campaign", *words],
            cwd=REPOSITORY,
            capture_output=True,
            check=False,
        )
        for line in done.stdout.splitlines():
            _add(found, left.pop(0), json.loads(line))
        if left:
            number = left.pop(0)
            kind = [*KINDS][number % len(KINDS)]
            found.wrong.append((f"{number} {kind}", "all", f"{done.returncode}: {done.stderr.decode()[-2000:]}"))
    return found


def _add(found: Campaign, number: int, told: dict[str, Any]) -> None:
    found.kinds[told["kind"]] += 1
    for reader, outcome in told["outcomes"].items():
        (found.taken if outcome == "0" else found.refused)[reader] += 1
    found.wrong += [(f"{number} {told['kind']}", *pair) for pair in told["wrong"].items()]


def _held(place: Place, number: int, mode: Mode) -> dict[str, Any]:
    """What readers made of a mutant, and what of that they may not; in the end nothing of the mutant is left."""
    read: Callable[[str, Place], str] = over_the_command_line if mode == "command" else in_process
    kind, mutant = make_mutant(place.whole, place.mutant, number)
    outcomes, wrong = {}, {}
    for at, reader in enumerate(READERS):
        allowed = may_be(reader, mutant)
        if mode == "sparing" and allowed == {"0"} and (number // len(KINDS) + number + at) % SPARING:
            continue
        signal.alarm(SECONDS)
        outcomes[reader] = read(reader, place)
        signal.alarm(0)
        if outcomes[reader] not in allowed:
            wrong[reader] = f"{outcomes[reader]}, not {' or '.join(sorted(allowed))}; wrong are {sorted(mutant.parts)}"
    shutil.rmtree(place.mutant)
    for left in place.scratch.iterdir():
        left.unlink()
    return {"kind": kind, "outcomes": outcomes, "wrong": wrong}


def _worker(dataset: str, scratch: str, mode: Mode, *numbers: str) -> Iterator[str]:
    whole, example = Path(dataset), examples(Path(dataset))[0]["id"]
    for number in map(int, numbers):
        place = Place(Path(scratch) / f"mutant-{number}", whole, example, Path(scratch))
        yield json.dumps(_held(place, number, mode))


if __name__ == "__main__":
    for told in _worker(*sys.argv[1:]):  # pyright: ignore[reportArgumentType]
        print(told, flush=True)
