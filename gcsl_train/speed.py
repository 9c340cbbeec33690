"""How fast a run is and how much memory it takes, measured step by step.

Speeds are of real tokens over the whole step, waiting and saving included, evaluations left out; padding is never counted.
See flops.py for what counts as a FLOP.
"""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch


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


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took of a GPU, or the most resident memory of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # Linux starts a process with the peak of the one that launched it in `ru_maxrss`; this figure is its own.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
