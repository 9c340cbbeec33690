"""The engine for a cluster: Ray Core tasks over fragments, each of which runs the same plan on Polars in its own process.

A task gives back facts, or writes the shards of its fragment; nothing else moves between machines. Whatever is fitted is
fitted here, exactly, on the facts of all fragments. A task whose machine dies is run again, and gives the same bytes.
"""

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from gcsl_data.engines.local import LocalEngine
from gcsl_data.engines.ray_worker import ATTEMPTS, caught, facts, shards, shipped
from gcsl_data.errors import ResourceError, UsageError
from gcsl_data.fragments import Fragment
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.plain import copying, temporary_folder
from gcsl_data.plan import Plan
from gcsl_data.writing import Writing

RETRIES = 8  # of a task whose worker or machine dies


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
        for fragment, content in self._run(facts, plan, plan.fragments):
            with copying("the facts of the logs"):
                paths[fragment.index].write_bytes(content)
        return pl.scan_parquet(paths, glob=False)

    def write(self, writing: Writing, fragments: Sequence[Fragment]) -> None:
        """Raises DataError (65) when a log cannot be decoded, OSError when the disk refuses."""
        place = writing.folder.resolve()
        (place / ATTEMPTS).mkdir()
        for _, written in self._run(shards, writing.plan, fragments, writing.fit, writing.texts, place):
            writing.on_rows(sum(shard.rows for shard in written.shards))
            writing.on_done(written)
        shutil.rmtree(place / ATTEMPTS)

    def _run(
        self, work: Callable[..., Any], plan: Plan, fragments: Sequence[Fragment], *given: Any
    ) -> Iterator[tuple[Fragment, Any]]:
        """What `work` gives for each fragment, as it comes; no more tasks wait than keep the cluster busy."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(caught)
        sent = ray.put(shipped(plan))
        running: dict[Any, Fragment] = {}
        rest = list(reversed(fragments))
        try:
            while rest or running:
                while rest and len(running) < 2 * max(1, int(ray.cluster_resources().get("CPU", 1))):
                    fragment = rest.pop()
                    running[task.remote(work, sent, fragment, *given)] = fragment
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


def _given_back(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result
