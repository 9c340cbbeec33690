"""What a process does to the world around it, as Python itself hears of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_heard: list[Callable[[str, tuple[Any, ...]], None]] = []
_hooked: list[bool] = []


@contextmanager
def listening() -> Iterator[list[str]]:
    """What this process opens, connects to or starts meanwhile, as Python's audit events tell it."""
    heard: list[str] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
            heard.append(f"{event} {arguments[0] if event == 'open' else arguments}")

    if not _hooked:  # a hook can be added but never removed
        _hooked.append(True)
        sys.addaudithook(lambda event, arguments: [listener(event, arguments) for listener in _heard] and None)
    _heard.append(hear)
    try:
        yield heard
    finally:
        _heard.remove(hear)
