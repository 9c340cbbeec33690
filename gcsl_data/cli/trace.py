"""gcsl-data trace: an example back to its file, row, reward, level and goals."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json


def trace(
    dataset: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset.")],
    example: Annotated[str, typer.Argument(metavar="ID", help="An example's id, or its first digits (at least 4).")],
    logs: Annotated[
        Path | None, typer.Option("--logs", metavar="FOLDER", help="Where the logs lie: also show the row itself.")
    ] = None,
    json: Json = False,
) -> None:
    """Say where an example came from: file, row, reward, level, the goals it reaches, its record's other examples.

    With --logs it also shows the row as the log holds it, and whether the log changed since.
    """
    from gcsl_data.audit.trace import trace as trace_example
    from gcsl_data.cli import _show, _show_trace
    from gcsl_data.dataset.decode import encode

    found = trace_example(dataset, example, logs=logs)
    if json:
        _show.print_json({"dataset": str(dataset), **encode(found)})
    else:
        _show_trace.show_trace(found)
