"""One dataset, four readers, the same rows, no converter."""

from pathlib import Path
from typing import Any

import pytest

from gcsl_data.build import build
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve
from gcsl_data.stages.formulations import FORMULATIONS as REGISTRY

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["messages", "text"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import polars as pl

    folder = tmp_path_factory.mktemp("readers")
    rows = [{"prompt": f"Task {i} é", "response": f"Answer\n{i}", "reward": (i * 37 % 101) / 100} for i in range(3000)]
    pl.DataFrame(rows).write_parquet(folder / "log.parquet")
    flags = {"output.format": request.param, "splits.shares": (0.8, 0.2), "output.shard_bytes": 200_000}
    logs = find_logs([str(folder / "log.parquet")])
    build(make_plan(logs, resolve(flags=flags, environment={})[0]), LocalEngine(logs), folder / "out")
    assert len(load(folder / "out").split_shards("train")) > 1
    return folder / "out"


@pytest.fixture(scope="module")
def expected(dataset: Path) -> Rows:
    """The rows as the Arrow library reads them, shard by shard in the manifest's order."""
    import pyarrow as pa

    found: Rows = {"train": [], "validation": []}
    for shard in load(dataset).shards:
        with pa.ipc.open_file(dataset / shard.name) as reader:
            found[shard.split] += reader.read_all().to_pylist()
    return found


def test_there_is_something_to_read(expected: Rows) -> None:
    assert all(len(rows) > 100 for rows in expected.values())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_hugging_face_datasets_finds_splits_and_rows(
    dataset: Path, expected: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    found = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path))

    assert {name: split.to_list() for name, split in found.items()} == expected


def test_pyarrow_datasets_read_it(dataset: Path, expected: Rows) -> None:
    import pyarrow.dataset

    for split, rows in expected.items():
        names = [str(dataset / shard.name) for shard in load(dataset).split_shards(split)]
        assert pyarrow.dataset.dataset(names, format="ipc").to_table().to_pylist() == rows


def test_pyarrow_reads_the_whole_folder(dataset: Path, expected: Rows) -> None:
    import pyarrow.dataset

    found = pyarrow.dataset.dataset(str(dataset / "data"), format="ipc").to_table()

    assert sorted(found["id"].to_pylist()) == sorted(row["id"] for rows in expected.values() for row in rows)


def test_polars_scans_it(dataset: Path, expected: Rows) -> None:
    import polars as pl

    for split, rows in expected.items():
        assert pl.scan_ipc(dataset / "data" / f"{split}-*.arrow").collect().to_dicts() == rows


def test_duckdb_queries_it(dataset: Path, expected: Rows) -> None:
    import duckdb
    import pyarrow.dataset

    train = pyarrow.dataset.dataset(
        [str(dataset / shard.name) for shard in load(dataset).split_shards("train")], format="ipc"
    )
    with duckdb.connect() as connection:
        connection.register("train", train)
        rows = connection.sql("select * from train").to_arrow_table().to_pylist()
        best = connection.sql("select max(goal_index), count(*) from train where reward >= threshold").fetchall()

    assert rows == expected["train"]
    assert best == [(load(dataset).inference_goal, len(expected["train"]))]


FORMULATIONS = tuple(name for name, one in REGISTRY.items() if one.builder is None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("formulation", [*FORMULATIONS, "joint"])
def test_every_formulation_is_read_in_trls_form(
    tmp_path: Path, formulation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import polars as pl
    from trl import is_conversational

    rows = [{"prompt": f"Task {i}", "response": f"Answer {i}", "reward": i / 100, "b": i % 5} for i in range(100)]
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    joint = {"record.rewards": {"a": "reward", "b": "b"}}
    flags = joint if formulation == "joint" else {"goals.formulation": formulation}
    logs = find_logs([str(tmp_path / "log.parquet")])
    build(make_plan(logs, resolve(flags=flags, environment={})[0]), LocalEngine(logs), tmp_path / "out")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]

    assert found.num_rows == load(tmp_path / "out").splits[0].examples
    for row in found:
        assert is_conversational({"prompt": row["prompt"], "completion": row["completion"]})
        goal = f"{row['goal']}\n\n" if row["goal"] else ""
        assert row["prompt"] == [{"role": "user", "content": f"{goal}Task {row['row'] - 1}"}]
        assert row["completion"] == [{"role": "assistant", "content": f"Answer {row['row'] - 1}"}]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_empty_split_does_not_keep_readers_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import polars as pl

    pl.DataFrame({"prompt": ["a"] * 9, "response": ["r"] * 9, "reward": [float(i) for i in range(9)]}).write_csv(
        tmp_path / "log.csv"
    )
    logs = find_logs([str(tmp_path / "log.csv")])
    recipe, _ = resolve(flags={"splits.shares": (0.9, 0.1)}, environment={})
    build(make_plan(logs, recipe), LocalEngine(logs), tmp_path / "out")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    assert found["train"].num_rows == load(tmp_path / "out").splits[0].examples
    assert pl.scan_ipc(tmp_path / "out" / "data" / "validation-*.arrow").collect().height == 0
