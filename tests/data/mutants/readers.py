"""Who looks at which part of a dataset, and what each may make of a mutant."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from tests.data.mutants.mutant import Mutant
from tests.data.support import gcsl_data

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


def in_process(reader: str, place: Place) -> str:
    """What a reader makes of a mutant: an exit status, or the name of an exception that should not be."""
    try:
        return READERS[reader](place) or "0"
    except GcslError as error:
        return str(error.exit_status)
    except BaseException as error:  # also what Polars panics with
        return f"{type(error).__name__}: {error}"[:300]


def over_the_command_line(reader: str, place: Place) -> str:
    """The same for the command, where there is one; and whether it ended with one line and one JSON object."""
    if reader not in COMMANDS:
        return in_process(reader, place)
    done = gcsl_data(*COMMANDS[reader](place), "--json", cwd=place.scratch)
    shutil.rmtree(place.scratch / "out", ignore_errors=True)
    is_error = done.status not in (0, 1)
    if len(done.errors) != is_error or "Traceback" in done.err or done.json.get("exit_code", 0) != done.status:
        return f"{done.status}, badly told: {done.out[-200:]} {done.err[-200:]}"
    if reader == "check" and done.status == 0 and done.json["findings"]:
        return "warned"
    return str(done.status)
