"""gcsl-data check: does the dataset keep its promises? For CI."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json


def check(
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", readable=False, help="A dataset. (the one here, or the newest *-gcsl)"),
    ] = None,
    json: Json = False,
) -> None:
    """Check manifest, hashes, row counts, columns, and that every goal sentence is true of its row.

    Exit 0 when all holds, 1 with findings, 65 when there is no readable manifest.
    """
    from gcsl_data.audit.contract import CONTRACT, check_dataset
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.find import newest_dataset

    dataset = dataset or newest_dataset(Path.cwd())
    findings = check_dataset(dataset)
    if json:
        status = 1 if findings else 0
        _show.print_json(
            {"ok": not findings, "exit_code": status, "dataset": str(dataset), "findings": encode(findings)}
        )
    else:
        _show.show_findings(str(dataset), findings, CONTRACT)
    if findings:
        raise typer.Exit(1)
