"""Writes the golden datasets anew: `python -m tests.golden.refresh`, then review the difference like code."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from gcsl_data.build import build
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve

HERE = Path(__file__).parent
CASES: dict[str, dict[str, Any]] = {
    "tasks": {
        "record.map": {"reward": "score"},
        "splits.shares": (0.6, 0.4),
        "bins.count": 4,
        "checks.on_error": "quarantine",
        "checks.max_reject_rate": 0.2,
    },
    "chats": {
        "record.map": {"messages": "messages", "reward": "seconds"},
        "record.direction": "lower",
        "bins.count": 3,
        "goals.template": str(HERE / "faster.j2"),
        "goals.placement": "system",
        "goals.filter": "none",
    },
}


def expand(case: str, folder: Path) -> None:
    """The dataset of one case, at `folder`."""
    logs = find_logs([str(HERE / f"{case}.jsonl")])
    recipe, _ = resolve(flags=CASES[case], environment={})
    build(make_plan(logs, recipe), LocalEngine(logs), folder)


def readable(dataset: Path) -> dict[str, str]:
    """File name to text: what a dataset says, without the versions of the tools that made it."""
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    del manifest["tools"]
    rows = []
    for shard in load(dataset).shards:
        with pa.ipc.open_file(dataset / shard.name) as reader:
            rows += [{"split": shard.split, **row} for row in reader.read_all().to_pylist()]
    files = {
        "manifest.json": _json(manifest),
        "rows.json": _json(rows),
        "README.md": (dataset / "README.md").read_text(),
    }
    for path in sorted((dataset / "_gcsl").iterdir()):
        if path.name != "run.json":
            files[path.name] = path.read_text(encoding="utf-8")
    return files


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            expand(case, Path(folder) / "dataset")
            files = readable(Path(folder) / "dataset")
        expected = HERE / case
        expected.mkdir(exist_ok=True)
        for path in expected.iterdir():
            path.unlink()
        for name, text in files.items():
            (expected / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
