"""What is inside the shards of a stranger (RELIABILITY items 102, 103 and 109): one line, exit 65, nothing written."""

import random
import struct
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from gcsl_data.errors import DataError
from gcsl_train import shards
from gcsl_train.shards import read_examples, read_manifest

from .forge import SHARD, document, ipc, replace_shard, split_in_two, table_of


def other_columns(table, kind):
    """The same rows with columns that no shard of ours has."""
    ids, names = table["id"], table.schema.names
    if kind == "extension":
        field = pa.field("extra", pa.string(), metadata={"ARROW:extension:name": "stranger.type"})
        return table.append_column(field, ids)
    if kind == "registered":
        storage = pa.array([b"0" * 16] * len(table), pa.binary(16))
        return table.append_column("extra", pa.ExtensionArray.from_storage(pa.uuid(), storage))
    if kind == "nested":
        inner = pa.field("x", pa.string(), metadata={"ARROW:extension:name": "stranger.type"})
        return table.append_column("extra", pa.array([{"x": "y"}] * len(table), pa.struct([inner])))
    if kind == "twice":
        return table.append_column("prompt", table["prompt"])
    if kind == "missing":
        return table.drop_columns(["completion"])
    return table.set_column(names.index("goal"), "goal", pa.array(range(len(table))))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("extension", "column 'extra' is of an extension type"),
        ("registered", "column 'extra' is of an extension type"),
        ("nested", "column 'extra' is of an extension type"),
        ("twice", "has 2 columns 'prompt'"),
        ("missing", "has no column 'completion'"),
        ("retyped", "column 'goal' is int64, expected text"),
    ],
)
def test_102_columns_of_extension_or_other_types_are_refused(folder, denied, kind, said):
    replace_shard(folder, ipc(other_columns(table_of(folder), kind)))
    denied(folder, said)


def test_102_a_schema_that_differs_between_shards_is_refused(folder, denied):
    split_in_two(folder)
    replace_shard(folder, ipc(table_of(folder, number=1).drop_columns(["goal"])), number=1)
    denied(folder, "has other columns than the shards before it")


def with_offset(content, number, offset):
    """A shard of ids of 16 characters, with one of their offsets changed."""
    offsets = np.arange(13, dtype=np.int32) * 16
    assert content.count(offsets.tobytes()) == 1
    changed = offsets.copy()
    changed[number] = offset
    return content.replace(offsets.tobytes(), changed.tobytes())


def with_bad_text(table):
    array = pa.array([b"\xff" * 16] * len(table), pa.binary()).view(pa.string())
    return table.set_column(table.schema.names.index("id"), table.schema.field("id"), array)


@pytest.mark.parametrize("kind", ["beyond", "negative", "falling", "utf8", "cut", "no-arrow", "footer"])
def test_103_a_file_with_a_right_hash_and_wrong_insides_is_refused(folder, denied, kind):
    content = (folder / SHARD).read_bytes()
    offsets = {"beyond": (-1, 2**30), "negative": (0, -5), "falling": (3, 1)}
    if kind in offsets:
        content = with_offset(content, *offsets[kind])
    elif kind == "utf8":
        content = ipc(with_bad_text(table_of(folder)))
    else:
        footer = struct.pack("<i", 2**31 - 1) + b"ARROW1"
        content = {"cut": content[: len(content) // 2], "no-arrow": b"x" * 500}.get(kind, content[:-10] + footer)
    replace_shard(folder, content)
    denied(folder, "is not an Arrow IPC file")


def test_103_mutants_with_a_right_hash_are_rows_or_a_data_error(folder):
    content, chance, found = (folder / SHARD).read_bytes(), random.Random(103), Counter()
    for _ in range(300):
        mutant = bytearray(content)
        for _ in range(chance.randint(1, 16)):
            mutant[chance.randrange(len(content))] = chance.randrange(256)
        replace_shard(folder, bytes(mutant))
        try:
            found[len(list(read_examples(folder, read_manifest(folder))))] += 1
        except DataError as error:
            found[error.code] += 1
    assert set(found) <= {12, "GT6502", "GT6503", "GT6504", "GT6505", "GT6543"}
    assert found["GT6503"] > 200


@pytest.mark.parametrize("kind", ["truncated", "edited", "removed"])
def test_109_a_dataset_edited_after_it_was_verified_is_refused(folder, denied, monkeypatch, kind):
    split_in_two(folder)
    second = folder / document(folder)["shards"][1]["name"]
    verified = shards.verified_shard

    def then_edited(place, shard):
        path = verified(place, shard)
        if path == second:
            content = path.read_bytes()
            path.write_bytes({"truncated": content[:100], "edited": content[:-1] + b"?", "removed": b""}[kind])
            if kind == "removed":
                path.unlink()
        return path

    monkeypatch.setattr(shards, "verified_shard", then_edited)
    if kind == "removed":
        denied(folder, "cannot be read", status=66)
    else:
        denied(folder, "was changed while it was read")


def test_109_a_shard_truncated_while_it_is_read_changes_nothing(folder):
    manifest = read_manifest(folder)
    rows = read_examples(folder, manifest)
    first = next(rows)
    (folder / SHARD).write_bytes(b"")  # of a file mapped into memory the next row would be a bus error
    assert [first.id, *(row.id for row in rows)] == [f"{number:016x}" for number in range(12)]
