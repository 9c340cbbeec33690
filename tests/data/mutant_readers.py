"""Who reads what of a dataset, and a process that gives mutants to all readers and says what they made of them.

A process of its own, because a parser may end it: whoever asks then knows which mutant it was. Run as
`python -m tests.data.mutant_readers DATASET SCRATCH FIRST LAST [COMMAND]`; one JSON object on each line that is printed.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcsl_data.audit.check_folder import check_folder
from gcsl_data.audit.describe import describe
from gcsl_data.audit.diff import diff
from gcsl_data.audit.trace import trace
from gcsl_data.dataset.export import export
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import GcslError
from gcsl_data.frozen import read_fit
from gcsl_data.inference import asked_goal
from gcsl_train.shards import read_examples, read_manifest

from .mutants import KINDS, Mutant, make_mutant
from .support import REPOSITORY, examples, gcsl_data

SECONDS = 60  # a reader that takes longer hangs: the alarm ends the process

# Reader -> the parts of a dataset that it looks at. What is wrong with another part it cannot know, and says nothing of.
_SHARDS = {"train", "validation"}
LOOKS_AT: dict[str, set[str]] = {
    "check": {"manifest", "columns", "beside", "rejects", "fit", "goals", "recipe", "template", *_SHARDS},
    "stats": {"manifest", "columns", *_SHARDS},
    "export": {"manifest", "columns", *_SHARDS},
    "trace": {"manifest", "columns", *_SHARDS},
    "diff": {"manifest"},
    "goal": {"manifest"},
    "goal --value": {"manifest", "template", "template gone"},
    "expand --fit": {"manifest", "fit"},
    "train": {"manifest", "train"},
    "train, validation": {"manifest", "validation"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """The mutant to be read, beside it the dataset it was made of, an id of that, and a folder to write in."""

    mutant: Path
    whole: Path
    example: str
    scratch: Path


def _check(place: Place) -> str:
    report = check_folder(place.mutant)
    return "1" if report.errors else "warned" if report.findings else "0"


def _export(place: Place) -> None:
    out = place.scratch / "exported"
    try:
        export(place.mutant, "jsonl", out)
        shutil.rmtree(out)
    finally:
        assert not out.exists()


def _train(place: Place, split: str) -> None:
    manifest = read_manifest(place.mutant)
    rows = sum(1 for _ in read_examples(place.mutant, manifest, split=split))
    assert rows == sum(shard.rows for shard in manifest.split_shards(split))


READERS: dict[str, Callable[[Place], str | None]] = {
    "check": _check,
    "stats": lambda place: describe([str(place.mutant)], None) and None,
    "export": _export,
    "trace": lambda place: trace(place.mutant, place.example) and None,
    "diff": lambda place: diff(load(place.whole), load(place.mutant)) and None,
    "goal": lambda place: asked_goal(place.mutant, load(place.mutant)) and None,
    "goal --value": lambda place: asked_goal(place.mutant, load(place.mutant), value="0.93") and None,
    "expand --fit": lambda place: read_fit(place.mutant) and None,
    "train": lambda place: _train(place, "train"),
    "train, validation": lambda place: _train(place, "validation"),
}

# The same over the command line, for those that have one: arguments for a mutant, whose folder is the working folder.
COMMANDS: dict[str, Callable[[Place], Sequence[str | Path]]] = {
    "check": lambda place: ("check", place.mutant),
    "stats": lambda place: ("stats", place.mutant),
    "export": lambda place: ("export", place.mutant, "--to", "parquet", "-o", "out"),
    "trace": lambda place: ("trace", place.mutant, place.example),
    "diff": lambda place: ("diff", place.mutant, place.mutant),
    "goal": lambda place: ("goal", place.mutant),
    "goal --value": lambda place: ("goal", place.mutant, "--value", "0.93"),
    "expand --fit": lambda place: ("expand", place.whole.parent / "again.jsonl", "--fit", place.mutant, "-o", "out"),
}


def may_be(reader: str, mutant: Mutant) -> set[str]:
    """What a reader may make of a mutant: 0 when it is fine, 65 when it is refused, 1 or "warned" what `check` finds."""
    touched = LOOKS_AT[reader] & mutant.parts
    refused = {"65"}
    if reader == "check":
        gone = any(part.endswith(" gone") for part in mutant.parts)
        refused = {"1"} if mutant.is_parsed and "manifest" not in mutant.parts else {"1", "65"}
        refused = refused if mutant.is_parsed else {"65"}
        if gone:
            return {"warned"}
    if mutant.may_pass:
        return {"0"} | (refused | {"65"})
    return refused if touched else {"0"}


def _in_process(reader: str, place: Place) -> str:
    try:
        return READERS[reader](place) or "0"
    except GcslError as error:
        return str(error.exit_status)
    except BaseException as error:  # also what Polars panics with
        return f"{type(error).__name__}: {error}"[:300]


def _over_the_command_line(reader: str, place: Place) -> str:
    if reader not in COMMANDS:
        return _in_process(reader, place)
    done = gcsl_data(*COMMANDS[reader](place), "--json", cwd=place.scratch)
    shutil.rmtree(place.scratch / "out", ignore_errors=True)
    is_error = done.status not in (0, 1)
    if len(done.errors) != is_error or "Traceback" in done.err or done.json.get("exit_code", 0) != done.status:
        return f"{done.status}, badly told: {done.out[-200:]} {done.err[-200:]}"
    if reader == "check" and done.status == 0 and done.json["findings"]:
        return "warned"
    return str(done.status)


def held(dataset: Path, scratch: Path, number: int, read: Callable[[str, Place], str]) -> tuple[str, dict[str, str]]:
    """A mutant's kind, and what readers made of it that they may not; in the end nothing of it is left."""
    place = Place(scratch / f"mutant-{number}", dataset, examples_of(dataset), scratch)
    kind, mutant = make_mutant(dataset, place.mutant, number)
    wrong = {}
    for reader in READERS:
        signal.alarm(SECONDS)
        outcome = read(reader, place)
        signal.alarm(0)
        if outcome not in (allowed := may_be(reader, mutant)):
            wrong[reader] = f"{outcome} instead of {' or '.join(sorted(allowed))} ({sorted(mutant.parts)})"
    shutil.rmtree(place.mutant)
    for left in scratch.glob("*-elsewhere"):
        with contextlib.suppress(OSError):
            left.unlink()
    return kind, wrong


