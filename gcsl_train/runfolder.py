"""The folder of one run: what lies where, who may write into it, and the files that describe it.

RUN/metrics.jsonl    one line per optimizer step, flushed as it happens
RUN/evaluations.jsonl  one line per evaluation on the validation split, where that was asked for
RUN/adapter/         what PEFT loads: weights, config, model card; written at the end
RUN/goals.json       the goals, where they stand in a prompt, which one to ask for
RUN/run.json         settings, versions, dataset id, model name and hash
RUN/checkpoints/     step-N/, what --resume reads
RUN/reference.safetensors   log-probabilities of the reference, where they are stored
RUN/tracker/         what a tracker that writes files keeps, where one was asked for
"""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from gcsl_data.errors import DataError, InputError, OutputError, from_os_error
from gcsl_train import __version__
from gcsl_train.config import Config, Quantize
from gcsl_train.errors import reason
from gcsl_train.files import write_bytes, write_json
from gcsl_train.goals import GoalBook
from gcsl_train.model import Source


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths inside a run folder."""

    path: Path

    @property
    def metrics(self) -> Path:
        """One JSON object per step."""
        return self.path / "metrics.jsonl"

    @property
    def evaluations(self) -> Path:
        """One JSON object per evaluation."""
        return self.path / "evaluations.jsonl"

    @property
    def adapter(self) -> Path:
        """What PEFT loads."""
        return self.path / "adapter"

    @property
    def goals(self) -> Path:
        """The goal book."""
        return self.path / "goals.json"

    @property
    def record(self) -> Path:
        """Settings and versions."""
        return self.path / "run.json"

    @property
    def reference(self) -> Path:
        """Log-probabilities of the reference, where they are stored."""
        return self.path / "reference.safetensors"

    @property
    def tracker(self) -> Path:
        """The files of a tracker."""
        return self.path / "tracker"

    @property
    def checkpoints(self) -> Path:
        """The parent of step-N/."""
        return self.path / "checkpoints"

    def check_free(self, *, resuming: bool) -> None:
        """Raise OutputError (73) unless a run may start here: nothing lies here yet, or a run that is to be resumed."""
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not resuming:
            raise OutputError("GT7301", f"{self.path} exists; continue it with --resume auto, or choose another --out")
        if not self.record.is_file():
            raise OutputError("GT7302", f"{self.path} exists but is no run of gcsl-train; choose another --out")

    def check_here(self) -> None:
        """Raise InputError (66) when there is no such folder to read."""
        if not self.path.is_dir():
            raise InputError("GT6610", f"{self.path} is no folder; expected a run folder made by gcsl-train")

    def check_writable(self) -> None:
        """Raise OutputError (73) when the nearest folder that exists above the run cannot be written."""
        parent = next(p for p in self.path.absolute().parents if p.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise OutputError(
                "GT7303", f"cannot create {self.path}: {parent} is not a writable folder; choose another --out"
            )

    def begin(self, config: Config, book: GoalBook, description: dict[str, Any]) -> None:
        """Make the folder with run.json and goals.json."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, self.path) from error
        write_json(self.goals, book.as_json())
        write_json(self.record, {**description, "config": config.portable()})

    def describe(self) -> dict[str, Any]:
        """The content of run.json. Raises DataError (65) when this is no run folder."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            if not isinstance(record, dict):
                raise ValueError("no JSON object")
            return record
        except (OSError, ValueError) as error:
            raise DataError(
                "GT6515", f"{self.record} cannot be read ({reason(error)}); is this a run of gcsl-train?"
            ) from None

    @property
    def quantize(self) -> Quantize:
        """How the weights of the run's base were kept. Raises DataError (65) when this is no run folder."""
        try:
            found = self.describe()["config"]["model"].get("quantize", "none")
            return get_args(Quantize)[get_args(Quantize).index(found)]
        except (KeyError, TypeError, AttributeError, ValueError):
            raise DataError(
                "GT6515", f"{self.record} does not say how its base was kept; is this a run of gcsl-train?"
            ) from None

    def evaluated(self, step: int) -> bool:
        """Whether the evaluation after this step is written down."""
        lines = _lines_until(self.evaluations, step) if self.evaluations.exists() else ()
        return any(json.loads(line)["step"] == step for line in lines)

    def cut_metrics(self, step: int) -> None:
        """Forget the lines after `step`, and a line that was cut short, so that each step stands once."""
        for path in (self.metrics, self.evaluations):
            if path.exists():
                write_bytes(path, b"".join(_lines_until(path, step)))


def _lines_until(path: Path, step: int) -> Iterator[bytes]:
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                yield line
        except (ValueError, KeyError, TypeError):
            return


def description(source: Source, sha256: str, dataset_id: str, **facts: Any) -> dict[str, Any]:
    """What run.json says beside the settings."""
    libraries = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "numpy", "pyarrow")
    return {
        "gcsl": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
        "dataset_id": dataset_id,
        "model": {"name": source.name, "kind": source.kind, "sha256": sha256},
        **facts,
    }
