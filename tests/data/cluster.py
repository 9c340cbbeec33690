"""A Ray cluster of three nodes on this machine, one of which is killed in each pass: `python -m tests.data.cluster`.

Arguments: the log, where datasets go, and recipes (flags as a JSON object, by name). The first is built while nodes are
killed, the others after that. Prints what happened, a line each.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from gcsl_data.build import build
from gcsl_data.engines.ray import RayEngine
from gcsl_data.fragments import Fragment
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import Plan, make_plan
from gcsl_data.recipe import resolve

NODES = 3


class Struck(RayEngine):
    """Kills a node when the first fragments of a pass have come and others are being worked at."""

    def __init__(self, logs: Sequence[Any], cluster: Cluster, nodes: list[Any]) -> None:
        super().__init__(logs, address=cluster.address)
        self._cluster, self._nodes = cluster, nodes

    def _run(
        self, work: Callable[..., Any], plan: Plan, fragments: Sequence[Fragment], *given: Any
    ) -> Iterator[tuple[Fragment, Any]]:
        done = 0
        for result in super()._run(work, plan, fragments, *given):
            done += 1
            if done == len(self._nodes):  # each node has had a task, and most of them work at the next
                self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)
                name = work.__name__
                print(f"{name}: a node killed after {done} of {len(fragments)} fragments", flush=True)
            yield result
        print(f"{work.__name__}: all {done} fragments came from {len(self._nodes)} nodes", flush=True)


def main(log: str, folder: str, recipes: str) -> None:
    memory = 80 * 1024 * 1024
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False}
    )
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=memory) for _ in range(NODES)]
    cluster.wait_for_nodes()
    logs = find_logs([log])
    for struck, (name, flags) in enumerate(json.loads(recipes).items()):
        recipe, _ = resolve(flags=flags, environment={})
        engine = RayEngine(logs, address=cluster.address) if struck else Struck(logs, cluster, nodes)
        manifest, _ = build(make_plan(logs, recipe), engine, Path(folder) / name)
        print(f"{name}: dataset {manifest.dataset_id}", flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
