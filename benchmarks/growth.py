"""`gcsl-data expand` as a log grows: seconds, rows/s, memory. (Linux)

    pip install '.[bench]'
    python benchmarks/growth.py --work FOLDER [--largest 10000000] [--format parquet|jsonl] [--plot benchmarks/growth.svg]

Prints a table and the slope of time against rows, both as logarithms (1 is linear), and draws both as SVG. Each size is
one run in a fresh process, imports included; ours fsyncs what it writes. Peak memory is anonymous (process.py). Logs and
outputs lie in FOLDER and are removed one by one.
"""

import argparse
import math
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from graded_log import make_graded_log
from process import measured

SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class Size:
    """What one size took; memory in MB."""

    rows: int
    log: float
    seconds: float
    cpu: float
    peak: float


def measure(rows: int, kind: str, work: Path) -> Size:
    """One run; leaves nothing behind."""
    log, out = work / f"growing-{rows}.{kind}", work / "grown"
    shutil.rmtree(out, ignore_errors=True)
    try:
        make_graded_log(log, rows)
        os.sync()
        done = measured([sys.executable, "-m", "gcsl_data", "expand", str(log), "--out", str(out)])
        return Size(rows, log.stat().st_size / 1e6, done.seconds, done.cpu, done.peak)
    finally:
        log.unlink(missing_ok=True)
        shutil.rmtree(out, ignore_errors=True)


def slope(sizes: list[Size]) -> float:
    """Of the least-squares line through the logarithms of seconds over those of rows."""
    x = [math.log(size.rows) for size in sizes]
    y = [math.log(size.seconds) for size in sizes]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return products / sum((a - mean_x) ** 2 for a in x)


def draw(sizes: list[Size], path: Path) -> None:
    """Two panels over rows: time with a linear line through the largest size, and memory."""
    import altair as alt
    import vl_convert

    last = sizes[-1]
    values = [
        {
            "rows": size.rows,
            "seconds": size.seconds,
            "memory": size.peak,
            "linear": last.seconds * size.rows / last.rows,
        }
        for size in sizes
    ]
    logarithmic = alt.Scale(type="log", nice=False, padding=12)
    rows = alt.X(
        "rows:Q", title="rows of the log", scale=logarithmic, axis=alt.Axis(values=[s.rows for s in sizes], format="~s")
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=rows)
    marks = alt.MarkConfig(color="#1f5f99")

    def panel(field: str, title: str, scale: alt.Scale) -> alt.LayerChart:
        y = alt.Y(f"{field}:Q", title=title, scale=scale)
        return alt.layer(base.mark_line().encode(y=y), base.mark_point(filled=True, size=60).encode(y=y))

    time = alt.layer(
        base.mark_line(strokeDash=[4, 4], color="#a8460f").encode(y="linear:Q"),
        panel("seconds", "seconds (dashed: linear)", logarithmic),
    )
    memory = panel("memory", "peak anonymous memory, MB", alt.Scale(zero=True))
    chart = alt.hconcat(*(each.properties(width=300, height=220) for each in (time, memory)), background="white")
    chart = chart.configure_axis(gridColor="#dcdfe3", gridWidth=0.6, titleFontWeight="normal").configure_mark(
        **marks.to_dict()
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    path.write_text(vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, allowed_base_urls=[]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--work", type=Path, required=True, help="folder for logs and outputs")
    options.add_argument("--largest", type=int, default=SIZES[-1], help="rows")
    options.add_argument("--format", choices=("parquet", "jsonl"), default="parquet")
    options.add_argument("--plot", type=Path, default=Path(__file__).with_name("growth.svg"))
    asked = options.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, load before {', '.join(f'{value:.1f}' for value in os.getloadavg())}\n")
    print(
        f"| rows | MB of {asked.format} | seconds | CPU seconds | rows/s | peak MB |\n| --- | --- | --- | --- | --- | --- |"
    )
    sizes: list[Size] = []
    for rows in (rows for rows in SIZES if rows <= asked.largest):
        found = measure(rows, asked.format, asked.work.resolve())
        sizes.append(found)
        print(
            f"| {rows:,} | {found.log:,.0f} | {found.seconds:.1f} | {found.cpu:.1f} | {rows / found.seconds:,.0f} "
            f"| {found.peak:,.0f} |",
            flush=True,
        )
    if len(sizes) > 1:
        print(f"\nSlope of log seconds over log rows: {slope(sizes):.2f}; of the two largest: {slope(sizes[-2:]):.2f}.")
        draw(sizes, asked.plot)


if __name__ == "__main__":
    main()
