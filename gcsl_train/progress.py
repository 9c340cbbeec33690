"""How a run looks while it runs: a bar on a terminal, lines of JSON elsewhere, plain lines for those who ask for them."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from gcsl_train.config import Progress
from gcsl_train.meter import StepReport
from gcsl_train.say import Say

Show = Callable[[StepReport], None]


@contextlib.contextmanager
def shown(kind: Progress, *, total: int, done: int, say: Say) -> Iterator[Show]:
    """What shows each step of a run of `total` steps, `done` of them before now; `auto` is a bar on a terminal, else JSON."""
    if kind == "auto":
        kind = "bar" if sys.stderr.isatty() and not os.environ.get("CI") else "json"
    if kind == "bar":
        with _bar() as progress:
            task = progress.add_task("training", total=total, completed=done, **_columns(None))
            yield lambda report: progress.update(task, completed=report.step, **_columns(report))
    elif kind == "json":
        yield lambda report: say(json.dumps(report.as_json(), allow_nan=False))
    elif kind == "plain":
        yield lambda report: say(as_line(report, total))
    else:
        yield lambda report: None


def as_line(report: StepReport, total: int) -> str:
    """One step in one line."""
    speed = report.speed
    mfu = "" if speed.mfu is None else f"  MFU {speed.mfu:.1%}"
    return (
        f"step {report.step}/{total}  loss {report.loss:.4f}  {speed.tokens_per_s:,.0f} tokens/s{mfu}  "
        f"padding {report.padding:.1%}  lr {report.lr:.2e}  grad norm {report.grad_norm:.3f}"
    )


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[loss]}  {task.fields[speed]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _columns(report: StepReport | None) -> dict[str, str]:
    if report is None:
        return {"loss": "", "speed": ""}
    mfu = "" if report.speed.mfu is None else f"  MFU {report.speed.mfu:.0%}"
    return {"loss": f"loss {report.loss:.4f}", "speed": f"{report.speed.tokens_per_s:,.0f} tokens/s{mfu}"}
