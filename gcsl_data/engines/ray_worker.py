"""What runs on the workers of a Ray cluster: a plan made again from what was shipped, and the work of one fragment."""

import functools
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from gcsl_data.dataset import files
from gcsl_data.dataset.shards import DATA_FOLDER, FragmentShards
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import GcslError, InputError
from gcsl_data.fit import Fit
from gcsl_data.fragments import Fragment, Pieces
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.plain import make_plain, temporary_folder
from gcsl_data.ingest.recognise import recognise
from gcsl_data.plan import Plan, Step, taken
from gcsl_data.reading import read_logs
from gcsl_data.recipe import Recipe
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.templates import GoalTemplate
from gcsl_data.writing import Writing, write_fragments

ATTEMPTS = "_attempts"  # the folder in which fragments stand until they are whole
_PLANS = 2  # that a worker keeps: the facts and the rows of one dataset are two


@dataclass(frozen=True, slots=True)
class Shipped:
    """A plan as it travels: what a worker makes it of again. `key` tells plans apart; logs come without their scans."""

    key: str
    recipe: Recipe
    logs: tuple[Log, ...]
    pieces: tuple[Pieces, ...]
    templates: dict[str, GoalTemplate]
    steps: tuple[Step, ...]
    frozen: Fit | None


def shipped(plan: Plan) -> Shipped:
    """A plan, ready to travel."""
    return Shipped(
        key=secrets.token_hex(8),
        recipe=plan.recipe,
        logs=tuple(_without_scan(log) for log in plan.logs),
        pieces=plan.reading.pieces,
        templates=plan.templates,
        steps=plan.steps,
        frozen=plan.frozen,
    )


def _without_scan(log: Log) -> Log:
    items = _without_scan(log.items) if log.items else None
    return replace(log, scanned=pl.LazyFrame(), items=items)


def caught(work: Callable[..., Any], shipped: Shipped, fragment: Fragment, *given: Any) -> Any:
    """What `work` gives, or the error that is the user's to see: Ray would wrap it into one of its own."""
    try:
        return work(_plan(shipped), fragment, *given)
    except (GcslError, OSError) as error:
        return error


_plans: dict[str, Plan] = {}


def _plan(shipped: Shipped) -> Plan:
    """The plan that was shipped; made once by each worker, because the types of some logs are found by reading them."""
    if shipped.key not in _plans:
        while len(_plans) >= _PLANS:
            del _plans[next(iter(_plans))]
        recipe = shipped.recipe
        logs = tuple(_scanned(log, recipe) for log in shipped.logs)
        by_time = recipe.splits.by == "time"
        reading = read_logs(logs, shipped.pieces, recipe.record, recipe.shape, needs_time=by_time)
        _plans[shipped.key] = Plan(
            recipe=recipe,
            reading=reading,
            formulation=FORMULATIONS[recipe.goals.formulation],
            templates=shipped.templates,
            records=reduce(taken, shipped.steps, reading.records()),
            steps=shipped.steps,
            frozen=shipped.frozen,
        )
    return _plans[shipped.key]


def _scanned(log: Log, recipe: Recipe) -> Log:
    """The log with its scan, from the same file, or from a copy of this machine where it is read from one."""
    items = _scanned(log.items, recipe) if log.items else None
    if log.plain.exists():
        return replace(log, scanned=log.format.scan(log.plain), items=items)
    if not log.path.exists():
        raise InputError(
            "GD6613", f"{log.path}: no such log on the machine {os.uname().nodename}; every node needs it at this path"
        )
    plain = _copied(log.path, log.uri, log.sha256, recipe.shape.records)
    return replace(log, plain=plain.path, scanned=plain.scanned, items=items)


@functools.lru_cache
def _copied(path: Path, uri: str, _sha256: str, records: str | None) -> Any:
    return make_plain(path, recognise(path, name=uri), name=uri, records=records)


def facts(plan: Plan, fragment: Fragment) -> bytes:
    """The facts of a fragment, as a Parquet file."""
    path = temporary_folder() / "facts.parquet"
    LocalEngine(plan.logs).spill(plan.of([fragment]).facts_to_put_down(), path)
    content = path.read_bytes()
    path.unlink()
    return content


def shards(plan: Plan, fragment: Fragment, fit: Fit, texts: dict[int, str], folder: Path) -> FragmentShards:
    """Writes the shards of a fragment into a folder of this attempt, then where they belong: another may do the same."""
    attempt = folder / ATTEMPTS / f"{fragment.index:06d}-{secrets.token_hex(4)}"
    attempt.mkdir()
    done: list[FragmentShards] = []
    writing = Writing(plan, fit, texts, attempt, on_rows=lambda _: None, on_done=done.append)
    write_fragments(writing, [fragment], LocalEngine(plan.logs).sink)
    (folder / DATA_FOLDER).mkdir(exist_ok=True)
    for shard in done[0].shards:
        files.rename(attempt / shard.name, folder / shard.name)
    shutil.rmtree(attempt)
    return done[0]
