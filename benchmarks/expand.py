"""`gcsl-data expand` beside peers that do the same expansion, and two floors that compute nothing. (Linux)

    pip install '.[bench]'
    python benchmarks/expand.py --work FOLDER [--rows N] [--format parquet|jsonl] [--distinct] [--runs N] [--only a,b] [--all]

Prints a table. Everybody reads the same log (graded_log.py, kept in FOLDER), makes five bins of the reward, keeps the goals
above the mean, and writes a row for each goal that a record reaches: prompt and completion as chat messages, goal,
goal_index, threshold, level, reward, id. Ours also hashes the log and every shard, looks for duplicates, conflicts, leaks
and control tokens, and writes group, weight, source, row and part; the peers do none of that. The peers are told how many
digits ours prints of a threshold.

First they must agree on a log of 10,000 rows, row for row (`lists` cuts ties by rank, so it cannot). Then each runs in a
fresh process, in turns; after every run its rows and goals must be those of ours. Seconds are those of the process, imports
included, and of an fsync of every file that it left (ours has done that itself); `sync` tells that part. CPU seconds are
those of the process and its children; on a busy machine they say more. Before each run the system writes out what is
pending. The log's pages are warm if they fit. Caches of peers are empty before each run, and what filling them costs is
counted. Peak memory is anonymous (process.py). Outputs are removed after each run.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from graded_log import cached_log
from process import measured

SMALL = 10_000
BEST_OF_TWO_UP_TO = 3_000_000
LISTS_UP_TO = 1_000_000
BYTES_OF_A_ROW = 4_000  # of disk, for the log, and the caches and the output of the peer that needs most
HERE = Path(__file__).parent
Program = Callable[[Path, Path, Path, str], list[str]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """`program` of log, output, scratch folder and digits; how its output is read; which runs it is part of."""

    title: str
    program: Program
    output: str
    agrees: bool = True
    largest: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run: seconds of the process, of the fsync after it, and of processors; peak MB, MB written."""

    seconds: float
    sync: float
    cpu: float
    peak: float
    size: float

    @property
    def total(self) -> float:
        """Seconds until the output is on the disk."""
        return self.seconds + self.sync


def _script(name: str, *more: str) -> Program:
    path = str(HERE / "contestants" / name)
    return lambda log, out, scratch, digits: [sys.executable, path, str(log), str(out), str(scratch), digits, *more]


def _ours(log: Path, out: Path, _scratch: Path, _digits: str) -> list[str]:
    return [sys.executable, "-m", "gcsl_data", "expand", str(log), "--out", str(out)]


CONTESTANTS = {
    "ours": Contestant("gcsl-data expand", _ours, "shards"),
    "hf": Contestant("HF datasets, map", _script("hf_datasets.py"), "saved"),
    "hf-2": Contestant("HF datasets, map, num_proc=2", _script("hf_datasets.py", "2"), "saved"),
    "duckdb": Contestant("DuckDB, COPY to Parquet", _script("duckdb_sql.py", "parquet"), "parquet"),
    "duckdb-arrow": Contestant("DuckDB, Arrow batches to IPC", _script("duckdb_sql.py", "arrow"), "arrow"),
    "lists": Contestant("lists of dicts, JSON lines", _script("lists.py"), "jsonl", agrees=False, largest=LISTS_UP_TO),
}
FLOORS = {
    "polars-copy": (
        "floor: Polars, scan our output and sink",
        [sys.executable, str(HERE / "contestants/polars_copy.py")],
    ),
    "cp": ("floor: cp of our output", ["cp", "-r"]),
}


