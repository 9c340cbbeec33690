"""gcsl-data goal: the text to use at inference."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json


def goal(
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", readable=False, help="A dataset. (the one here, or the newest *-gcsl)"),
    ] = None,
    index: Annotated[int | None, typer.Option("--index", "-k", help="Goal k instead of the highest.")] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Its printed number times this, such as 1.04: an extrapolation.")
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", help="This number in the sentence, such as 0.9, whatever was trained.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the goal to ask for at inference: the highest one, word for word as in training.

    With --scale or --value the same sentence says another number, which may be one that no training row had.
    """
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.find import newest_dataset
    from gcsl_data.dataset.manifest import load
    from gcsl_data.inference import asked_goal

    folder = dataset or newest_dataset(Path.cwd())
    manifest = load(folder)
    asked = asked_goal(folder, manifest, index=index, scale=scale, value=value)
    for warning in asked.warnings:
        _show.say(f"warning: {warning}")
    if json:
        _show.print_json({**encode(asked), "placement": manifest.placement, "dataset_id": manifest.dataset_id})
    else:
        print(asked.text)
