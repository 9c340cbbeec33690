"""Memory of `ingest` and `expand` as a log of JSON lines grows.

    python benchmarks/memory.py [rows ...]     360,000, 1,200,000 and 3,600,000 by default (0.3, 1 and 3 GB); prints a table

Fresh processes; the figure is the peak of anonymous memory (process.py). The mapped pages of the log itself come on top and
can be dropped at any time.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from ingest import make_log
from process import measured

COMMANDS = ("ingest", "expand")


def run(command: str, log: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak anonymous memory in MB of one run; its output is removed."""
    done = measured([sys.executable, "-m", "gcsl_data", command, str(log), "-o", str(out)])
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    return done.seconds, done.peak


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [360_000, 1_200_000, 3_600_000]
    print("| log | " + " | ".join(f"`{command}`" for command in COMMANDS) + " |\n| --- | --- | --- |")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "log.jsonl"
            make_log(log, rows)
            cells = [run(command, log, Path(name) / f"{command}.out") for command in COMMANDS]
            shown = " | ".join(f"{peak:,.0f} MB, {seconds:.1f} s" for seconds, peak in cells)
            print(f"| {log.stat().st_size / 1e9:.1f} GB ({rows:,} rows) | {shown} |", flush=True)


if __name__ == "__main__":
    main()
