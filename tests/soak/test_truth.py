"""Long campaigns over random logs: no false sentence in millions of rows, one hash."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data.build import build
from gcsl_data.dataset.manifest import Manifest, load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import GcslError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve
from tests.data.support import errors
from tests.data.truth import is_true

pytestmark = pytest.mark.soak
WORDS = {">=": "at least", ">": "greater than", "<=": "at most", "<": "less than"}
TOO_TIED = ("GD1302", "GD1303", "GD1304", "GD7812")  # rewards that give no two goals, or none that can be told apart
ROWS = 10_000
Values = Callable[[dict[str, Any]], Decimal | dict[str, Decimal]]


def _rewards(rng: random.Random) -> list[float]:
    """Heavy zeros, then whatever: few digits or many, small or large."""
    digits = rng.randint(0, 9)
    spread = rng.choice([1.0, 5.0, 1000.0])
    heavy = rng.random() * 0.5
    shape = rng.choice([0.3, 1, 4])
    drawn = [round(rng.betavariate(shape, 1.3) * spread, digits) for _ in range(ROWS)]
    return [0.0 if rng.random() < heavy else reward for reward in drawn]


def _log(**rewards: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"prompt": [f"p{i % 997}" for i in range(ROWS)], "response": ["r"] * ROWS, **rewards})


def _expand(log: Path, out: Path, flags: dict[str, object]) -> Manifest:
    logs = find_logs([str(log)])
    plan = make_plan(logs, resolve(flags=flags, environment={})[0])
    return build(plan, LocalEngine(logs), out)[0]


def _true_rows(folder: Path, log: pl.DataFrame, flags: dict[str, object], values: Values) -> int:
    """Builds a dataset, reads every goal back from its text, and says how many rows it has that are all true."""
    log.write_parquet(folder / "log.parquet")
    out = folder / f"out-{len(list(folder.iterdir()))}"
    try:
        manifest = _expand(folder / "log.parquet", out, flags)
    except GcslError as error:
        if error.code not in TOO_TIED:
            raise
        return 0
    logged = log.to_dicts()
    rows = 0
    for shard in manifest.shards:
        frame = pl.read_ipc(out / shard.name)
        for row, goal in frame.select("row", "goal").iter_rows():
            assert is_true(goal, values(logged[row - 1])), (goal, logged[row - 1])
        rows += frame.height
    assert errors(out) == []
    return rows


def _enough(rows_of: Callable[[int], int], least: int) -> int:
    rows = case = 0
    while rows < least:
        rows += rows_of(case)
        case += 1
    return rows


@pytest.mark.parametrize("comparator", WORDS)
def test_no_threshold_is_false_in_a_million_rows_of_four_comparators(tmp_path: Path, comparator: str) -> None:
    rng = random.Random(comparator)
    template = tmp_path / "goal.j2"
    template.write_text(f'{{#\ncomparator = "{comparator}"\n#}}\nA score {WORDS[comparator]} {{{{ threshold }}}}.')
    direction = "higher" if comparator in (">=", ">") else "lower"

    def one(_: int) -> int:
        flags = {
            "bins.count": rng.randint(2, 12),
            "bins.ties": rng.choice(["merge", "spread"]),
            "goals.template": str(template),
            "goals.filter": rng.choice(["mean", "median", "none"]),
            "record.direction": direction,
        }
        return _true_rows(tmp_path, _log(reward=_rewards(rng)), flags, lambda row: Decimal(repr(row["reward"])))

    assert _enough(one, 250_000) >= 250_000


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_no_interval_is_false_in_a_quarter_million_rows(tmp_path: Path, direction: str) -> None:
    rng = random.Random(direction)

    def one(case: int) -> int:
        rewards = _rewards(rng)
        flags = {
            "bins.count": rng.randint(2, 12),
            "bins.ties": rng.choice(["merge", "spread"]),
            "goals.formulation": "gcsl-nl",
            "record.direction": direction,
        }
        if case % 2:  # half of the logs leave their scale
            low, high = sorted(rng.choice(rewards) + rng.random() for _ in range(2))
            flags["goals.scale"] = (round(low, 3) - 0.001, round(high, 3) + 0.001)
        return _true_rows(tmp_path, _log(reward=rewards), flags, lambda row: Decimal(repr(row["reward"])))

    assert _enough(one, 125_000) >= 125_000


def test_no_joint_goal_is_false_in_a_quarter_million_rows(tmp_path: Path) -> None:
    rng = random.Random("joint")
    rewards = {"record.rewards": {"gain": "gain", "harm": "harm"}, "record.directions": {"harm": "lower"}}

    def one(_: int) -> int:
        gain, harm = _rewards(rng), _rewards(rng)
        flags = rewards | {"bins.count": rng.randint(2, 8), "goals.filter": rng.choice(["mean", "median", "none"])}
        both = _log(gain=gain, harm=harm)
        return _true_rows(tmp_path, both, flags, lambda row: {k: Decimal(repr(row[k])) for k in ("gain", "harm")})

    assert _enough(one, 250_000) >= 250_000


def test_two_hundred_builds_give_one_hash(tmp_path: Path) -> None:
    _log(reward=_rewards(random.Random(7))).write_ndjson(tmp_path / "log.jsonl")

    ids = {_expand(tmp_path / "log.jsonl", tmp_path / f"out-{i}", {}).dataset_id for i in range(200)}

    assert len(ids) == 1
    manifests = {json.dumps(load(tmp_path / f"out-{i}").recipe) for i in (0, 199)}
    assert len(manifests) == 1
