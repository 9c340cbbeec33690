"""A log that cannot be decoded, as one line that says which one and where."""

from collections.abc import Sequence

import polars as pl

from gcsl_data.errors import DataError, GcslError, ResourceError
from gcsl_data.ingest.inputs import Log

UNDECODABLE = (pl.exceptions.PolarsError, OSError, MemoryError)


def explain(error: Exception, logs: Sequence[Log]) -> GcslError:
    """The gcsl error for what Polars raised while it read these logs.

    Polars' own messages name no line; each format looks for the first fault in its file instead.
    """
    if isinstance(error, MemoryError):
        return ResourceError("GD7101", "out of memory; free some, or give fewer logs at once")
    for log in logs:
        if log.bytes == 0:
            return DataError("GD1207", f"{log.uri} is empty; give a log that has records")
        if fault := log.format.find_fault(log.path):
            return DataError("GD1101", f"{log.uri}: {fault}; mend or remove it")
    names = ", ".join(log.uri for log in logs[:3])
    return DataError("GD1102", f"{names}: cannot be decoded: {error}")
