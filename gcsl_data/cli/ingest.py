"""gcsl-data ingest: logs in, one file of canonical records out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gcsl_data.cli._options import Json, Preset, RecipeFile, recipe_options


@recipe_options(stages=("shape", "record", "checks"))
def ingest(
    logs: Annotated[
        list[str], typer.Argument(metavar="LOG...", help="Logs; paths, quoted patterns, URIs, or - for stdin.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file of records to write.")] = Path(
        "records.parquet"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file, and its rejects.")] = False,
    preset: Preset = None,
    recipe: RecipeFile = None,
    json: Json = False,
    *,
    flags: dict[str, Any],
) -> None:
    """Turn logs into canonical records: prompt, response, reward, group, source, row, part.

    `expand` and `stats` take the file as they take any log. Shows the best and the worst records, so that a wrong direction
    is seen at once.
    """
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.ingest.inputs import find_logs
    from gcsl_data.recipe import resolve
    from gcsl_data.records import write_records

    resolved, _ = resolve(flags=flags, file=recipe, preset=preset)
    found = find_logs(logs, resolved.shape)
    done = write_records(found, resolved, LocalEngine(found), out, overwrite=overwrite)
    _show.say_notes(done.notes)
    if json:
        counts = {"accounting": encode(done.accounting), "hygiene": encode(done.hygiene)}
        _show.print_json({"output": str(out), "notes": list(done.notes), **counts})
        return
    _show.say_accounting(done.accounting)
    for line in _show.hygiene_lines(done.hygiene, done.accounting):
        _show.say_indented(line)
    _show.say_extremes(done.extremes)
    print(out)
