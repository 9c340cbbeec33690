"""How trouble that other libraries report becomes one line with the right exit status. The tree is gcsl_data.errors."""

import errno

from gcsl_data.errors import GcslError, ResourceError, TrainingError, UsageError, WriteError, one_line, shown

__all__ = ["internal", "nearest", "reason", "shown", "translated", "unfit_attention", "unsupported_model"]


def unsupported_model(reason: str) -> UsageError:
    """The error for a model family whose numbers this trainer would get wrong."""
    return UsageError("GT0204", f"this model family cannot be trained here: {reason}; choose another --model")


def unfit_attention(path: str, reason: str) -> UsageError:
    """The error for a `model.attention` that this run cannot have."""
    return UsageError("GT0250", f"model.attention {path} cannot be used here: {reason}; leave it at auto")


def nearest(word: str, known: list[str]) -> str:
    """A hint that names the known word nearest to a mistyped one, else all of them."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def reason(error: BaseException) -> str:
    """Why it failed, in the system's words alone: the sentence around it names the file already."""
    if isinstance(error, KeyError):
        return f"no {error}"
    return getattr(error, "strerror", None) or str(error)


def translated(error: BaseException) -> GcslError | None:
    """The gcsl error for an exception of torch or the system that has a meaning of its own; None for the rest."""
    text = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        first = one_line(text, limit=120) or "out of memory"
        return ResourceError("GT7101", f"out of memory ({first}); lower --max-length, or add --gradient-checkpointing")
    if type(error).__name__ == "SafetensorError" and "os error" in text:
        return WriteError("GT7401", f"could not write a tensor file ({text}); free some space or choose another --out")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return UsageError("GT0221", f"{shown(error.filename)} is too long for a file name")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        from gcsl_data.errors import from_os_error

        return from_os_error(error, error.filename or "the output")
    return None


def internal(error: BaseException) -> GcslError:
    """The one line for an exception nobody expected: exit 70, and how to see more."""
    name = type(error).__name__
    return TrainingError("GT7000", f"internal error: {name}: {error}; run again with --traceback and report it")
