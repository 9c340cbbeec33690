"""gcsl-data fit: measure logs once, freeze the numbers for tomorrow's."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcsl_data.cli._options import Json, Preset, RecipeFile, recipe_options


@recipe_options(stages=("shape", "record", "checks", "splits", "rewards", "bins", "goals", "build"))
def fit(
    logs: Annotated[
        list[str], typer.Argument(metavar="LOG...", help="Logs; paths, quoted patterns, URIs, or - for stdin.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; must not exist.")] = Path("fit.json"),
    preset: Preset = None,
    recipe: RecipeFile = None,
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Measure logs and write the fit: thresholds, kept goals, printed numbers.

    `expand --fit FILE` uses it on other logs, so that a goal means the same tomorrow.
    """
    from gcsl_data.audit.summary import summary_of
    from gcsl_data.cli import _show, _show_stats
    from gcsl_data.dataset import files
    from gcsl_data.dataset.decode import encode, pretty
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.measure import measure
    from gcsl_data.plan import make_plan
    from gcsl_data.recipe import resolve
    from gcsl_data.settle import settle

    resolved, _ = resolve(flags=flags, file=recipe, preset=preset)
    found = find_logs(logs, resolved.shape)
    files.require_absent(out)
    engine = LocalEngine(found)
    plan = settle(make_plan(found, resolved), engine)
    _show.say_notes(plan.notes)
    measured = measure(plan, engine)
    with files.staged_file(out) as target:
        target.write_bytes(pretty(encode(measured.fit)))
    for warning in measured.warnings:
        _show.say(f"warning: {warning}")
    summary = summary_of(measured, str(out), resolved.goals.formulation)
    if json:
        found = {"fit": encode(measured.fit), "hygiene": encode(measured.hygiene)}
        _show.print_json({"output": str(out), "warnings": list(measured.warnings), **found})
        return
    _show_stats.say_expanded(summary)
    print(out)