def examples_of(dataset: Path) -> str:
    """The id of the first example."""
    if dataset not in _FIRST:
        _FIRST[dataset] = examples(dataset)[0]["id"]
    return _FIRST[dataset]


_FIRST: dict[Path, str] = {}


@dataclass(slots=True)
class Campaign:
    """How many mutants there were of each kind, and what was wrong with any of them: number and kind, reader, outcome."""

    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)


def campaign(dataset: Path, scratch: Path, first: int, last: int, *, command: bool = False) -> Campaign:
    """Mutants `first` to `last` (not included) in processes of their own; a process that dies is blamed on its mutant."""
    found = Campaign()
    while first < last:
        words = [str(dataset), str(scratch), str(first), str(last), *(["command"] if command else [])]
        done = subprocess.run(
            [sys.executable, "-m", "tests.data.mutant_readers", *words], cwd=REPOSITORY, capture_output=True, check=False
        )
        for line in done.stdout.splitlines():
            told: dict[str, Any] = json.loads(line)
            found.kinds[told["kind"]] += 1
            found.wrong += [(f"{first} {told['kind']}", *pair) for pair in told["wrong"].items()]
            first += 1
        if first < last:
            kind = [*KINDS][first % len(KINDS)]
            found.wrong.append((f"{first} {kind}", "the process", f"{done.returncode}: {done.stderr.decode()[-2000:]}"))
            first += 1
    return found


def _worker(dataset: str, scratch: str, first: str, last: str, *command: str) -> Iterator[str]:
    read = _over_the_command_line if command else _in_process
    for number in range(int(first), int(last)):
        kind, wrong = held(Path(dataset), Path(scratch), number, read)
        yield json.dumps({"kind": kind, "wrong": wrong})


if __name__ == "__main__":
    for told in _worker(*sys.argv[1:]):
        print(told, flush=True)
