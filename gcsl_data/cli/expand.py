"""gcsl-data expand: logs in, a dataset out."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from gcsl_data.cli._options import Json, Preset, Progress, RecipeFile, recipe_options


@recipe_options()
def expand(
    logs: Annotated[
        list[str], typer.Argument(metavar="LOG...", help="Logs; paths, quoted patterns, URIs, or - for stdin.")
    ],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="The dataset's folder, or s3://bucket/prefix. (./<log>-gcsl)")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the dataset that stands there, when the new one is whole.")
    ] = False,
    preset: Preset = None,
    recipe: RecipeFile = None,
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Show every setting and where it came from; do nothing.")
    ] = False,
    progress: Progress = "auto",
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Turn logs into goal-conditioned training examples.

    Every record becomes one example for each kept goal that its reward reaches. Prints where the dataset is.
    """
    from gcsl_data.audit.summary import summary_of
    from gcsl_data.audit.template_lint import lint_used
    from gcsl_data.build import build, require_place
    from gcsl_data.cli import _show, _show_stats
    from gcsl_data.cli._upload import require_vacant, send
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.store import is_uri
    from gcsl_data.dataset.upload import staging
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.plan import make_plan
    from gcsl_data.recipe import resolve, settings

    resolved, origins = resolve(flags=flags, file=recipe, preset=preset)
    if print_recipe:
        _show.show_settings(settings(resolved), origins, as_json=json)
        return
    uri = require_vacant(out, overwrite=overwrite) if out is not None and is_uri(out) else None
    found = find_logs(logs, resolved.shape)
    target = Path(f"{found[0].path.stem}-gcsl" if out is None else out)
    if not uri:
        require_place(target, overwrite=overwrite)
    plan = make_plan(found, resolved)
    _show.say_notes(plan.notes)
    for origin in dict.fromkeys(template.origin for template in plan.templates.values()):
        _show.say(f"template: {origin}")
    doubts = lint_used(plan.templates.values())
    with staging(uri) if uri else nullcontext(target) as folder:
        with _show.progress(progress, "writing examples") as on_rows:
            manifest, measured = build(plan, LocalEngine(found), folder, overwrite=overwrite, on_rows=on_rows)
        if uri:
            send(folder, uri, progress)
    warnings = [*measured.warnings, *doubts]
    for warning in warnings:
        _show.say(f"warning: {warning}")
    place = uri or str(target)
    summary = summary_of(manifest, place, manifest.formulation)
    if json:
        _show.print_json({"output": place, "warnings": warnings, **encode(summary)})
        return
    _show_stats.say_expanded(summary)
    print(place)
