"""Memory of `ingest` and `expand` as a log of JSON lines grows.

    python benchmarks/memory.py [rows ...]     360,000, 1,200,000 and 3,600,000 by default (0.3, 1 and 3 GB); prints a table

Fresh processes; the figure is the peak of anonymous memory, which cannot be dropped, sampled every 10 ms from the kernel
(Linux). The mapped pages of the log itself come on top and can be dropped at any time.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ingest import make_log

COMMANDS = ("ingest", "expand")


def anonymous_mb(pid: int) -> float:
    """Anonymous resident memory of a process in MB; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.split("RssAnon:")[1].split()[0]) / 1024 if "RssAnon:" in status else 0.0


def measured(command: str, log: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak anonymous memory in MB of one run; its output is removed."""
    program = [sys.executable, "-m", "gcsl_data", command, str(log), "-o", str(out)]
    started, peak = time.perf_counter(), 0.0
    child = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        peak = max(peak, anonymous_mb(child.pid))
        time.sleep(0.01)
    if child.returncode:
        raise SystemExit(f"{' '.join(program)} ended with {child.returncode}")
    seconds = time.perf_counter() - started
    shutil.rmtree(out) if out.is_dir() else out.unlink()
    return seconds, peak


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or [360_000, 1_200_000, 3_600_000]
    print("| log | " + " | ".join(f"`{command}`" for command in COMMANDS) + " |\n| --- | --- | --- |")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            log = Path(name) / "log.jsonl"
            make_log(log, rows)
            cells = [measured(command, log, Path(name) / f"{command}.out") for command in COMMANDS]
            shown = " | ".join(f"{peak:,.0f} MB, {seconds:.1f} s" for seconds, peak in cells)
            print(f"| {log.stat().st_size / 1e9:.1f} GB ({rows:,} rows) | {shown} |", flush=True)


if __name__ == "__main__":
    main()
