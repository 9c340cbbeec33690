"""gcsl-data stats: audit the bins and goals of a dataset, or of what a log would become."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcsl_data.cli._options import Json, Preset, RecipeFile, recipe_options

if TYPE_CHECKING:
    from gcsl_data.audit.stats import Stats


@recipe_options()
def stats(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR | LOG...]", help="A dataset, or logs. (the dataset here, or the newest *-gcsl)"),
    ] = None,
    preset: Preset = None,
    recipe: RecipeFile = None,
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Audit bins: edges, printed numbers, records, shares, means, goals kept and dropped, examples.

    For a log it shows what `expand` would make of it with the same flags, and writes nothing.
    """
    from gcsl_data.cli import _show, _show_stats
    from gcsl_data.dataset.decode import encode

    found = _stats(paths or [], flags, recipe, preset)
    if json:
        _show.print_json(encode(found))
    else:
        _show_stats.show_stats(found)


def _stats(paths: list[str], flags: dict[str, Any], recipe: str | None, preset: str | None) -> "Stats":
    from pathlib import Path

    from gcsl_data.audit.stats import stats_of_dataset, stats_of_log
    from gcsl_data.cli import _show
    from gcsl_data.dataset.find import newest_dataset
    from gcsl_data.dataset.manifest import load
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.errors import UsageError, reading
    from gcsl_data.extremes import extremes
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.measure import measure
    from gcsl_data.plan import make_plan
    from gcsl_data.recipe import resolve
    from gcsl_data.settle import settle

    if not paths:
        paths = [str(newest_dataset(Path.cwd()))]
    with reading(paths[0]):
        is_dataset = len(paths) == 1 and Path(paths[0]).is_dir()
    if is_dataset:
        if recipe or preset or any(value is not None for value in flags.values()):
            raise UsageError("GD0210", "a dataset's recipe is settled; flags like --bins are for logs")
        return stats_of_dataset(load(paths[0]), paths[0])
    resolved, _ = resolve(flags=flags, file=recipe, preset=preset)
    logs = find_logs(paths, resolved.shape)
    engine = LocalEngine(logs)
    plan = settle(make_plan(logs, resolved), engine)
    _show.say_notes(plan.notes)
    measured = measure(plan, engine)
    _show.say_extremes(extremes(plan.records, measured.census, engine, direction=plan.direction))
    for warning in measured.warnings:
        _show.say(f"warning: {warning}")
    return stats_of_log(measured, ", ".join(paths), plan.recipe.goals.formulation)
