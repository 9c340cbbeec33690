"""rejects.jsonl: every row that was set aside, where it stands and why, sorted, the same bytes on every run."""

import json
from collections.abc import Sequence

import polars as pl

from gcsl_data.ingest.inputs import Log


def reject_lines(logs: Sequence[Log], rejects: pl.DataFrame) -> bytes:
    """JSON lines with source, row and reason; for undecodable rows also line, byte and detail.

    `rejects` has source, row and reason, in any order.
    """
    faults = {log.uri: log.faults.rows for log in logs}
    lines = []
    for source, row, reason in rejects.sort("source", "row").select("source", "row", "reason").iter_rows():
        fault = faults.get(source, {}).get(row)  # records name logs that are not read here
        place = {"line": fault.line, "byte": fault.byte, "detail": fault.detail} if fault else {}
        lines.append(json.dumps({"source": source, "row": row, "reason": reason, **place}, ensure_ascii=False) + "\n")
    return "".join(lines).encode()