def run(program: list[str], out: Path, scratch: Path) -> Figures:
    """One run: before it the scratch folder is emptied, and the disk is idle."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    os.sync()
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = measured(program, offline)
    started = time.perf_counter()
    files = [path for path in (out, *out.rglob("*")) if path.is_file()]
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync = time.perf_counter() - started
    shutil.rmtree(scratch)
    return Figures(done.seconds, sync, done.cpu, done.peak, sum(path.stat().st_size for path in files) / 1e6)


def remove(out: Path) -> None:
    """Whatever stands there."""
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)


def digits_of(dataset: Path) -> str:
    """Digits after the point in our thresholds."""
    digits = json.loads((dataset / "manifest.json").read_text())["fit"]["decimals"]
    assert digits is not None, "the peers print rounded thresholds"
    return str(digits)


def require_agreement(names: list[str], work: Path, kind: str, *, distinct: bool) -> str:
    """Ends the program unless all make the same rows of a small log; a sentence that says so."""
    from made import READERS, made, require_same_goals, require_same_rows

    log, scratch, digits = cached_log(work, kind, SMALL, distinct=distinct), work / "scratch", "0"
    found = {}
    for name in ("ours", *(name for name in names if name != "ours" and CONTESTANTS[name].agrees)):
        contestant, out = CONTESTANTS[name], work / f"small-{name}"
        remove(out)
        run(contestant.program(log, out, scratch, digits), out, scratch)
        if name == "ours":
            digits = digits_of(out)
        found[name] = READERS[contestant.output](out)
    require_same_goals({name: made(frame) for name, frame in found.items()})
    rows = require_same_rows(found)
    for name in found:
        remove(work / f"small-{name}")
    return (
        f"On {SMALL:,} rows {', '.join(found)} made the same {rows:,} rows (prompt, completion, goal, level, reward)."
    )


def contest(
    names: list[str], floors: list[str], log: Path, work: Path, runs: int
) -> tuple[dict[str, Figures], dict[str, str]]:
    """The best figures of each by title, and what was written."""
    from made import READERS, made, require_same_goals

    best: dict[str, Figures] = {}
    told: dict[str, str] = {}
    scratch, ours, digits, expected = work / "scratch", work / "ours", "0", None

    def keep(title: str, found: Figures) -> None:
        best[title] = min(best.get(title, found), found, key=lambda figures: figures.total)
        print(
            f"{title}: {found.seconds:.2f} s, {found.sync:.2f} s, {found.cpu:.1f} s CPU, {found.peak:,.0f} MB",
            file=sys.stderr,
            flush=True,
        )

    for _ in range(runs):
        for name in ("ours", *(name for name in names if name != "ours")):
            contestant, out = CONTESTANTS[name], work / name
            remove(out)
            keep(contestant.title, run(contestant.program(log, out, scratch, digits), out, scratch))
            digits = digits_of(ours)
            found = made(READERS[contestant.output](out))
            expected = expected or found
            if contestant.agrees:
                require_same_goals({"ours": expected, name: found})
            told[contestant.title] = f"{found.rows:,} rows"
            if name != "ours":
                remove(out)
        for name in floors:
            title, program = FLOORS[name]
            out = work / name
            keep(title, run([*program, str(ours), str(out)], out, scratch))
            remove(out)
        remove(ours)
    return best, told


def table(rows: int, best: dict[str, Figures], told: dict[str, str], runs: int) -> str:
    """Markdown."""
    lines = [
        f"| {rows:,} rows, best of {runs} | seconds | of it sync | rows/s | over ours | CPU seconds | peak MB | written |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    ours = best[CONTESTANTS["ours"].title].total
    for title, found in best.items():
        written = f"{found.size:,.0f} MB" + (f", {told[title]}" if title in told else "")
        lines.append(
            f"| {title} | {found.total:.2f} | {found.sync:.2f} | {rows / found.total:,.0f} "
            f"| {found.total / ours:.2f} | {found.cpu:.1f} | {found.peak:,.0f} | {written} |"
        )
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True, help="folder for the log, caches and outputs")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--format", choices=("parquet", "jsonl"), default="parquet")
    options.add_argument("--distinct", action="store_true", help="nearly every reward differs")
    options.add_argument("--runs", type=int, help=f"2, beyond {BEST_OF_TWO_UP_TO:,} rows 1")
    options.add_argument("--only", help=f"of {', '.join([*CONTESTANTS, *FLOORS])}; ours always runs")
    options.add_argument("--all", action="store_true", help=f"lists beyond {LISTS_UP_TO:,} rows, too")
    asked = options.parse_args()
    runs = asked.runs or (2 if asked.rows <= BEST_OF_TWO_UP_TO else 1)
    chosen = asked.only.split(",") if asked.only else [*CONTESTANTS, *FLOORS]
    if unknown := set(chosen) - {*CONTESTANTS, *FLOORS}:
        options.error(f"--only: no {', '.join(unknown)}")
    fits = {name for name, one in CONTESTANTS.items() if asked.all or one.largest is None or asked.rows <= one.largest}
    asked.work.mkdir(parents=True, exist_ok=True)
    work = asked.work.resolve()
    if (free := shutil.disk_usage(work).free) < asked.rows * BYTES_OF_A_ROW:
        sys.exit(f"{work} has {free / 1e9:.0f} GB free; {asked.rows * BYTES_OF_A_ROW / 1e9:.0f} GB are needed")
    names = [name for name in chosen if name in fits]
    versions = ", ".join(f"{n} {importlib.metadata.version(n)}" for n in ("polars", "pyarrow", "datasets", "duckdb"))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{versions}; {os.cpu_count()} cores, load before {load}\n")
    print(require_agreement(names, work, asked.format, distinct=asked.distinct), flush=True)
    log = cached_log(work, asked.format, asked.rows, distinct=asked.distinct)
    best, told = contest(names, [name for name in chosen if name in FLOORS], log, work, runs)
    print(f"The log: {log.stat().st_size / 1e6:,.0f} MB of {asked.format}.\n")
    print(table(asked.rows, best, told, runs))


if __name__ == "__main__":
    main()
