"""A log that cannot be read, as one line that says which one."""

from collections.abc import Sequence

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import DataError, GcslError, ResourceError
from gcsl_data.ingest.inputs import Log

# Polars panics on some damaged files; the panic is no Exception.
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, MemoryError)


def explain(error: BaseException, logs: Sequence[Log]) -> GcslError:
    """The gcsl error for what Polars raised while it read these logs."""
    if isinstance(error, MemoryError):
        return ResourceError("GD7101", "out of memory; free some, or give fewer logs at once")
    if "os error 24" in str(error):
        return ResourceError("GD7102", "too many open files; raise the limit (ulimit -n), or give fewer logs at once")
    for log in logs:
        if ROW_INDEX in str(error) and "already exists" in str(error):
            name = f"the column {ROW_INDEX!r} is called like those that gcsl makes itself"
            return DataError("GD1223", f"{log.uri}: {name}; rename it")
        if not _is_readable(log):
            if log.format.disagreement and (field := log.format.disagreement(log.plain)):
                return DataError("GD1213", f"{log.uri}: the field {field}; make it one type")
            return DataError("GD1102", f"{log.uri}: cannot be decoded: {error}; fetch it again")
    hint = " (TRY_CAST gives null where CAST refuses)" if "conversion from" in str(error) else ""
    names = ", ".join(log.uri for log in logs[:3])
    return DataError("GD1218", f"{names}: what --map, --reward or --keep ask for cannot be computed{hint}: {error}")


def _is_readable(log: Log) -> bool:
    try:
        for _ in log.scanned.collect_batches(engine="streaming"):
            pass
    except UNREADABLE:
        return False
    return True
