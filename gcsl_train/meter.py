"""What a run measures of itself: one line of JSON per optimizer step in metrics.jsonl, and the same to look at.

Speeds are of real tokens over the whole step, waiting and saving included; padding is never counted. See flops.py for what
counts as a FLOP.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch

from gcsl_data.errors import from_os_error

Say = Callable[[str], None]
Track = Callable[[Mapping[str, Any], int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast one step was, over all ranks, and the most memory of the main process (bytes).

    `flops_per_s` is None for models whose FLOPs cannot be counted, `mfu` (0 to 1) where the device's peak is not known too.
    """

    tokens_per_s: float
    supervised_tokens_per_s: float
    flops_per_s: float | None
    mfu: float | None
    peak_memory: int


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
    padding: float
    lr: float
    grad_norm: float
    entropy: float
    accuracy: float
    speed: Speed
    own: dict[str, float]

    def as_json(self) -> dict[str, float | None]:
        """The line."""
        line = asdict(self)
        speed, own = line.pop("speed"), line.pop("own")
        return line | speed | own


class Stopwatch:
    """Laps of a run. `peak` is the FLOP/s of one device at best, `devices` how many there are."""

    def __init__(self, *, device: torch.device, peak: float | None, devices: int) -> None:
        self._device, self._peak, self._devices = device, peak, devices
        self._since = time.perf_counter()

    def start(self) -> None:
        """Begin a lap now; what came before it is no part of a step."""
        self._since = time.perf_counter()

    def lap(self, *, tokens: int, supervised: int, flops: float | None) -> Speed:
        """The speed since the last lap, in which so much was done over all devices."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        rate = None if flops is None else flops / seconds
        return Speed(
            tokens_per_s=tokens / seconds,
            supervised_tokens_per_s=supervised / seconds,
            flops_per_s=rate,
            mfu=None if rate is None or self._peak is None else rate / (self._peak * self._devices),
            peak_memory=peak_memory(self._device),
        )


class Meter:
    """Writes step reports and shows them; in other processes than the main one it is silent."""

    def __init__(self, path: Path, *, active: bool, say: Say, show: Callable[[StepReport], None], track: Track) -> None:
        self._say, self._show, self._track = say, show, track
        self._file: IO[str] | None = None
        self._warned = False
        if active:
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise from_os_error(error, path) from error

    def report(self, report: StepReport) -> None:
        """Write, flush and show one step."""
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
        self._show(report)
        self._track(report.as_json(), report.step)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took of a GPU, or the most resident memory of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
