"""gcsl-data merge: the parts that jobs wrote, made one dataset."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json, Progress


def merge(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The --out that all jobs with --shard were given.")],
    progress: Progress = "auto",
    json: Json = False,
) -> None:
    """Make one dataset of the parts that `expand --shard I/N` wrote.

    It is the same, byte for byte, as one that a single `expand` writes. The parts go away.
    """
    from gcsl_data import merge as merging
    from gcsl_data.audit.summary import summary_of
    from gcsl_data.cli import _show, _show_stats
    from gcsl_data.dataset.decode import encode
    from gcsl_data.errors import UsageError

    if "://" in out:
        raise UsageError("GD0306", f"merge {out}: parts are merged in a folder; copy the dataset to a store after that")
    with _show.progress(progress, "verifying parts", unit="parts") as on_part:
        manifest = merging.merge(Path(out), on_part=on_part)
    summary = summary_of(manifest, out, manifest.formulation)
    if json:
        _show.print_json({"output": out, **encode(summary)})
        return
    _show_stats.say_expanded(summary)
    print(out)
