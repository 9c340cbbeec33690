"""Logs to one file of canonical records (Parquet), with the rejected rows beside it.

The file carries what `expand` needs to take it for what it is: in its key-value metadata, `gcsl.records` and the direction of
the rewards.
"""

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import polars as pl

from gcsl_data.census import take_census
from gcsl_data.columns import ASPECT_PREFIX, RECORD, TIME
from gcsl_data.dataset import files
from gcsl_data.dataset.manifest import Accounting, Hygiene
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import OutputError, UsageError
from gcsl_data.extremes import Extremes, extremes
from gcsl_data.fit import Direction
from gcsl_data.fragments import undivided
from gcsl_data.ingest.inputs import ASPECTS_KEY, DIRECTION_KEY, RECORDS_KEY, RECORDS_VERSION, Log
from gcsl_data.ingest.plain import temporary_folder
from gcsl_data.ingest.recognise import SUFFIXES
from gcsl_data.ingest.rejects import reject_lines
from gcsl_data.plan import taken
from gcsl_data.reading import read_logs
from gcsl_data.recipe import Recipe
from gcsl_data.settle import hygiene_of, verdicts_of
from gcsl_data.stages.facts import facts_of, rejected_rows, with_left_out
from gcsl_data.stages.hygiene import has_verdicts
from gcsl_data.stages.leaks import leak_patterns
from gcsl_data.stages.splits import assign_splits


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the rows, what is suspicious, the best and worst records, and notes on how the logs were read."""

    accounting: Accounting
    hygiene: Hygiene
    extremes: Extremes
    notes: tuple[str, ...]


def write_records(
    logs: tuple[Log, ...], recipe: Recipe, engine: LocalEngine, out: Path, *, overwrite: bool
) -> Ingested:
    """Writes the usable records of all logs to `out`, and rejects to `<out without suffix>.rejects.jsonl` if there are any.

    One pass writes and counts; the file takes its place only when the counts are as they must be.

    Raises OutputError (73) when `out` exists and is not to be overwritten, DataError (65) for rows that cannot be used.
    """
    rejects_path = _rejects_path(out)
    targets = {path.resolve() for path in (out, rejects_path)}
    if inside := [log.uri for log in logs if log.path.resolve() in targets]:
        raise UsageError("GD0219", f"{inside[0]} is read, so it cannot be written as well; choose another --out")
    for path in (out, rejects_path):
        files.require_file_or_nothing(path) if overwrite else files.require_absent(path)
    reading = read_logs(logs, undivided(logs), recipe.record, recipe.shape)
    aspects = reading.aspects
    direction: Direction = next(iter(aspects.values())) if aspects else recipe.record.direction
    graded = [ASPECT_PREFIX + name for name in aspects]
    flagged = with_left_out(reading.records(), recipe.checks)
    schema = flagged.collect_schema()
    timed = [TIME] if TIME in schema else []
    names = [*(column.name for column in RECORD), *timed, *graded, *recipe.record.keep]
    rewards = ["reward", *graded]
    to_put_down = facts_of(flagged, rewards, leak_patterns())
    facts = engine.spill(to_put_down, temporary_folder() / "facts.parquet") if has_verdicts(recipe.checks) else None
    steps = verdicts_of(facts, rewards, recipe.checks, engine)
    records = reduce(taken, steps, flagged).filter(pl.col("reject").is_null()).select(names)
    with files.staged_file(out, overwrite=overwrite) as target:
        metadata = {RECORDS_KEY: RECORDS_VERSION, DIRECTION_KEY: direction, ASPECTS_KEY: json.dumps(aspects)}
        if facts is None:
            facts = engine.sink_records(records, target, metadata=metadata, facts=to_put_down)
        else:
            engine.sink_parquet(records, target, metadata=metadata)
        counted = assign_splits(reduce(taken, steps, facts), ())
        census = take_census(counted, engine)
        census.require_usable(recipe.checks, logs)
        for log in logs:
            log.require_unchanged()
        if census.rejected():
            rejected = engine.measure(rejected_rows(facts))
            with files.staged_file(rejects_path, overwrite=overwrite) as aside:
                aside.write_bytes(reject_lines(logs, rejected))
        elif overwrite:
            rejects_path.unlink(missing_ok=True)
    hygiene, _ = hygiene_of(facts, rewards, engine)
    found = extremes(pl.scan_parquet(out, glob=False), counted, census, engine, direction=direction)
    return Ingested(census.accounting(filtered={}), hygiene, found, reading.notes)


def _rejects_path(out: Path) -> Path:
    """Where the rejects of a file of records stand. Raises OutputError (73) for a path that names no file."""
    if not out.name or out.name == "..":
        raise OutputError("GD7303", f"{out} is a folder; give --out the name of a file")
    others = [s for name, suffixes in SUFFIXES.items() if name != "parquet" for s in suffixes]
    if out.name.endswith((*others, ".gz", ".zst", ".bz2")):
        raise UsageError(
            "GD0265", f"{out}: records are written as Parquet; give --out a name such as {out.stem}.parquet"
        )
    return out.with_suffix(".rejects.jsonl")
