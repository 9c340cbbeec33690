"""What a run tells about itself: one line of JSON per optimizer step, and one line for people."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from gcsl_data.errors import from_os_error

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One line of metrics.jsonl, over all ranks. `loss` is the step's sum over its normaliser: supervised tokens, or items.

    `grad_norm` is taken before clipping; `entropy` (nats) and `accuracy` (target came first) are token means. What a loss
    reports of its own (`Outcome.metrics`) stands behind these, divided by its normaliser.
    """

    step: int
    loss: float
    tokens: int
    supervised_tokens: int
    tokens_per_s: float
    lr: float
    grad_norm: float
    entropy: float
    accuracy: float
    own: dict[str, float]

    def as_json(self) -> dict[str, float]:
        """The line."""
        line = asdict(self)
        return line | line.pop("own")


class Meter:
    """Writes step reports; in other processes than the main one it is silent."""

    def __init__(self, path: Path, *, total: int, active: bool, say: Say) -> None:
        self._total, self._say = total, say
        self._file: IO[str] | None = None
        self._warned = False
        if active:
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise from_os_error(error, path) from error
        self._since = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        now = time.perf_counter()
        since, self._since = self._since, now
        return now - since

    def report(self, report: StepReport, *, padding: float) -> None:
        """Write and flush one step; `padding` is the unfilled share of its packs."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(report.as_json(), allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise from_os_error(error, self._file.name) from error
        if report.grad_norm == 0 and not self._warned:
            self._warned = True
            self._say(
                f"warning: step {report.step} has no gradient, so nothing is learned from it; are weights or settings 0?"
            )
        self._say(
            f"step {report.step}/{self._total}  loss {report.loss:.4f}  {report.tokens_per_s:,.0f} tokens/s  "
            f"padding {padding:.1%}  lr {report.lr:.2e}  grad norm {report.grad_norm:.3f}"
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
