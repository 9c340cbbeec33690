"""The error contract of the command line: one line, the right exit status, valid JSON on every exit under --json."""

import atexit
import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType
from typing import NoReturn, TextIO

import typer

from gcsl_data.errors import GcslError, UsageError, WriteError, one_line

INTERRUPTED = 130
TERMINATED = 143
BROKEN_PIPE = 141
BUG = 70


class _KeptError(Exception):
    """An interruption that leaves something of use; Typer would make a mere exit status of a KeyboardInterrupt."""


@contextmanager
def telling_what_is_kept() -> Iterator[None]:
    """Where an interruption says what it leaves, the last line says it too."""
    try:
        yield
    except KeyboardInterrupt as error:
        if error.args:
            raise _KeptError(*error.args) from None
        raise


def run(app: typer.Typer, name: str, received: Sequence[int] = ()) -> int:
    """Runs the program on `sys.argv` and gives its exit status. No traceback, unless GCSL_TRACEBACK is set.

    `received` are the signals that have come: a list that whoever started the program keeps.
    """
    as_json = "--json" in sys.argv or "--format=json" in sys.argv or ("--format", "json") in pairwise(sys.argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does: a bar must not end a report
    try:
        status = app(standalone_mode=False, prog_name=name)
        if sys.stdout:
            sys.stdout.flush()
        if status == INTERRUPTED:
            return _stopped(received, as_json)
        return status if isinstance(status, int) else 0
    except GcslError as error:
        return _report(error, as_json)
    except BrokenPipeError:
        return _broken_pipe()
    except _KeptError as error:
        return _stopped(received, as_json, str(error))
    except KeyboardInterrupt:
        return _stopped(received, as_json)
    except OSError as error:
        return _report(WriteError("GD7402", f"{error.filename or 'output'}: {error.strerror or error}"), as_json)
    except BaseException as error:  # also Polars' PanicException, which is no Exception
        if received:  # a signal in the midst of somebody's callback may come out as an error of another kind
            return _stopped(received, as_json)
        return _unexpected(error, as_json)


def _unexpected(error: BaseException, as_json: bool) -> int:
    usage = getattr(error, "format_message", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # the help is printed already
        return UsageError.exit_status
    if usage is not None:
        return _report(UsageError("GD0200", f"{usage().rstrip('.')}; see --help"), as_json)
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        return _broken_pipe()  # Typer and Rich make 1 of it, which is the verdict of `check`
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BUG
    if os.environ.get("GCSL_TRACEBACK"):
        traceback.print_exception(error)
    text = f"this is a bug in gcsl ({type(error).__name__}: {error}); set GCSL_TRACEBACK=1 and report what it prints"
    return _report(GcslError("GD7001", text), as_json)


def _broken_pipe() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return BROKEN_PIPE


def open_streams() -> None:
    """Where a standard stream is closed (`2>&-`) there is a silent one: else the next file that is opened takes its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def listen() -> list[int]:
    """The signals that have come, as they come; for a process that is the program alone.

    SIGTERM unwinds like Ctrl-C, so that a half-written dataset is taken away. Polars stops for Ctrl-C alone, and while it
    works no handler of Python's is called: so a thread waits for SIGTERM.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.default_int_handler(number, frame)

    def terminate(number: int, _frame: FrameType | None = None) -> None:
        received.append(number)
        os.kill(os.getpid(), signal.SIGINT)

    def wait() -> None:
        terminate(signal.sigwait({signal.SIGTERM}))

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, terminate)  # a thread that was there before may still get it
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=wait, daemon=True).start()
    return received


def leave(status: int) -> NoReturn:
    """Ends the process with this exit status, whatever else happens in it.

    What is done is done: a signal from here on changes nothing. An interpreter that is taken down while a thread of Polars
    is about to call back aborts the process, as it may be after a query was broken off: so it is not taken down.
    """
    with suppress(KeyboardInterrupt):  # Polars raises one Ctrl-C, Python the same one once more
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]  # temporary files, a cluster
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):  # what could not be written is told already
            stream.flush()
    os._exit(status)


def _stopped(received: Sequence[int], as_json: bool, kept: str = "") -> int:
    is_terminated = signal.SIGTERM in received
    how, status = ("terminated", TERMINATED) if is_terminated else ("interrupted", INTERRUPTED)
    message = f"{how}; {kept or 'nothing half-written is left'}"
    if as_json:
        _tell(json.dumps({"ok": False, "exit_code": status, "code": how, "message": message}), sys.stdout)
    _tell(message, sys.stderr)
    return status


def _report(error: GcslError, as_json: bool) -> int:
    if as_json:
        _tell(json.dumps(error.as_dict()), sys.stdout)
    _tell(one_line(str(error), limit=400), sys.stderr)
    return error.exit_status


def _tell(line: str, stream: TextIO | None) -> None:
    """Prints a last line. A stream that takes no more (closed, full) must not change the exit status."""
    if stream is None:
        return
    try:
        print(line, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
