"""`gcsl-data check --schema` beside dataframely and pandera: the same rules over the rows of one Parquet log.

    pip install '.[bench]'
    python benchmarks/check.py [rows] [runs]     1,000,000 rows, best of 3 by default; prints a table

The rules: prompt and response are there and not empty, the reward is there, finite, and from 0 to 1. The log breaks each
a few times. Every figure is of a fresh process, imports included, that writes the broken rows to Parquet; the tools take
turns. Each must find the same number of rows, or the run ends. Peak memory is the process's largest resident set, the
mapped pages of the log among them (Linux).
"""

import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

from ingest import make_log, run

BROKEN = 7  # rows of the log that break each of the rules
SCHEMA = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "response": {"type": "string", "minLength": 1},
        "reward": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["prompt", "response", "reward"],
}
OURS = """
import io, json, sys, contextlib
from gcsl_data.cli import main
sys.argv = ["gcsl-data", "check", sys.argv[1], "--schema", sys.argv[2], "--write-extract", sys.argv[3], "--json"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
DATAFRAMELY = """
import sys, dataframely as dy, polars as pl
class Record(dy.Schema):
    prompt = dy.String(nullable=False, min_length=1)
    response = dy.String(nullable=False, min_length=1)
    reward = dy.Float64(nullable=False, min=0, max=1, allow_inf=False, allow_nan=False)
columns = ["prompt", "response", "reward"]
rows = pl.scan_parquet(sys.argv[1]).select(columns)
good, failed = Record.filter(rows.collect(engine="streaming") if sys.argv[2] == "eager" else rows)
failed.invalid().lazy().collect().write_parquet(sys.argv[3])
"""
PANDERA = """
import os, sys
os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"
import pandera.polars as pa, polars as pl
text = lambda: pa.Column(pl.String, pa.Check.str_length(min_value=1), nullable=False)
finite = pa.Check(lambda data: data.lazyframe.select(pl.col(data.key).is_finite()))
schema = pa.DataFrameSchema(
    {"prompt": text(), "response": text(), "reward": pa.Column(pl.Float64, [pa.Check.in_range(0, 1), finite], nullable=False)}
)
rows = pl.read_parquet(sys.argv[1], columns=["prompt", "response", "reward"])
try:
    schema.validate(rows, lazy=True)
    broken = []
except pa.errors.SchemaErrors as error:
    broken = error.failure_cases["index"].drop_nulls().unique().to_list()
rows[broken].write_parquet(sys.argv[3])
"""
TOOLS = {
    "gcsl-data check": (OURS, ""),
    "dataframely, eager": (DATAFRAMELY, "eager"),
    "dataframely, lazy": (DATAFRAMELY, "lazy"),
    "pandera": (PANDERA, ""),
}


def make_faulty_log(path: Path, rows: int) -> int:
    """A log that breaks every rule `BROKEN` times, in different rows; gives how many rows are broken."""
    import polars as pl

    clean = path.with_suffix(".clean.parquet")
    make_log(clean, rows)
    faults = {
        "prompt": [None, ""],
        "response": [None, ""],
        "reward": [None, float("nan"), float("inf"), -0.5, 1.5],
    }
    n, at = pl.int_range(pl.len()), 0
    columns = {}
    for name, values in faults.items():
        column = pl.col(name)
        for value in values:
            wanted = [at + 11 * step for step in range(BROKEN)]
            column = pl.when(n.is_in(wanted)).then(pl.lit(value)).otherwise(column)
            at += 1
        columns[name] = column
    pl.read_parquet(clean).with_columns(**columns).write_parquet(path)
    clean.unlink()
    clean.with_suffix(".jsonl").unlink(missing_ok=True)
    return BROKEN * sum(map(len, faults.values()))


def main() -> None:
    import polars as pl

    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, schema, out = folder / "log.parquet", folder / "row.schema.json", folder / "broken.parquet"
        broken = make_faulty_log(log, rows)
        schema.write_text(json.dumps(SCHEMA))
        best: dict[str, tuple[float, float]] = {}
        for _ in range(runs):
            for tool, (code, mode) in TOOLS.items():
                out.unlink(missing_ok=True)
                found = run(code, str(log), mode or str(schema), str(out))
                if (height := pl.read_parquet(out).height) != broken:
                    raise SystemExit(f"{tool} finds {height} broken rows of {broken}")
                best[tool] = min(best.get(tool, found), found)
        size = log.stat().st_size / 1e6
    names = ("polars", "dataframely", "pandera", "jsonschema")
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))
    what = f"{rows:,} rows, {size:,.0f} MB, {broken} broken"
    print(f"\n| {what} | best of {runs} | ours over it | peak MB |\n| --- | --- | --- | --- |")
    ours = best["gcsl-data check"][0]
    for tool, (seconds, memory) in best.items():
        print(f"| {tool} | {seconds:.2f} s | {ours / seconds:.2f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
