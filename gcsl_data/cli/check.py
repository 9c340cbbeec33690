"""gcsl-data check: does a dataset keep its promises, is a log what it should be, do the numbers pass? For CI."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gcsl_data.cli._options import Json, Preset, RecipeFile, recipe_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcsl_data.audit.finding import Report
    from gcsl_data.audit.gates import Gate
    from gcsl_data.audit.subject import Subject
    from gcsl_data.recipe import Recipe

_SHA256 = re.compile("[0-9a-fA-F]{64}")


@recipe_options(stages=("shape", "record", "checks", "splits", "rewards", "bins", "goals", "build"))
def check(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR | LOG...]", help="A dataset, or logs. (the dataset here, or the newest *-gcsl)"),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="EXPR", help="Fail when the numbers of stats meet this; repeatable."),
    ] = None,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="FILE", help="Check every row of the logs against a JSON Schema.")
    ] = None,
    write_extract: Annotated[
        Path | None,
        typer.Option("--write-extract", metavar="FILE", help="Write the rows that break a rule to a Parquet file."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --write-extract.")] = False,
    format_: Annotated[
        Literal["text", "json", "junit", "sarif", "github"],
        typer.Option("--format", metavar="NAME", help="text, json, junit, sarif or github: what to print."),
    ] = "text",
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="DIR|LOG", help="Another dataset or log, for gates over drift (PSI, KS)."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FILE|FOLDER", help="A tokenizer.json, or its folder, for gates over text.tokens."),
    ] = None,
    warn_only: Annotated[bool, typer.Option("--warn-only", help="Show errors, but exit 0.")] = False,
    expect: Annotated[
        str | None,
        typer.Option("--expect-manifest-sha256", metavar="HEX", help="The SHA-256 that the manifest must have."),
    ] = None,
    preset: Preset = None,
    recipe: RecipeFile = None,
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Check a dataset: manifest, hashes, counts, columns, and that every goal sentence is true of its row.

    Check logs: every row against a JSON Schema, or that they can be expanded with these settings. Exit 0 when all holds, 1
    with errors, 65 when there is no readable manifest.
    """
    from gcsl_data.audit.gates import Gate
    from gcsl_data.cli import _show, _show_check
    from gcsl_data.errors import UsageError
    from gcsl_data.recipe import gates_in

    if json and format_ not in ("text", "json"):
        raise UsageError("GD0295", f"--json and --format {format_} both say what to print; give one of them")
    if expect is not None and not _SHA256.fullmatch(expect):
        raise UsageError("GD0296", "--expect-manifest-sha256 takes the 64 hex digits that check prints")
    gates = [Gate.parse(text) for text in (*(gates_in(recipe) if recipe else ()), *(fail_on or ()))]
    if against is not None and not gates:
        raise UsageError("GD0299", "--against is what gates over drift look at; give --fail-on too")
    if tokenizer is not None and not gates:
        raise UsageError("GD0300", "--tokenizer is what gates over text.tokens look at; give --fail-on too")
    if overwrite and write_extract is None:
        raise UsageError("GD0301", "--overwrite is for the file of --write-extract; name one, or leave it out")
    if write_extract is not None:
        _require_place(write_extract, overwrite=overwrite)
    report = _report(
        paths or [], flags, recipe, preset, gates, schema, write_extract, overwrite, expect, against, tokenizer
    )
    if write_extract is not None and not report.extracted:
        _show.say(f"{write_extract} is not written: {_nothing_to_write(report)}")
    status = 1 if report.errors and not warn_only else 0
    if json or format_ == "json":
        _show_check.show_json(report, status=status)
    elif format_ == "text":
        _show_check.show_report(report, status=status)
    else:
        from gcsl_data.audit import formats

        print({"junit": formats.junit, "sarif": formats.sarif, "github": formats.github}[format_](report))
    if status:
        raise typer.Exit(status)


def _report(
    paths: list[str],
    flags: dict[str, Any],
    recipe: str | None,
    preset: str | None,
    gates: "list[Gate]",
    schema: str | None,
    write_extract: Path | None,
    overwrite: bool,
    expect: str | None,
    against: str | None,
    tokenizer: str | None,
) -> "Report":
    from gcsl_data.cli import _show
    from gcsl_data.dataset.find import is_dataset, newest_dataset, require_settled
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.errors import UsageError
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.recipe import resolve

    if not paths:
        paths = [str(newest_dataset(Path.cwd()))]
    if is_dataset(paths):
        if schema:
            raise UsageError("GD0297", "--schema is for logs; the rows of a dataset are held to its manifest")
        is_for_other = against is not None and not is_dataset([against])
        has_settings = bool(preset) or any(value is not None for value in flags.values())
        require_settled(paths[0], has_settings=has_settings and not is_for_other)
        from gcsl_data.audit.check_folder import check_folder
        from gcsl_data.audit.check_folder import write_extract as write_rows

        if write_extract and overwrite:
            _require_apart(write_extract, [Path(paths[0])])
        other = resolve(flags=flags, file=recipe, preset=preset)[0] if is_for_other else None
        reference = None if against is None else (against, _subject(against, other))
        report = check_folder(Path(paths[0]), gates, expected=expect, against=reference, tokenizer=tokenizer)
        return write_rows(report, write_extract, LocalEngine(()), overwrite=overwrite) if write_extract else report
    if expect is not None:
        raise UsageError("GD0298", "--expect-manifest-sha256 is for a dataset; logs have no manifest")
    from gcsl_data.audit.check_logs import check_logs
    from gcsl_data.audit.row_schema import read_schema

    wanted = read_schema(schema) if schema else None
    resolved, _ = resolve(flags=flags, file=recipe, preset=preset)
    logs = find_logs(paths, resolved.shape)
    if write_extract and overwrite:
        _require_apart(write_extract, [log.path for log in logs])
    for log in logs:
        _show.say_notes(log.notes)
    reference = None if against is None else (against, _subject(against, resolved))
    return check_logs(
        logs,
        resolved,
        LocalEngine(logs),
        gates,
        schema=wanted,
        extract_to=write_extract,
        overwrite=overwrite,
        against=reference,
        tokenizer=tokenizer,
    )


def _nothing_to_write(report: "Report") -> str:
    """Why there is no extract."""
    if not report.errors:
        return "no row breaks a rule"
    return "what is wrong is not wrong with single rows that could be read"


def _require_place(extract: Path, *, overwrite: bool) -> None:
    """Before an hour of checking, not after it."""
    import os

    from gcsl_data.dataset.files import require_file_or_nothing
    from gcsl_data.errors import OutputError

    if overwrite:
        require_file_or_nothing(extract)
    elif os.path.lexists(extract):
        raise OutputError("GD7321", f"{extract} exists; say --overwrite to replace it, or give another --write-extract")


def _require_apart(extract: Path, looked_at: "Iterable[Path]") -> None:
    """What is checked is not what is replaced."""
    from gcsl_data.errors import UsageError

    for path in looked_at:
        if path.resolve() in (extract.resolve(), *extract.resolve().parents):
            raise UsageError("GD0302", f"--write-extract {extract} would replace what is checked; name another file")


def _subject(path: str, recipe: "Recipe | None") -> "Subject":
    from gcsl_data.audit.describe import describe

    return describe([path], recipe).subject
