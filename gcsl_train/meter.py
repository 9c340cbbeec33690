"""What a run writes of itself: a line of JSON per optimizer step and per evaluation, which are also shown and tracked."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from gcsl_data.errors import from_os_error
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.speed import Speed
from gcsl_train.validation import Finding

Track = Callable[[Mapping[str, Any], int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One line of metrics.jsonl, over all ranks. `loss` is the step's sum over its normaliser: supervised tokens, or items.

    `grad_norm` is taken before clipping; `entropy` (nats) and `token_accuracy` (target came first) are means. What a loss
    reports of its own (`Outcome.metrics`) stands behind these, divided by its normaliser.
    """

    step: int
    loss: float
    tokens: int
    supervised_tokens: int
    padding: float
    lr: float
    grad_norm: float
    entropy: float
    token_accuracy: float
    speed: Speed
    own: dict[str, float]

    def as_json(self) -> dict[str, float | None]:
        """The line."""
        line = asdict(self)
        speed, own = line.pop("speed"), line.pop("own")
        return line | speed | own


class Meter:
    """Writes reports of steps and evaluations and shows them; in other processes than the main one it is silent."""

    def __init__(
        self, run: RunFolder, *, active: bool, say: Say, show: Callable[[StepReport], None], track: Track
    ) -> None:
        self._say, self._show, self._track = say, show, track
        self._warned = False
        self._files = {path: _Lines(path) for path in (run.metrics, run.evaluations)} if active else {}
        self._steps, self._evaluations = run.metrics, run.evaluations

    def report(self, report: StepReport) -> None:
        """Write, flush and show one step."""
        if not self._files:
            return
        self._files[self._steps].write(report.as_json())
        if report.grad_norm == 0 and not self._warned:
            self._warned = True
            self._say(
                f"warning: step {report.step} has no gradient, so nothing is learned from it; are weights or settings 0?"
            )
        self._show(report)
        self._track(report.as_json(), report.step)

    def evaluated(self, found: Finding) -> None:
        """Write, flush and show one evaluation."""
        if not self._files:
            return
        line = found.as_json()
        self._files[self._evaluations].write(line)
        self._say(found.as_line())
        self._track({name: value for name, value in line.items() if name != "step"}, found.step)

    def close(self) -> None:
        """Close the files."""
        for lines in self._files.values():
            lines.close()


class _Lines:
    """A file of JSON lines that grows, made with its first line. Raises WriteError (74) and OutputError (73)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def write(self, line: Mapping[str, Any]) -> None:
        try:
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise from_os_error(error, self._path) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
