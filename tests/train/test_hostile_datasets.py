"""Manifests from a stranger (RELIABILITY items 96 to 101 and 104 to 108): one line, exit 65, nothing written, nothing run."""

import json
import os

import pyarrow as pa
import pytest

from tests.data.mutants.names import HOSTILE_NAMES
from tests.listening import listening

from .forge import SHARD, document, edit, split_in_two
from .support import command, make_dataset, make_rows, metrics

SIZES = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 1)


@pytest.mark.parametrize(
    "name", [*HOSTILE_NAMES.values(), 7], ids=[f"96-{name}" for name in [*HOSTILE_NAMES, "number"]]
)
def test_96_a_name_that_is_no_plain_shard_name_opens_nothing(folder, denied, name):
    edit(folder, lambda manifest: manifest["shards"][0].update(name=name))
    with listening() as heard:
        denied(folder, "shard name" if isinstance(name, str) else "shards[0].name must be of type str")
    opened = [event for event in heard if str(folder) in event or event.startswith("socket")]
    assert set(opened) == {f"open {folder / 'manifest.json'}"}
    assert not any(event.endswith(("passwd", "/x")) for event in heard)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder", "hard-link"])
def test_97_a_shard_that_is_no_file_of_its_own_is_refused(folder, denied, tmp_path, kind):
    shard = folder / SHARD
    elsewhere = shard.rename(tmp_path / "elsewhere")
    if kind == "symlink":
        shard.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(shard)
    elif kind == "folder":
        shard.mkdir()
    else:  # another name of a file is a regular file; what counts is that the bytes are the dataset's
        (other := tmp_path / "other").write_bytes(elsewhere.read_bytes()[::-1])
        shard.hardlink_to(other)
    denied(folder, "SHA-256" if kind == "hard-link" else "is not a regular file")


@pytest.mark.parametrize("kind", ["wrong", "missing", "upper-case", "md5", "empty", "number"])
def test_98_a_hash_that_is_not_the_shards_is_refused_before_anything_is_parsed(folder, denied, monkeypatch, kind):
    true = document(folder)["shards"][0]["sha256"]
    wrong = {"wrong": "0" * 64, "upper-case": true.upper(), "md5": "d41d8cd98f00b204e9800998ecf8427e", "empty": ""}
    if kind == "missing":
        edit(folder, lambda manifest: manifest["shards"][0].pop("sha256"))
    else:
        edit(folder, lambda manifest: manifest["shards"][0].update(sha256=wrong.get(kind, 7)))
    monkeypatch.setattr(pa.ipc, "open_file", None)
    said = {"missing": "sha256 is missing", "number": "sha256 must be of type str"}
    denied(folder, said.get(kind, "is damaged: its SHA-256"))


@pytest.mark.parametrize(("field", "change"), [("bytes", 1), ("bytes", -1), ("rows", 1), ("rows", -1)])
def test_99_a_size_or_a_row_count_that_differs_is_refused(folder, denied, field, change):
    found = document(folder)["shards"][0][field]
    edit(folder, lambda manifest: manifest["shards"][0].update({field: found + change}))
    denied(folder, f"the manifest says {found + change}")


@pytest.mark.parametrize("kind", ["missing", "listed-twice", "none-listed"])
def test_100_a_shard_that_is_missing_or_listed_twice_is_refused(folder, denied, kind):
    if kind == "missing":
        (folder / SHARD).unlink()
        denied(folder, "is missing")
    elif kind == "listed-twice":
        edit(folder, lambda manifest: manifest.update(shards=manifest["shards"] * 2))
        denied(folder, "is not a plain shard name")
    else:
        edit(folder, lambda manifest: manifest.update(shards=[]))
        denied(folder, "names no shards")


def test_100_a_shard_too_many_is_said_and_not_read(folder, model, tmp_path, capsys):
    (folder / "data" / "train-00001-of-00002.arrow").write_bytes(b"not read")
    assert command(folder, "--model", model, "--out", tmp_path / "run", *SIZES) == 0
    assert "warning: the manifest does not name data/train-00001-of-00002.arrow" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["files", "order", "hashes"])
