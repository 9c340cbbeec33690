"""How a program ends: the one line that an error is worth, and its exit status (see gcsl_data.errors)."""

import os
import sys

from gcsl_data.errors import GcslError, UsageError, one_line
from gcsl_train.say import Say


def failed(error: BaseException, *, traceback: bool, say: Say) -> int:
    """Print the one line of an error and give its exit status."""
    if isinstance(error, SystemExit):
        return int(error.code or 0)
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    if isinstance(error, KeyboardInterrupt):
        if first:
            say("interrupted; nothing half-written is left")
        return 130
    if isinstance(error, BrokenPipeError):
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - or the interpreter complains while it exits
        return 141
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
        return 2
    if hasattr(error, "format_message"):  # typer's own errors; where their class lives differs between versions
        error = UsageError("GT0200", f"{error.format_message()} (see --help)")  # type: ignore[attr-defined]
    if type(error).__name__ == "Stopped":
        if first:
            say(one_line(str(error)))
        return error.status  # type: ignore[attr-defined]
    if not isinstance(error, GcslError):
        from gcsl_train.errors import internal, translated

        known = translated(error)
        if known is None and traceback:
            import traceback as tracebacks

            tracebacks.print_exception(error)
        error = known or internal(error)
    # All processes meet the same wrong input: one per machine says so. Trouble of its own each process reports itself.
    if first or error.exit_status in (70, 71):
        print(error, file=sys.stderr)
    return error.exit_status
