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
    json: Json = False,
) -> None:
    """Print the goal to ask for at inference: the highest one, word for word as in training."""
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.find import newest_dataset
    from gcsl_data.dataset.manifest import load
    from gcsl_data.errors import UsageError

    manifest = load(dataset or newest_dataset(Path.cwd()))
    wanted = manifest.inference_goal if index is None else index
    kept = {goal.index: goal for goal in manifest.kept_goals}
    if wanted not in kept:
        names = ", ".join(str(k) for k in kept)
        raise UsageError("GD0212", f"goal {wanted} is not one the data was written for; kept goals: {names}")
    if json:
        _show.print_json(
            {"goal": encode(kept[wanted]), "placement": manifest.placement, "dataset_id": manifest.dataset_id}
        )
    else:
        print(kept[wanted].text)
