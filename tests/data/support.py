"""How the tests of the data half write logs, build datasets and run the program."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pyarrow as pa

from gcsl_data.audit.contract import check_dataset
from gcsl_data.audit.finding import Finding
from gcsl_data.build import build
from gcsl_data.cli import app
from gcsl_data.cli._run import run
from gcsl_data.dataset.decode import canonical, pretty
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.dataset.shards import read_shard
from gcsl_data.engines.local import LocalEngine
from gcsl_data.fit import Comparator, Fit, GoalForm
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.measure import Measured, measure
from gcsl_data.plan import Plan, make_plan
from gcsl_data.recipe import BinsStage, resolve
from gcsl_data.settle import settle
from gcsl_data.stages.fitting import fit_rewards
from gcsl_data.stages.thresholds import thresholds_of

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "gcsl_data")


def make_rows(rewards: Iterable[float | None]) -> list[dict[str, Any]]:
    """One log row per reward, each with a prompt and a response of its own."""
    return [{"prompt": f"Task {i}", "response": f"Answer {i}", "reward": r} for i, r in enumerate(rewards)]


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def counted(rewards: Sequence[float]) -> pl.DataFrame:
    """Distinct rewards, ascending, with how many records hold each: what the census gives a fit."""
    return pl.DataFrame({"reward": list(rewards)}, schema={"reward": pl.Float64}).group_by("reward").agg(
        records=pl.len().cast(pl.Int64)
    ).sort("reward")  # fmt: skip


def fit_of(
    rewards: Sequence[float],
    stage: BinsStage,
    *,
    comparator: Comparator = ">=",
    form: GoalForm | None = "threshold",
    labels: Sequence[str] = (),
) -> Fit:
    """The fit of a train split with these rewards; the comparator tells the direction."""
    direction = "higher" if comparator in (">=", ">") else "lower"
    frame = counted(rewards)
    found = thresholds_of(frame, stage, labels=labels, direction=direction)
    return fit_rewards(frame, found, stage, direction=direction, form=form, comparator=comparator, split="train")


def plan_of(*logs: Path | str, **flags: Any) -> tuple[Plan, LocalEngine]:
    """A plan over logs; a flag is a setting with `__` for its dot: `bins__count=4`."""
    given = {name.replace("__", ".", 1): value for name, value in flags.items()}
    recipe, _ = resolve(flags=given, environment={})
    found = find_logs([str(log) for log in logs], recipe.shape)
    return make_plan(found, recipe), LocalEngine(found)


FIELDS = ("row", "part", "reject", "prompt", "response", "reward")


def records(*logs: Path | str, **flags: Any) -> list[tuple[Any, ...]]:
    """The records of logs in their order, each as a tuple of `FIELDS`."""
    plan, engine = plan_of(*logs, **flags)
    return engine.measure(plan.records.select(FIELDS)).rows()


def measured(*logs: Path | str, **flags: Any) -> Measured:
    plan, engine = plan_of(*logs, **flags)
    return measure(settle(plan, engine), engine)


def expand(out: Path, *logs: Path | str, **flags: Any) -> Manifest:
    build(*plan_of(*logs, **flags), out)
    return load(out)


def expand_rows(folder: Path, rows: Iterable[Mapping[str, Any]], **flags: Any) -> Manifest:
    """A dataset at `folder/out`, made of rows."""
    return expand(folder / "out", write_jsonl(folder / "log.jsonl", rows), **flags)


def examples(dataset: Path, split: str | None = None) -> list[dict[str, Any]]:
    """All rows of a dataset in their order, as Python values."""
    shards = [shard for shard in load(dataset).shards if split in (None, shard.split)]
    return [row for shard in shards for batch in read_shard(dataset / shard.name) for row in batch.to_pylist()]


def rewrite_shard(path: Path, change: Any) -> None:
    """Writes a shard anew with its rows changed by `change(list of rows)`, in the shard's own schema."""
    with pa.ipc.open_file(path) as reader:
        schema, rows = reader.schema, reader.read_all().to_pylist()
    with pa.ipc.new_file(path, schema) as writer:
        writer.write_table(pa.Table.from_pylist(change(rows), schema=schema))


def errors(dataset: Path) -> list[Finding]:
    """What `check` finds that is an error; a split that chance left empty is none."""
    return [finding for finding in check_dataset(dataset) if finding.level == "error"]


def document(dataset: Path) -> dict[str, Any]:
    """The manifest as parsed JSON."""
    return json.loads((dataset / "manifest.json").read_text())


def write_document(dataset: Path, content: dict[str, Any], *, identify: bool = True) -> None:
    """Writes a manifest, by default as a careful forger would: with hashes that fit."""
    if identify:
        hashed = {key: value for key, value in content.items() if key not in ("dataset_id", "tools")}
        content["dataset_id"] = hashlib.sha256(canonical(hashed)).hexdigest()
    (dataset / "manifest.json").write_bytes(pretty(content))


def forge(dataset: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Changes the rows of the first shard and makes sizes, hashes, and the id of the manifest fit again."""
    content = document(dataset)
    shard = content["shards"][0]
    path = dataset / shard["name"]
    rewrite_shard(path, change)
    shard |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_document(dataset, content)


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left: exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output (anything beside it fails the test)."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """The lines on standard error that are errors, not talk."""
        return [line for line in self.err.splitlines() if line.startswith("error[")]


def gcsl_data(*arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> Outcome:
    """Runs gcsl-data in this process, with real streams' encoding and its own argv, environment and folder."""
    argv = ["gcsl-data", *map(str, arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GCSL_")}
    handler = signal.getsignal(signal.SIGTERM)
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", argv),
        mock.patch.dict(os.environ, {**kept, "COLUMNS": "80", **(environment or {})}, clear=True),
    ):
        try:
            status = run(app, "gcsl-data")
        finally:
            signal.signal(signal.SIGTERM, handler)
    return Outcome(status, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())


def gcsl_data_process(
    *arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Runs gcsl-data in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        check=False,
        timeout=120,
        **options,
    )


def tree(folder: Path) -> list[str]:
    """Everything below a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


SETTLED = ("formulation", "accounting", "hygiene", "bins", "aspects", "ranges", "inference_text", "inference_reward")


def settled(stats: dict[str, Any]) -> dict[str, Any]:
    """What `expand --json` and `stats --json` both say, of a log and of its dataset."""
    return {name: stats[name] for name in SETTLED}
