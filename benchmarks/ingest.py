"""Ingest speed: `gcsl-data ingest` over Polars' own bare scan-and-write of the same file (memory: memory.py).

    python benchmarks/ingest.py [rows]        1,000,000 by default; writes to a temporary folder; prints a table

Each figure is the better of two runs in fresh processes, ours and Polars' in turn. The bare run scans the file and
writes all columns to Parquet on the streaming engine. Peak memory is the process's largest resident set,
the mapped pages of the log itself among them (Linux).
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import sys, polars as pl
scan = {"parquet": pl.scan_parquet, "jsonl": pl.scan_ndjson, "csv": pl.scan_csv}[sys.argv[1]]
options = {} if sys.argv[1] == "parquet" else {"infer_schema_length": None}
scan(sys.argv[2], **options).sink_parquet(sys.argv[3])
"""
OURS = """
import sys
from gcsl_data.cli import main
sys.argv = ["gcsl-data", "ingest", sys.argv[2], "-o", sys.argv[3], *sys.argv[4:]]
main()
"""
BAD = '{"prompt": "cut off'
WORDS = (
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "and",
    "runs",
    "into",
    "one",
    "green",
    "field",
)
ROWS_PER_PROMPT = 20


def make_log(path: Path, rows: int, *, bad_share: float = 0.0) -> None:
    """A log of about 900 bytes a row in the format of the path's suffix: prompts come back, no response does."""
    rng = random.Random(7)
    phrases = [" ".join(rng.choices(WORDS, k=10)) for _ in range(10_000)]
    prompts = [" ".join(rng.choices(phrases, k=8)) for _ in range(max(1, rows // ROWS_PER_PROMPT))]
    lines = (
        {
            "prompt": rng.choice(prompts),
            "response": " ".join(rng.choices(phrases, k=8)),
            "reward": round(rng.random(), 6),
            "id": i,
        }
        for i in range(rows)
    )
    with path.with_suffix(".jsonl").open("w") as file:
        for line in lines:
            file.write((BAD if bad_share and rng.random() < bad_share else json.dumps(line)) + "\n")
    if path.suffix != ".jsonl":
        import polars as pl

        scanned = pl.scan_ndjson(path.with_suffix(".jsonl"))
        scanned.sink_parquet(path) if path.suffix == ".parquet" else scanned.sink_csv(path)


# The kernel's own high-water mark of the program; getrusage would count what the parent held before it started the child.
REPORT = """
import atexit, pathlib, sys
def report():
    status = pathlib.Path("/proc/self/status").read_text()
    sys.stderr.write("RSS " + status.split("VmHWM:")[1].split()[0] + chr(10))
atexit.register(report)
"""


def run(code: str, *arguments: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a fresh process."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", REPORT + code, *arguments], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    return seconds, int(done.stderr.rsplit("RSS ", 1)[1].split()[0]) / 1024


def best_of_two(code: str, *arguments: str) -> tuple[float, float]:
    """The faster of two runs; the output is removed before each."""
    runs = []
    for _ in range(2):
        Path(arguments[2]).unlink(missing_ok=True)
        runs.append(run(code, *arguments))
    return min(runs)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            f"| log of {rows:,} rows | MB | Polars scan and write | gcsl-data ingest | ratio | peak MB, Polars and ours |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
        for kind in ("parquet", "jsonl", "csv"):
            log = folder / f"log.{kind}"
            make_log(log, rows)
            bare = best_of_two(BARE, kind, str(log), str(folder / "bare.parquet"))
            ours = best_of_two(OURS, kind, str(log), str(folder / "ours.parquet"))
            size = log.stat().st_size / 1e6
            print(
                f"| {kind} | {size:,.0f} | {bare[0]:.2f} s | {ours[0]:.2f} s | {ours[0] / bare[0]:.2f} "
                f"| {bare[1]:,.0f} and {ours[1]:,.0f} |",
                flush=True,
            )
        faulty = folder / "faulty.jsonl"
        make_log(faulty, rows, bad_share=0.01)
        flags = ("--on-error", "quarantine", "--max-reject-rate", "0.05")
        (folder / "ours.rejects.jsonl").unlink(missing_ok=True)
        seconds, memory = run(OURS, "jsonl", str(faulty), str(folder / "faulty.parquet"), *flags)
        print(f"\n1 % bad lines, quarantine: {rows / seconds:,.0f} rows/s, {seconds:.2f} s, peak {memory:,.0f} MB")


if __name__ == "__main__":
    main()
