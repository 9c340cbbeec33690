"""gcsl-data expand: logs in, a dataset out."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run of this very command stopped.")
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Write the share of job I of N, all to one --out; `gcsl-data merge` joins them.",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="This process, or a Ray cluster (extra ray). (local)")
    ] = "local",
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
    from gcsl_data.cli._run import telling_what_is_kept
    from gcsl_data.cli._upload import require_vacant, send
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.store import is_uri
    from gcsl_data.dataset.upload import staging
    from gcsl_data.engines.registry import engine_of
    from gcsl_data.errors import UsageError
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.parts import build_part, require_place_for_parts, share_of
    from gcsl_data.plan import make_plan
    from gcsl_data.recipe import resolve, settings

    resolved, origins = resolve(flags=flags, file=recipe, preset=preset)
    if print_recipe:
        _show.show_settings(settings(resolved), origins, as_json=json)
        return
    for_folders = {"--overwrite": overwrite, "--resume": resume, "--shard": shard}
    uri = require_vacant(out, for_folders) if out is not None and is_uri(out) else None
    found = find_logs(logs, resolved.shape)
    target = Path(f"{found[0].path.stem}-gcsl" if out is None else out)
    share = share_of(shard) if shard else None
    if share and overwrite:
        raise UsageError("GD0304", "--overwrite goes with a whole dataset, not with --shard; give a new --out")
    if not uri:
        if not share:
            require_place(target, overwrite=overwrite)
        elif not resume:
            require_place_for_parts(target)
    plan = make_plan(found, resolved)
    _show.say_notes(plan.notes)
    for origin in dict.fromkeys(template.origin for template in plan.templates.values()):
        _show.say(f"template: {origin}")
    doubts = lint_used(plan.templates.values())
    runs = engine_of(engine, found)

    def on_resume(done: int, total: int) -> None:
        kept = f"{done} of {total} fragments were finished before" if done else "nothing of this very command was left"
        _show.say(f"resume: {kept}")

    with telling_what_is_kept(), staging(uri) if uri else nullcontext(target) as folder:
        with _show.progress(progress, "writing examples") as on_rows:
            hears: Any = {"resume": resume, "on_rows": on_rows, "on_resume": on_resume}
            if share:
                part, promised = build_part(plan, runs, folder, share, **hears)
                manifest, measured = part.manifest, promised.measured
            else:
                part = None
                manifest, measured = build(plan, runs, folder, overwrite=overwrite, **hears)
        if uri:
            send(folder, uri, progress)
    warnings = [*measured.warnings, *doubts]
    for warning in warnings:
        _show.say(f"warning: {warning}")
    place = uri or str(target)
    summary = summary_of(manifest, place, manifest.formulation)
    if json:
        wrote = {"part": {"number": part.number, "jobs": part.jobs, "examples": part.rows}} if part else {}
        told = encode(summary)
        if part:
            del told["dataset_id"]  # it has none before its parts are merged
        _show.print_json({"output": place, "warnings": warnings, **wrote, **told})
        return
    if part:
        _show.say("the dataset that all parts make:")
    _show_stats.say_expanded(summary)
    if part:
        _show.say(f"part {part.number} of {part.jobs}: {part.rows} examples; with all parts: gcsl-data merge {place}")
    print(place)
