"""What mutants of datasets once got past: each by itself, with the words that a person reads."""

import json
import os
from pathlib import Path

import pytest

from gcsl_data.dataset.decode import parse
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError
from gcsl_data.frozen import read_fit

from .support import Outcome, document, expand_rows, gcsl_data, make_rows, write_document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset, and a log."""
    expand_rows(tmp_path, make_rows(i / 20 for i in range(20)))
    return tmp_path


def every_reader(folder: Path) -> list[Outcome]:
    """Every command that reads the dataset, but for check."""
    words = (
        ("stats", "out"),
        ("export", "out", "--to", "jsonl", "-o", "x"),
        ("trace", "out", "0" * 16),
        ("diff", "out", "out"),
        ("goal", "out"),
        ("expand", "log.jsonl", "--fit", "out", "-o", "x"),
    )
    return [gcsl_data(*command, "--json", cwd=folder) for command in words]


def test_an_edited_manifest_is_refused_by_every_reader(folder: Path) -> None:
    content = document(folder / "out")
    content["hygiene"]["longest"] += 1
    write_document(folder / "out", content, identify=False)

    assert [(done.status, done.json["code"]) for done in every_reader(folder)] == [(65, "GD6530")] * 6
    assert gcsl_data("check", "out", cwd=folder).status == 1


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\uDFFF": 1}', '["x\\ud83d "]', '"\\udE00\\ud83d"'])
def test_half_a_surrogate_is_no_json(text: str) -> None:
    json.loads(text)  # Python takes it
    with pytest.raises(ValueError, match="surrogates not allowed"):
        parse(text)


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '"\\\\ud800"', '"\u00e9"', '"\U0001f600"'])
def test_whole_pairs_and_backslashes_are_json(text: str) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("rows", [0, 1, 2**40])
def test_a_shard_with_other_rows_than_the_manifest_says_is_refused(folder: Path, rows: int) -> None:
    content = document(folder / "out")
    content["shards"][0]["rows"] = rows
    write_document(folder / "out", content)

    stats, export, trace, *_ = every_reader(folder)

    assert [(done.status, done.json["code"]) for done in (stats, export, trace)] == [(65, "GD6524")] * 3


@pytest.mark.parametrize("name", ["rows", "bytes"])
@pytest.mark.parametrize("count", [-1, 2**63, 10**30])
def test_a_count_that_is_none_is_refused_by_every_reader(folder: Path, name: str, count: int) -> None:
    content = document(folder / "out")
    content["shards"][0][name] = count
    write_document(folder / "out", content)

    assert {(done.status, done.json["code"]) for done in every_reader(folder)} == {(65, "GD6511")}


def test_the_fit_of_a_dataset_is_its_manifests(folder: Path) -> None:
    copy = folder / "out" / "_gcsl" / "fit.json"
    assert read_fit(folder / "out") == load(folder / "out").fit == read_fit(copy)

    edited = json.loads(copy.read_text())
    edited["distinct"] += 1
    copy.write_text(json.dumps(edited))
    with pytest.raises(DataError, match=r"GD6546.*does not say what the manifest says"):
        read_fit(folder / "out")
    assert read_fit(copy).distinct == edited["distinct"]  # a person may give the file itself

    copy.unlink()
    os.mkfifo(copy)
    with pytest.raises(DataError, match="GD6546"):
        read_fit(folder / "out")

    copy.unlink()
    assert read_fit(folder / "out") == load(folder / "out").fit


@pytest.mark.parametrize("content", [b"", b"\xff", b"{{", b"{{ threshold }} "])
def test_a_damaged_template_is_damaged_data_and_no_wrong_template(folder: Path, content: bytes) -> None:
    (folder / "out" / "_gcsl" / "template.j2").write_bytes(content)

    done = gcsl_data("goal", "out", "--value", "0.9", "--json", cwd=folder)

    assert (done.status, done.json["code"]) == (65, "GD6543")


def test_a_dataset_that_names_no_template_prints_no_other_number(folder: Path) -> None:
    write_document(folder / "out", {**document(folder / "out"), "templates": {}})

    done = gcsl_data("goal", "out", "--value", "0.9", "--json", cwd=folder)

    assert (done.status, done.json["code"]) == (65, "GD6542")
