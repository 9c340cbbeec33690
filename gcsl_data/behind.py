"""Calls that a thread makes one after another while its owner goes on: what is written while the next rows are made."""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

_POLL_SECONDS = 0.1  # after a query of Polars, Ctrl-C does not end a wait without a limit


class Behind:
    """A thread that makes the calls it is given, in order. What one of them raises is raised to the owner at its next call.

    Leaving the block waits for all calls; leaving it by an exception drops those that were not begun.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._left = 0
        self._is_over = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="behind", daemon=True)

    def __enter__(self) -> "Behind":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait(0)
        finally:
            with self._changed:
                self._is_over = True
                self._calls.clear()
                self._changed.notify_all()
            while self._thread.is_alive():
                self._thread.join(_POLL_SECONDS)

    def call(self, call: Callable[[], None]) -> None:
        """Has something called later."""
        with self._changed:
            self._require_well()
            self._calls.append(call)
            self._left += 1
            self._changed.notify_all()

    def wait(self, left: int) -> None:
        """Returns when no more than `left` calls are to be made."""
        with self._changed:
            while self._left > left and not self._failure:
                self._changed.wait(_POLL_SECONDS)
            self._require_well()

    def _require_well(self) -> None:
        if self._failure:
            raise self._failure

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._calls and not self._is_over:
                    self._changed.wait()
                if self._is_over or self._failure:
                    return
                call = self._calls.popleft()
            try:
                call()
            except BaseException as error:
                self._failure = error
            with self._changed:
                self._left -= 1
                self._changed.notify_all()