def test_101_shards_that_changed_places_are_refused(folder, denied, kind):
    split_in_two(folder)
    one, two = ((folder / shard["name"]) for shard in document(folder)["shards"])
    if kind == "files":
        one.rename(folder / "x")
        two.rename(one)
        (folder / "x").rename(two)
        denied(folder, f"{one} has")
        return
    manifest = document(folder)
    if kind == "order":
        manifest["shards"].reverse()
    else:
        first, second = manifest["shards"]
        first["sha256"], second["sha256"] = second["sha256"], first["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))  # its id says which order was written
    denied(folder, "does not match its content")


@pytest.mark.parametrize("kind", ["text", "empty", "huge", "deep", "twice", "bom", "utf-16", "list", "nan"])
def test_104_a_manifest_that_is_not_our_json_is_refused(folder, denied, kind):
    path = folder / "manifest.json"
    text = path.read_text()
    if kind == "huge":
        with path.open("r+b") as file:
            file.truncate(2**30)
    else:
        content = {
            "text": b"hello",
            "empty": b"",
            "deep": b"[" * 200_000,
            "twice": text.replace('"kind"', '"kind": "examples", "kind"', 1).encode(),
            "bom": text.encode("utf-8-sig"),
            "utf-16": text.encode("utf-16"),
            "list": b"[]",
            "nan": text.replace('"mean": 0.1', '"mean": NaN').encode(),
        }[kind]
        path.write_bytes(content)
    said = {"huge": "is larger than", "list": "format_version is None"}
    denied(folder, said.get(kind, "is not valid JSON"))


@pytest.mark.parametrize("version", [999, "1", None, 1.0, True, 0])
def test_105_a_version_that_is_not_ours_is_refused(folder, denied, version):
    edit(folder, lambda manifest: manifest.update(format_version=version))
    denied(folder, f"format_version is {version!r}")


def test_105_a_manifest_without_a_version_is_refused(folder, denied):
    edit(folder, lambda manifest: manifest.pop("format_version"))
    denied(folder, "format_version is None")


@pytest.mark.parametrize("rows", [-1, 2**63, 1.5, 12.0, "12", None, True])
def test_106_a_row_count_that_is_none_is_refused(folder, denied, rows):
    edit(folder, lambda manifest: manifest["shards"][0].update(rows=rows))
    denied(folder, f"cannot have {rows} rows" if type(rows) is int else "shards[0].rows must be of type int")


def test_107_a_template_or_a_url_in_a_manifest_is_data(model, tmp_path, capsys):
    marker = tmp_path / "marker"
    goal = f"{{{{ cycler.__init__.__globals__.os.system('touch {marker}') }}}} {{% for x in y %}} http://127.0.0.1:9/x"
    folder = make_dataset(tmp_path / "d", make_rows(12, goals=(goal + " 2", goal + " 3")))

    def plant(manifest):
        for number in (1, 2):
            manifest["goals"][number]["text"] = f"{goal} {number + 1}"
        manifest["inference_text"] = f"{goal} 3"
        manifest["recipe"] = {"template": goal, "input": "http://127.0.0.1:9/log.jsonl"}

    edit(folder, plant)
    run, prompts = tmp_path / "run", tmp_path / "p.txt"
    prompts.write_text("red\n")
    with listening() as heard:
        assert command(folder, "--model", model, "--out", run, "--max-length", 512, "--max-steps", 1) == 0
        asked = ("--prompts", prompts, "--max-new-tokens", 1)
        assert command("generate", run, "--model", model, *asked) == 0
    assert not marker.exists()
    assert [event for event in heard if not event.startswith("open")] == []
    assert f"{goal} 3" in (run / "adapter" / "README.md").read_text()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["goal"] == f"{goal} 3"


@pytest.mark.parametrize("manifest", [True, False])
def test_108_an_unfinished_build_is_no_dataset(folder, denied, tmp_path, manifest):
    staging = folder.rename(tmp_path / ".d.123-ab.incomplete")
    if not manifest:
        (staging / "manifest.json").unlink()
    denied(staging, "is an unfinished build")


def test_the_dataset_that_is_edited_here_trains_as_it_is(folder, model, tmp_path):
    split_in_two(folder)
    assert command(folder, "--model", model, "--out", tmp_path / "run", *SIZES) == 0
    assert len(metrics(tmp_path / "run")) == 1
