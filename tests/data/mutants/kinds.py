"""All kinds of mutants by name, and mutants by number."""

import os
import random
import shutil
from pathlib import Path

from tests.data.mutants.forged import FORGED
from tests.data.mutants.manifests import MANIFESTS
from tests.data.mutants.mutant import Kind, Mutant
from tests.data.mutants.shards import SHARDS, SIDE
from tests.data.support import expand, write_jsonl

KINDS: dict[str, Kind] = {**SHARDS, **MANIFESTS, **FORGED, **SIDE}


def make_dataset(folder: Path) -> Path:
    """A dataset of two splits with two shards each, a few hundred kilobytes."""
    rows = [{"prompt": f"Q{i % 1500}", "response": f"A{i}", "reward": (i * 37 % 101) / 100} for i in range(4000)]
    log = write_jsonl(folder / "log.jsonl", rows)
    flags = {"output__shard_bytes": 1, "splits__shares": "0.55,0.45", "output__format": "text"}
    manifest = expand(folder / "out", log, **flags)
    assert [len(manifest.split_shards(split.name)) for split in manifest.splits] == [2, 2]
    return folder / "out"


def make_mutant(dataset: Path, folder: Path, number: int) -> tuple[str, Mutant]:
    """Mutant number so and so of `dataset`, in `folder`, which must not exist; its kind and what was done to it."""
    kind = [*KINDS][number % len(KINDS)]
    shutil.copytree(dataset, folder, copy_function=os.link)
    mutant = Mutant(folder, random.Random(number))
    KINDS[kind](mutant)
    return kind, mutant
