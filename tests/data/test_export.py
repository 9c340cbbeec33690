"""An export holds exactly the rows of its dataset, in their order, for the readers that it is made for."""

import datetime
import hashlib
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.cli.export import export as command
from gcsl_data.columns import EXAMPLE
from gcsl_data.dataset.export import DATASET_ID_KEY, TARGETS, TRAINER_COLUMNS, export
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError, UsageError

from .support import document, examples, expand, expand_rows, gcsl_data, make_rows, tree, write_document

Rows = dict[str, list[dict[str, Any]]]
HARD_FLOATS = [0.1 + 0.2, 1e300, 5e-324, -0.0, 1 / 3, 1.7976931348623157e308, 123456789.123456789, 2.0**53 + 2]


@pytest.fixture(scope="module", params=["messages", "text"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several shards, two splits, and kept columns of the kinds that a log may have."""
    folder = tmp_path_factory.mktemp("export")
    rows = [
        {
            "prompt": f'Task {i} é\u2028"\\',
            "response": f"Answer\n{i}\t😀",
            "reward": (i * 37 % 101) / 100,
            "hard": HARD_FLOATS[i % len(HARD_FLOATS)],
            "nested": {"scores": [i / 3, None], "name": None if i % 2 else "x"},
            "big": 2**63 - 1 - i,
        }
        for i in range(3000)
    ]
    pl.DataFrame(rows).write_parquet(folder / "log.parquet")
    flags: dict[str, Any] = {"output__format": request.param, "splits__shares": "0.8,0.2"}
    flags |= {"output__shard_bytes": 200_000, "record__keep": "hard,nested,big"}
    manifest = expand(folder / "out", folder / "log.parquet", **flags)
    assert len(manifest.split_shards("train")) > 1
    return folder / "out"


@pytest.fixture(scope="module")
def expected(dataset: Path) -> Rows:
    found = {name: examples(dataset, name) for name in ("train", "validation")}
    assert all(len(rows) > 100 for rows in found.values())
    return found


@pytest.fixture
def quiet_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def _columns(rows: Rows, names: tuple[str, ...]) -> Rows:
    return {split: [{name: row[name] for name in names} for row in found] for split, found in rows.items()}


# Real readers


def test_parquet_reads_the_same_in_pyarrow_polars_and_duckdb(dataset: Path, expected: Rows, tmp_path: Path) -> None:
    import duckdb

    export(dataset, "parquet", tmp_path / "out")

    assert tree(tmp_path / "out") == ["train.parquet", "validation.parquet"]
    for split, rows in expected.items():
        path = tmp_path / "out" / f"{split}.parquet"
        assert pq.read_table(path).to_pylist() == rows
        assert pl.read_parquet(path).to_dicts() == rows
        with duckdb.connect() as connection:
            assert connection.read_parquet(str(path)).to_arrow_table().to_pylist() == rows


def test_parquet_keeps_the_types_and_names_its_dataset(dataset: Path, tmp_path: Path) -> None:
    export(dataset, "parquet", tmp_path / "out")

    schema = pq.read_schema(tmp_path / "out" / "train.parquet")
    manifest = load(dataset)
    assert [(f.name, str(f.type).replace("element:", "item:"), f.nullable) for f in schema] == [
        (c.name, c.type, c.nullable) for c in manifest.columns
    ]
    assert schema.metadata[DATASET_ID_KEY.encode()].decode() == manifest.dataset_id


def _hex_floats(value: Any) -> Any:
    """Floats by their bits, so that -0.0 is not 0.0."""
    if isinstance(value, dict):
        return {name: _hex_floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hex_floats(inner) for inner in value]
    return value.hex() if isinstance(value, float) else value


def test_json_lines_read_back_every_bit(dataset: Path, expected: Rows, tmp_path: Path) -> None:
    export(dataset, "jsonl", tmp_path / "out")

    for split, rows in expected.items():
        content = (tmp_path / "out" / f"{split}.jsonl").read_text(encoding="utf-8")
        found = [json.loads(line) for line in content.removesuffix("\n").split("\n")]
        assert _hex_floats(found) == _hex_floats(rows)
        assert all(list(line) == list(row) for line, row in zip(found, rows, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("to", ["parquet", "jsonl", "trl"])
def test_load_dataset_finds_splits_and_rows(
    dataset: Path, expected: Rows, tmp_path: Path, to: str, quiet_hub: None
) -> None:
    import datasets

    export(dataset, to, tmp_path / "out")
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    rows = _columns(expected, ("prompt", "completion")) if to == "trl" else expected
    assert {name: split.to_list() for name, split in found.items()} == rows


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_load_from_disk_finds_splits_and_rows(dataset: Path, expected: Rows, tmp_path: Path, quiet_hub: None) -> None:
    import datasets
    from datasets.utils import are_progress_bars_disabled

    bars = are_progress_bars_disabled()
    export(dataset, "hf-disk", tmp_path / "out")
    found = datasets.load_from_disk(str(tmp_path / "out"))

    assert isinstance(found, datasets.DatasetDict)
    assert {name: split.to_list() for name, split in found.items()} == expected
    assert {name: str(split.split) for name, split in found.items()} == {name: name for name in expected}
    assert are_progress_bars_disabled() is bars


def test_trl_gets_its_columns_and_no_others(dataset: Path, expected: Rows, tmp_path: Path) -> None:
    done = export(dataset, "trl", tmp_path / "out")

    assert done.columns == ("prompt", "completion")
    for split, rows in _columns(expected, done.columns).items():
        assert pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist() == rows


finite = st.floats(allow_nan=False, allow_infinity=False)
row = st.tuples(st.text(min_size=1, max_size=9), st.text(max_size=9), finite, finite)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(row, min_size=1, max_size=20))
def test_any_text_and_any_float_survive_json(
    rows: list[tuple[str, str, float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    log = [
        {"prompt": f"p{p}", "response": f"r{r}", "reward": i, "a": a, "b": [b]} for i, (p, r, a, b) in enumerate(rows)
    ]
    plain = [
        {**log[0], "prompt": "p", "response": "r", "reward": reward} for reward in (-1, -2)
    ]  # a NUL sets rows aside
    pl.DataFrame([*log, *plain]).write_parquet(folder / "log.parquet")
    expand(folder / "out", folder / "log.parquet", record__keep="a,b", goals__filter="none", checks__max_reject_rate=1,
           checks__on_error="quarantine")  # fmt: skip

    export(folder / "out", "jsonl", folder / "jsonl")

    lines = (folder / "jsonl" / "train.jsonl").read_bytes().split(b"\n")[:-1]
    assert _hex_floats([json.loads(line) for line in lines]) == _hex_floats(examples(folder / "out"))


# Promises


@pytest.mark.parametrize("to", TARGETS)
def test_the_same_dataset_gives_the_same_bytes(dataset: Path, tmp_path: Path, to: str) -> None:
    for name in ("one", "two"):
        export(dataset, to, tmp_path / name)

    content = [
        {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("one", "two")
    ]
    assert content[0] == content[1]
    assert str(tmp_path).encode() not in b"".join(content[0].values())


@pytest.mark.parametrize("to", ["parquet", "jsonl"])
def test_rows_are_written_a_piece_at_a_time(
    dataset: Path, expected: Rows, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcsl_data.dataset.export.PIECE_ROWS", 1024)
    export(dataset, to, tmp_path / "out")

    if to == "parquet":
        metadata = pq.read_metadata(tmp_path / "out" / "train.parquet")
        assert metadata.num_row_groups > 1
        assert pq.read_table(tmp_path / "out" / "train.parquet").to_pylist() == expected["train"]
    else:
        assert len((tmp_path / "out" / "train.jsonl").read_bytes().split(b"\n")) == len(expected["train"]) + 1


@pytest.mark.parametrize("to", TARGETS)
def test_one_split_alone(dataset: Path, expected: Rows, tmp_path: Path, to: str) -> None:
    done = export(dataset, to, tmp_path / "out", split="validation")

    assert done.splits == {"validation": len(expected["validation"])}
    assert done.left_out == ()
    assert [name for name in tree(tmp_path / "out") if "train" in name] == []


@pytest.fixture
def small(tmp_path: Path) -> Path:
    expand_rows(tmp_path, make_rows(i / 40 for i in range(40)), splits__shares="0.5,0.5")
    return tmp_path / "out"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("to", TARGETS)
def test_a_split_without_rows_is_left_out_and_named(tmp_path: Path, to: str, quiet_hub: None) -> None:
    import datasets

    rows = [{"prompt": "a", "response": "r", "reward": i} for i in range(9)]
    manifest = expand_rows(tmp_path, rows, splits__shares="0.9,0.1")
    assert [split.examples > 0 for split in manifest.splits] == [True, False]

    outcome = gcsl_data("export", "out", "--to", to, "-o", "exported", cwd=tmp_path)
    wrong = gcsl_data("export", "out", "--to", to, "-o", "none", "--split", "validation", cwd=tmp_path)

    assert (outcome.status, outcome.out) == (0, "exported\n")
    assert "validation: left out" in outcome.err
    assert wrong.status == 2
    assert "no split 'validation' with rows in it; this dataset has train" in wrong.err
    path, cache = str(tmp_path / "exported"), str(tmp_path / "cache")
    found = datasets.load_from_disk(path) if to == "hf-disk" else datasets.load_dataset(path, cache_dir=cache)
    assert {name: split.num_rows for name, split in found.items()} == {"train": manifest.splits[0].examples}


def test_the_command_says_what_it_wrote(small: Path, tmp_path: Path) -> None:
    outcome = gcsl_data("export", "out", "--to", "trl", "-o", "a/b", "--json", cwd=tmp_path)

    counts = {split.name: split.examples for split in load(small).splits}
    assert outcome.status == 0
    assert outcome.json == {
        "ok": True, "exit_code": 0, "output": "a/b", "to": "trl",
        "columns": ["prompt", "completion"], "splits": counts, "left_out": [],
    }  # fmt: skip
    assert tree(tmp_path / "a") == ["b", "b/train.parquet", "b/validation.parquet"]


def test_the_targets_in_the_help_are_the_targets() -> None:
    (option,) = command.__annotations__["to"].__metadata__

    assert option.metavar.split("|") == list(TARGETS)


def test_trainer_columns_of_examples_are_columns_of_examples() -> None:
    assert set(TRAINER_COLUMNS["examples"]) <= {column.name for column in EXAMPLE}


# What is refused, with nothing left behind


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _rename_column(dataset: Path) -> None:
    """A forged shard whose hash fits, with a column that the manifest does not know."""
    (shard, *_) = load(dataset).shards
    path = dataset / shard.name
    with pa.ipc.open_file(path) as reader:
        table = reader.read_all()
    renamed = table.rename_columns(["identity", *table.column_names[1:]])
    with pa.ipc.new_file(path, renamed.schema) as writer:
        writer.write_table(renamed)
    _rehash(dataset)


def _replace_by_text(dataset: Path) -> None:
    (dataset / load(dataset).shards[0].name).write_bytes(b"ARROW1\0\0 but not really")
    _rehash(dataset)


def _rehash(dataset: Path) -> None:
    manifest = document(dataset)
    for shard in manifest["shards"]:
        content = (dataset / shard["name"]).read_bytes()
        shard |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_document(dataset, manifest)


def _claim_more_rows(dataset: Path) -> None:
    manifest = document(dataset)
    manifest["splits"][0]["examples"] += 1
    write_document(dataset, manifest)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a flipped bit": lambda dataset: _flip(dataset / load(dataset).shards[-1].name),
    "a missing shard": lambda dataset: (dataset / load(dataset).shards[0].name).unlink(),
    "another column": _rename_column,
    "no Arrow file": _replace_by_text,
    "a row too few": _claim_more_rows,
    "no manifest": lambda dataset: (dataset / "manifest.json").unlink(),
}


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_dataset_is_refused(small: Path, tmp_path: Path, to: str, damage: Callable[[Path], Any]) -> None:
    damage(small)
    before = tree(tmp_path)

    with pytest.raises(DataError):
        export(small, to, tmp_path / "exported")

    assert tree(tmp_path) == before


@pytest.mark.parametrize("to", TARGETS)
def test_an_existing_output_is_left_alone(small: Path, tmp_path: Path, to: str) -> None:
    (tmp_path / "there").mkdir()

    outcome = gcsl_data("export", "out", "--to", to, "-o", "there", cwd=tmp_path)

    assert outcome.status == 73
    assert tree(tmp_path / "there") == []


def test_an_unknown_target_names_the_known_ones(small: Path, tmp_path: Path) -> None:
    outcome = gcsl_data("export", "out", "--to", "csv", "-o", "x", cwd=tmp_path)

    assert outcome.status == 2
    assert "known: trl, hf-disk, parquet, jsonl" in outcome.err


@pytest.fixture(params=["top", "nested"])
def with_nan(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A kept column whose last value is NaN, or holds one deep inside."""
    values: list[Any] = [i / 2 for i in range(40)]
    values[-1] = float("nan")
    if request.param == "nested":
        values = [{"scores": [[value]]} for value in values]
    pl.DataFrame(make_rows(i / 40 for i in range(40))).with_columns(kept=pl.Series(values)).write_parquet(
        tmp_path / "log.parquet"
    )
    expand(tmp_path / "out", tmp_path / "log.parquet", record__keep="kept")
    return tmp_path / "out"


def test_nan_is_refused_by_json_and_kept_by_parquet(with_nan: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'kept' holds NaN or infinity"):
        export(with_nan, "jsonl", tmp_path / "jsonl")
    export(with_nan, "parquet", tmp_path / "parquet")

    assert not (tmp_path / "jsonl").exists()
    (last,) = pq.read_table(tmp_path / "parquet" / "train.parquet").to_pylist()[-1:]
    value = last["kept"] if isinstance(last["kept"], float) else last["kept"]["scores"][0][0]
    assert struct.pack("<d", value) == struct.pack("<d", float("nan"))


@pytest.mark.parametrize("value", [b"\xff\x00", {"inner": [b"\xff"]}])
def test_bytes_are_refused_by_json_and_kept_by_parquet(tmp_path: Path, value: Any) -> None:
    pl.DataFrame([{**row, "kept": value} for row in make_rows(i / 40 for i in range(40))]).write_parquet(
        tmp_path / "log.parquet"
    )
    expand(tmp_path / "out", tmp_path / "log.parquet", record__keep="kept")

    with pytest.raises(UsageError, match="'kept' holds bytes"):
        export(tmp_path / "out", "jsonl", tmp_path / "jsonl")
    export(tmp_path / "out", "parquet", tmp_path / "parquet")

    assert not (tmp_path / "jsonl").exists()
    assert pq.read_table(tmp_path / "parquet" / "train.parquet")["kept"].to_pylist()[0] == value


def test_dates_become_iso_text_in_json(tmp_path: Path) -> None:
    rows = [{**row, "day": datetime.date(2026, 1, 2)} for row in make_rows(i / 40 for i in range(40))]
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    expand(tmp_path / "out", tmp_path / "log.parquet", record__keep="day")

    export(tmp_path / "out", "jsonl", tmp_path / "jsonl")

    assert json.loads((tmp_path / "jsonl" / "train.jsonl").read_text().splitlines()[0])["day"] == "2026-01-02"


def test_hf_disk_without_the_library_names_the_extra(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(UsageError, match=r"pip install 'gcsl\[hf\]'"):
        export(small, "hf-disk", tmp_path / "exported")

    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("to", TARGETS)
def test_a_dataset_without_a_row_is_refused(tmp_path: Path, to: str) -> None:
    expand_rows(tmp_path, make_rows(i / 10 for i in range(10)))
    content = document(tmp_path / "out")
    content["splits"][0]["examples"] = 0
    write_document(tmp_path / "out", content)

    outcome = gcsl_data("export", "out", "--to", to, "-o", "exported", "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (65, "GD6544"), outcome.err
    assert not (tmp_path / "exported").exists()
