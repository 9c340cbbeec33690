"""Runs in processes of their own that begin with all libraries loaded, so that starting and killing one costs little."""

import contextlib
import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_LOADED = ("gcsl_train.session", "gcsl_train.__main__", "peft", "transformers.models.llama.modeling_llama")


def begin(
    words: tuple[object, ...], said: Path, *, first: Callable[..., None] | None = None, **given: Any
) -> BaseProcess:
    """A command line in a new process whose standard error goes to `said`; `first(**given)` is called there before it.

    The process is real: it can be killed, and its `exitcode` is then the negative number of the signal.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    process = context.Process(target=_live, args=([str(word) for word in words], said, first, given), daemon=True)
    process.start()
    return process


def _live(words: list[str], said: Path, first: Callable[..., None] | None, given: dict[str, Any]) -> None:
    from gcsl_train.__main__ import main

    with said.open("a") as file, contextlib.redirect_stderr(file), contextlib.redirect_stdout(file):
        if first is not None:
            first(**given)
        status = main(words)
    sys.exit(status)
