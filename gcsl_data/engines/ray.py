"""The engine for a cluster: Ray Core tasks over fragments, each of which runs the same plan on Polars in its own process.

A task gives back facts, or writes the shards of its fragment; nothing else moves between machines. Whatever is fitted is
fitted here, exactly, on the facts of all fragments. A task whose machine dies is run again, and gives the same bytes.
"""

import contextlib
import functools
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from gcsl_data.dataset import files
from gcsl_data.dataset.shards import DATA_FOLDER, FragmentShards
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import GcslError, InputError, ResourceError, UsageError
from gcsl_data.fit import Fit
from gcsl_data.fragments import Fragment, Pieces
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.plain import copying, make_plain, temporary_folder
from gcsl_data.ingest.recognise import recognise
from gcsl_data.plan import Plan, Step, taken
from gcsl_data.reading import read_logs
from gcsl_data.recipe import Recipe
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.templates import GoalTemplate
from gcsl_data.writing import Writing, write_fragments

RETRIES = 8  # of a task whose worker or machine dies
_ATTEMPTS = "_attempts"
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


class RayEngine(LocalEngine):
    """Runs plans over these logs on a Ray cluster: that of RAY_ADDRESS, one that runs here, or a new one on this machine.

    Every node needs the logs and the output folder at the same paths, and the same versions of gcsl and Polars.
    Raises UsageError (2) without the extra `ray`, ResourceError (71) when no cluster answers.
    """

    def __init__(self, logs: Sequence[Log], *, address: str | None = None) -> None:
        super().__init__(logs)
        self._ray = _connected(address)

    def put_down(self, plan: Plan) -> pl.LazyFrame:
        """Raises DataError (65) when a log cannot be decoded, WriteError (74) when there is no room for the facts."""
        folder = temporary_folder()
        paths = [folder / f"facts-{fragment.index:06d}.parquet" for fragment in plan.fragments]
        for fragment, content in self._run(_facts, plan, plan.fragments):
            with copying("the facts of the logs"):
                paths[fragment.index].write_bytes(content)
        return pl.scan_parquet(paths, glob=False)

    def write(self, writing: Writing, fragments: Sequence[Fragment]) -> None:
        """Raises DataError (65) when a log cannot be decoded, OSError when the disk refuses."""
        place = writing.folder.resolve()
        (place / _ATTEMPTS).mkdir()
        for _, written in self._run(_shards, writing.plan, fragments, writing.fit, writing.texts, place):
            writing.on_rows(sum(shard.rows for shard in written.shards))
            writing.on_done(written)
        shutil.rmtree(place / _ATTEMPTS)

    def _run(
        self, work: Callable[..., Any], plan: Plan, fragments: Sequence[Fragment], *given: Any
    ) -> Iterator[tuple[Fragment, Any]]:
        """What `work` gives for each fragment, as it comes; no more tasks wait than keep the cluster busy."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_caught)
        shipped = ray.put(_shipped(plan))
        running: dict[Any, Fragment] = {}
        rest = list(reversed(fragments))
        try:
            while rest or running:
                while rest and len(running) < 2 * max(1, int(ray.cluster_resources().get("CPU", 1))):
                    fragment = rest.pop()
                    running[task.remote(work, shipped, fragment, *given)] = fragment
                (done,), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(done), _given_back(ray.get(done))
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise ResourceError(
                "GD7110", f"the Ray cluster gave up on a fragment ({reason}); look at its logs"
            ) from None
        finally:
            for unfinished in running:
                with contextlib.suppress(Exception):  # a task that cannot be taken back ends by itself
                    ray.cancel(unfinished, force=True)


def _connected(address: str | None) -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("GD0305", "--engine ray needs Ray; run: pip install 'gcsl[ray]'") from None
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS")
    _require_answer(address)
    # A worker has one thread for each CPU that its task asks for.
    environment = {"env_vars": {"POLARS_MAX_THREADS": "1"}}
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": environment}
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _silence(error) from None
    return ray


def _require_answer(address: str | None) -> None:
    """Raises ResourceError (71) when nobody listens at host:port: Ray would ask again for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise _silence(error) from None


def _silence(error: Exception) -> ResourceError:
    reason = str(error).strip().splitlines()[0]
    return ResourceError("GD7111", f"no Ray cluster answers ({reason}); check RAY_ADDRESS, or unset it")


def _shipped(plan: Plan) -> Shipped:
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


# What follows runs on the workers.


def _caught(work: Callable[..., Any], shipped: Shipped, fragment: Fragment, *given: Any) -> Any:
    """What `work` gives, or the error that is the user's to see: Ray would wrap it into one of its own."""
    try:
        return work(_plan(shipped), fragment, *given)
    except (GcslError, OSError) as error:
        return error


def _given_back(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result


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


def _facts(plan: Plan, fragment: Fragment) -> bytes:
    """The facts of a fragment, as a Parquet file."""
    path = temporary_folder() / "facts.parquet"
    LocalEngine(plan.logs).spill(plan.of(fragment).facts_to_put_down(), path)
    content = path.read_bytes()
    path.unlink()
    return content


def _shards(plan: Plan, fragment: Fragment, fit: Fit, texts: dict[int, str], folder: Path) -> FragmentShards:
    """Writes the shards of a fragment into a folder of this attempt, then where they belong: another may do the same."""
    attempt = folder / _ATTEMPTS / f"{fragment.index:06d}-{secrets.token_hex(4)}"
    attempt.mkdir()
    done: list[FragmentShards] = []
    writing = Writing(plan, fit, texts, attempt, on_rows=lambda _: None, on_done=done.append)
    write_fragments(writing, [fragment], LocalEngine(plan.logs).sink)
    (folder / DATA_FOLDER).mkdir(exist_ok=True)
    for shard in done[0].shards:
        files.rename(attempt / shard.name, folder / shard.name)
    shutil.rmtree(attempt)
    return done[0]
