"""gcsl-data stats: audit the bins, goals, texts and groups of a dataset, or of what a log would become."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcsl_data.cli._options import Json, Preset, Progress, RecipeFile, recipe_options


@recipe_options()
def stats(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR | LOG...]", help="A dataset, or logs. (the dataset here, or the newest *-gcsl)"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="DIR|LOG", help="Another dataset or log: how far this is from it (PSI, KS)."),
    ] = None,
    sweep_bins: Annotated[
        str | None, typer.Option(metavar="FROM..TO", help="What each number of bins would give, such as 2..10.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="FILE|FOLDER", help="A tokenizer.json, or its folder: lengths in tokens too.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it all as one page, with charts and records.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw rewards and thresholds: .svg or .png.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Every number by its name in gates, what it means, when to look closer.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of --html and --plot.")] = False,
    progress: Progress = "auto",
    preset: Preset = None,
    recipe: RecipeFile = None,
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Audit a dataset or a log: bins, goals, rewards, lengths, groups, sources, splits, and what to look at.

    For a log it shows what `expand` would make of it with the same flags, and writes no dataset.
    """
    from gcsl_data.audit.describe import describe, named
    from gcsl_data.audit.report.output import Outputs
    from gcsl_data.cli import _show, _show_sections, _show_stats
    from gcsl_data.dataset.decode import encode

    outputs = Outputs(html, plot, overwrite)
    outputs.require()
    found, settled = named(paths or [], against=against, flags=flags, file=recipe, preset=preset)
    with _show.steps(progress) as on_step:
        described = describe(found, settled, against=against, sweep=sweep_bins, tokenizer=tokenizer, on_step=on_step)
    _show.say_notes(described.notes)
    if described.extremes:
        _show.say_extremes(described.extremes)
    for warning in described.warnings:
        _show.say(f"warning: {warning}")
    for path in outputs.write(described.stats, described.subject):
        _show.say(f"written: {path}")
    if json:
        _show.print_json(encode(described.stats))
    elif explain:
        from gcsl_data.cli._show_explained import show_explained

        show_explained(described.stats)
    elif described.stats.sweep:
        _show_sections.show_sweep(described.stats)
    else:
        _show_stats.show_stats(described.stats, described.summary)
