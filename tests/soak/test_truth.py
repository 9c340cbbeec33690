"""Long campaigns over random logs: no false sentence, no lost row, one hash."""

import json
import random
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.build import build
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import GcslError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve

pytestmark = pytest.mark.soak
HOLDS = {
    ">=": lambda value, number: value >= number,
    ">": lambda value, number: value > number,
    "<=": lambda value, number: value <= number,
    "<": lambda value, number: value < number,
}


def _random_log(rng: random.Random, rows: int) -> pl.DataFrame:
    digits = rng.randint(0, 9)
    spread = rng.choice([1.0, 5.0, 1000.0])
    rewards = [round(rng.betavariate(rng.choice([0.3, 1, 4]), 1.3) * spread, digits) for _ in range(rows)]
    heavy = rng.random() * 0.5
    rewards = [0.0 if rng.random() < heavy else reward for reward in rewards]
    return pl.DataFrame({"prompt": [f"p{i % 997}" for i in range(rows)], "response": "r", "reward": rewards})


def _expand(log: Path, out: Path, flags: dict[str, object]) -> Manifest:
    logs = find_logs([str(log)])
    plan = make_plan(logs, resolve(flags=flags, environment={})[0])
    return build(plan, LocalEngine(logs), out)[0]


@pytest.mark.parametrize("comparator", [">=", ">", "<=", "<"])
def test_no_sentence_is_false_in_a_quarter_million_rows(tmp_path: Path, comparator: str) -> None:
    rng = random.Random(comparator)
    template = tmp_path / "goal.j2"
    template.write_text(f'{{#\ncomparator = "{comparator}"\n#}}\n{{{{ threshold }}}}')
    direction = "higher" if comparator in (">=", ">") else "lower"
    rows = 0
    for case in range(25):
        _random_log(rng, 10_000).write_parquet(tmp_path / "log.parquet")
        out = tmp_path / f"out-{case}"
        flags = {"bins.count": rng.randint(2, 12), "goals.template": str(template), "record.direction": direction}
        try:
            manifest = _expand(tmp_path / "log.parquet", out, flags | {"goals.filter": rng.choice(["mean", "none"])})
        except GcslError as error:  # rewards too tied or too close together to bin
            if error.code not in ("GD1302", "GD1303", "GD7812"):
                raise
            continue
        for shard in manifest.shards:
            frame = pl.read_ipc(out / shard.name)
            sign = 1 if direction == "higher" else -1
            for reward, goal in frame.select("reward", "goal").iter_rows():
                assert HOLDS[comparator](Decimal(repr(reward * sign)), Decimal(goal))
            rows += frame.height
        assert check_dataset(out) == []
    assert rows > 50_000


def test_two_hundred_builds_give_one_hash(tmp_path: Path) -> None:
    _random_log(random.Random(7), 20_000).write_ndjson(tmp_path / "log.jsonl")

    ids = {_expand(tmp_path / "log.jsonl", tmp_path / f"out-{i}", {}).dataset_id for i in range(200)}

    assert len(ids) == 1
    manifests = {json.dumps(load(tmp_path / f"out-{i}").recipe) for i in (0, 199)}
    assert len(manifests) == 1
