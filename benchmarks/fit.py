"""The thresholds of 100 million rewards: our fit beside numpy, Polars and DuckDB. (Linux)

    pip install '.[bench]'
    python benchmarks/fit.py --work FOLDER [--rewards 100000000] [--digits 3|12] [--limit MB] [--only a,b]

Prints a table for rewards of 3 digits, and one for rewards that nearly all differ (12 digits). They are a column of a Parquet
file, kept in FOLDER until the end. Ours counts equal rewards as `expand` does (with log, source, split and reason of each),
sums exactly, chooses the printed digits and the goals, and finds the mean reward of each bin; the peers find the edges and
a mean. All must find the same edges, and means that agree to 1e-9. Every figure is of one fresh process, imports included.
Peak memory is anonymous (process.py); whoever needs more than the limit is stopped, and the table says so.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

from fitters import FITTERS
from process import Outcome, attempt

PIECE = 5_000_000
KILLED = -9  # by us, or by the kernel when it has no memory left
TITLES = {3: "3 digits", 12: "nearly all distinct"}


def make_rewards(path: Path, count: int, digits: int) -> None:
    """One column `reward`, from 0 to 1, in pieces."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(7)
    with pq.ParquetWriter(path, pa.schema({"reward": pa.float64()}), compression="zstd") as writer:
        for start in range(0, count, PIECE):
            writer.write_table(pa.table({"reward": rng.beta(2, 2, min(PIECE, count - start)).round(digits)}))


def run(name: str, path: Path, limit: float) -> Outcome:
    """One fitter in a fresh process."""
    return attempt([sys.executable, str(Path(__file__).with_name("fitters.py")), name, str(path)], limit=limit)


def require_same(found: dict[str, dict]) -> None:
    """Ends the program when two disagree."""
    first, *others = found
    for other in others:
        if found[other]["edges"] != found[first]["edges"] or not math.isclose(
            found[other]["mean"], found[first]["mean"], rel_tol=1e-9
        ):
            raise SystemExit(f"{other} found {found[other]},\n{first} found {found[first]}")


def contest(names: list[str], path: Path, count: int, digits: int, limit: float) -> None:
    """Prints one table."""
    found = {}
    print(f"\n| {count:,} rewards, {TITLES[digits]} | seconds | CPU seconds | rewards/s | peak MB |")
    print("| --- | --- | --- | --- | --- |")
    told = ""
    for name in names:
        done = run(name, path, limit)
        if done.status and done.status != KILLED:
            sys.exit(f"{name} ended with {done.status}\n{done.errors[-2000:]}")
        if done.status:
            why = "over the limit" if done.peak > limit else "killed"
            so_far = ", ".join(done.errors.splitlines()) or "no step ended"
            print(
                f"| {name} | {why} ({so_far}) after {done.seconds:.1f} s | {done.cpu:.1f} | - | {done.peak:,.0f} |",
                flush=True,
            )
            continue
        found[name] = json.loads(done.output)
        if found[name]["steps"]:
            told = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in found[name]["steps"].items())
        figures = f"{done.seconds:.2f} | {done.cpu:.1f} | {count / done.seconds:,.0f} | {done.peak:,.0f}"
        print(f"| {name} | {figures} |", flush=True)
    require_same(found)
    print(f"\n{len(found)} of {len(names)} found the same edges.{' Ours: ' if told else ''}{told}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True, help="folder for the rewards")
    options.add_argument("--rewards", type=int, default=100_000_000)
    options.add_argument("--digits", type=int, choices=[*TITLES], help="one of the two tables")
    options.add_argument("--limit", type=float, default=16_000, help="MB that a process may take")
    options.add_argument("--only", help=f"of {', '.join(FITTERS)}")
    asked = options.parse_args()
    names = asked.only.split(",") if asked.only else [*FITTERS]
    if unknown := set(names) - {*FITTERS}:
        options.error(f"--only: no {', '.join(unknown)}")
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, load before {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    for digits in [asked.digits] if asked.digits else [*TITLES]:
        path = asked.work / f"rewards-{asked.rewards}-{digits}.parquet"
        try:
            make_rewards(path, asked.rewards, digits)
            contest(names, path, asked.rewards, digits, asked.limit)
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
