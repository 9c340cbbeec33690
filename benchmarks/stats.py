"""Speed of `gcsl-data stats`: over one bare pass of Polars that counts characters, as the least that an audit must do.

    python benchmarks/stats.py [rows]        1,000,000 by default; writes to a temporary folder; prints a table

Each figure is the better of two runs in fresh processes. Peak memory is the process's largest resident set, the mapped
pages of the log among them (Linux).
"""

import sys
import tempfile
from pathlib import Path

from ingest import make_log, run

BARE = """
import sys, polars as pl
scan = {"parquet": pl.scan_parquet, "jsonl": pl.scan_ndjson}[sys.argv[1]]
options = {} if sys.argv[1] == "parquet" else {"infer_schema_length": None}
chars = [pl.col(name).str.len_chars().mean() for name in ("prompt", "response")]
scan(sys.argv[2], **options).select(*chars, pl.col("reward").mean()).collect(engine="streaming")
"""
OURS = """
import sys
from gcsl_data.cli import main
sys.argv = ["gcsl-data", "stats", sys.argv[2], "--json", *sys.argv[3:]]
main()
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            f"| log of {rows:,} rows | MB | one pass of Polars | gcsl-data stats | with a page | peak MB, Polars and ours |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
        for kind in ("parquet", "jsonl"):
            log, page = folder / f"log.{kind}", folder / "page.html"
            make_log(log, rows)
            bare = min(run(BARE, kind, str(log)) for _ in range(2))
            ours = min(run(OURS, kind, str(log)) for _ in range(2))
            paged = run(OURS, kind, str(log), "--html", str(page))
            page.unlink()
            size = log.stat().st_size / 1e6
            print(
                f"| {kind} | {size:,.0f} | {bare[0]:.2f} s | {ours[0]:.2f} s | {paged[0]:.2f} s "
                f"| {bare[1]:,.0f} and {ours[1]:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
