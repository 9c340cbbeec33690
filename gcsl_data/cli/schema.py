"""gcsl-data schema: JSON Schemas of what gcsl writes, of a log, what changed between two; presets of well-known logs."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json

_SCHEMA = "A log, a .schema.json file, or the name of a schema of ours (`schema export`)."
schema_app = typer.Typer(help="JSON Schemas of what gcsl writes and of logs; presets.", no_args_is_help=True)


@schema_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="record, example, manifest or recipe.")],
    json: Json = False,
) -> None:
    """Print a schema of ours."""
    from gcsl_data.cli import _show
    from gcsl_data.errors import UsageError, nearest
    from gcsl_data.schemas import generate

    known = {file.removesuffix(".schema.json"): schema for file, schema in generate().items()}
    if name not in known:
        raise UsageError("GD0217", f"no schema {name!r}; {nearest(name, list(known))}")
    _show.show_schema(known[name], as_json=json)


@schema_app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Where the files go. (schemas)", show_default=False)
    ] = Path("schemas"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of other files there.")] = False,
    json: Json = False,
) -> None:
    """Write all schemas of ours as files, to keep with what reads our datasets. Prints the files that were written."""
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.schemas import export as export_schemas

    exported = export_schemas(folder, overwrite=overwrite)
    if json:
        _show.print_json({"folder": str(folder), **encode(exported)})
        return
    for name in exported.written:
        print(_show.printable(str(folder / name)))
    if exported.unchanged:
        _show.say(f"{len(exported.unchanged)} files there are the same already")


@schema_app.command()
def logs(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A preset, to be shown whole.")] = None,
    json: Json = False,
) -> None:
    """List the presets for well-known logs, or print one: a recipe to copy and change."""
    from gcsl_data.cli import _show
    from gcsl_data.errors import UsageError, nearest
    from gcsl_data.presets import presets

    found = {preset.name: preset for preset in presets()}
    if name is None:
        _show.show_presets([*found.values()], as_json=json)
    elif name not in found:
        raise UsageError("GD0217", f"no preset {name!r}; {nearest(name, found)}")
    elif json:
        _show.print_json({"name": name, "preset": found[name].text})
    else:
        print(found[name].text, end="")


@schema_app.command()
def infer(
    log: Annotated[str, typer.Argument(metavar="LOG", help="A log in any format.")],
    json: Json = False,
) -> None:
    """Print the JSON Schema of a log's rows, from all of them."""
    from gcsl_data.cli import _show
    from gcsl_data.log_schema import infer as infer_schema

    _show.show_schema(infer_schema(log), as_json=json)


@schema_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_SCHEMA)],
    after: Annotated[str, typer.Argument(metavar="AFTER", help=_SCHEMA)],
    breaking_only: Annotated[
        bool, typer.Option("--breaking-only", help="Only what a reader of the old one would miss.")
    ] = False,
    json: Json = False,
) -> None:
    """Say which fields came, went or changed, and which of that breaks a reader of BEFORE. Exit 1 when any did."""
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.log_schema import schema_of
    from gcsl_data.schema_diff import diff as changes_between

    found = changes_between(schema_of(before), schema_of(after), names=(before, after))
    changes = [change for change in found if change.breaking or not breaking_only]
    if json:
        _show.print_json({"ok": not changes, "exit_code": int(bool(changes)), "changes": encode(changes)})
    else:
        _show.show_changes(changes)
    if changes:
        raise typer.Exit(1)
