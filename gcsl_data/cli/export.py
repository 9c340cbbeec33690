"""gcsl-data export: a finished dataset in the form that another tool reads."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json


def export(
    dataset: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset.")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="trl|hf-disk|parquet|jsonl", help="trl: exactly TRL's columns; the others: all."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write; must not exist.")],
    split: Annotated[str | None, typer.Option("--split", help="One split instead of all.")] = None,
    json: Json = False,
) -> None:
    """Write a dataset for another tool: one file per split, or a folder for datasets.load_from_disk.

    Rows keep their order and values. Every shard's hash is verified first. Prints the folder.
    """
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.export import export as export_dataset

    done = export_dataset(dataset, to, out, split=split)
    if json:
        _show.print_json({"output": str(out), "to": to, **encode(done)})
        return
    _show.say_exported(done)
    print(out)
