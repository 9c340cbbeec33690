"""Stopping on purpose: a first SIGTERM or SIGINT lets the step finish and a checkpoint be written, a second one kills."""

import signal
from types import FrameType, TracebackType
from typing import Any


class Stopped(BaseException):
    """The run was asked to stop; `status` is the exit status (143 for SIGTERM, 130 for SIGINT), `note` what was kept."""

    def __init__(self, number: int, note: str) -> None:
        super().__init__(note)
        self.status = 128 + number
        self.note = note


class StopSignals:
    """While open, catches both signals. Before `defer()` a signal raises `Stopped` at once, since nothing can be saved;
    after it, the signal is kept in `number` for the loop to see at its next step boundary.

    In either case the second signal has its ordinary, immediate effect.
    """

    def __init__(self) -> None:
        self.number = 0
        self._deferring = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def defer(self) -> None:
        """From now on a signal waits for the step boundary."""
        self._deferring = True

    def _caught(self, number: int, frame: FrameType | None) -> None:
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        if not self._deferring:
            raise Stopped(number, "stopped before the first step; nothing was written")
        self.number = number
