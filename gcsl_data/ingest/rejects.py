"""rejects.jsonl: every row that was set aside, where it stands and why, sorted, the same bytes on every run."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from gcsl_data.ingest.fault import Fault, excerpt_of
from gcsl_data.ingest.inputs import Log


def reject_lines(logs: Sequence[Log], rejects: pl.DataFrame) -> bytes:
    """JSON lines with source, row, reason, and an excerpt: how the prompt (else the response) begins.

    For rows that cannot be decoded also detail, and where the log has lines: line, byte, the SHA-256 of the line, and how it
    begins as the excerpt. `rejects` has source, row, reason and excerpt (null where there is none), in any order.
    """
    places = {log.uri: log.format.has_lines for log in logs}
    faults = {log.uri: log.faults.rows for log in logs}
    lines = []
    for row in rejects.sort("source", "row").select("source", "row", "reason", "excerpt").iter_rows(named=True):
        excerpt = row.pop("excerpt")
        fault = faults.get(row["source"], {}).get(row["row"])  # records name logs that are not read here
        if fault:
            row |= _decoding(fault) if places[row["source"]] else {"detail": fault.detail}
        elif excerpt is not None:
            row["excerpt"] = excerpt_of(excerpt)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def _decoding(fault: Fault) -> dict[str, Any]:
    return {
        "line": fault.line,
        "byte": fault.byte,
        "detail": fault.detail,
        "excerpt": fault.excerpt,
        "row_sha256": fault.sha256,
    }
