"""The dataset that its parts make, once every job has written its own."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gcsl_data.build import seal
from gcsl_data.dataset import files
from gcsl_data.dataset.manifest import MANIFEST_NAME, SIDE_FOLDER, Manifest, load
from gcsl_data.dataset.shards import DATA_FOLDER, number_shards, shard_schema
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.errors import DataError, InputError, OutputError, reading
from gcsl_data.parts import Part, part_folders, read_part, require_place_for_parts, require_same, verified_part


def merge(out: Path, *, on_part: Callable[[int, int], None] = lambda _done, _all: None) -> Manifest:
    """Makes the dataset of the parts that stand in `out`; it takes their place in one step.

    Raises InputError (66) when there is no such folder, DataError (65) when parts are missing, damaged or of different plans,
    OutputError (73) when `out` holds anything else.
    """
    with reading(out):
        if not out.is_dir():
            raise InputError("GD6612", f"{out} is not a folder; expected the --out of jobs with --shard")
    if (out / MANIFEST_NAME).is_file():
        files.remove_abandoned(out.parent, f".{out.name}.")  # what an interrupted merge may have left of the parts
        raise OutputError("GD7314", f"{out} is a finished dataset: its parts, if it had any, are merged already")
    require_place_for_parts(out)
    folders = part_folders(out)
    parts = [read_part(folder) for folder in folders]
    _require_all(parts, out)
    for part, folder in zip(parts, folders, strict=True):
        require_same(part.manifest, parts[0].manifest, folder)
    manifest = parts[0].manifest
    with files.staged(out, overwrite=True) as staging:
        (staging / DATA_FOLDER).mkdir()
        for done, (part, folder) in enumerate(zip(parts, folders, strict=True), start=1):
            for shard, path in verified_part(folder, part).items():
                files.link(path, staging / shard.name)
            on_part(done, len(parts))
        written = [one for part in parts for one in part.written]
        first = next(shard for one in written for shard in one.shards)
        splits = [split.name for split in manifest.splits]
        shards = number_shards(staging, written, splits, shard_schema(staging / first.name))
        shutil.copytree(folders[0] / SIDE_FOLDER, staging / SIDE_FOLDER)
        manifest = seal(staging, replace(manifest, shards=shards))
        verified_shards(staging, load(staging), manifest.shards)
        require_place_for_parts(out)  # something may have been put there meanwhile
    return manifest


def _require_all(parts: Sequence[Part], out: Path) -> None:
    """Raises DataError (65) unless every fragment is in one part."""
    if not parts:
        raise DataError("GD6567", f"{out} holds no parts; run the jobs first: gcsl-data expand ... --shard 1/N")
    jobs = {part.jobs for part in parts}
    if len(jobs) > 1:
        raise DataError(
            "GD6568", f"{out} holds parts of {' and of '.join(map(str, sorted(jobs)))} jobs; remove those of one"
        )
    missing = sorted({*range(1, parts[0].jobs + 1)} - {part.number for part in parts})
    if missing:
        told = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise DataError(
            "GD6569", f"{out}: {len(missing)} of {parts[0].jobs} parts are missing ({told}); run their jobs"
        )
    held = sorted(one.fragment for part in parts for one in part.written)
    if held != [*range(parts[0].fragments)]:
        raise DataError(
            "GD6570", f"{out}: its parts do not hold every fragment once; remove them and run the jobs again"
        )
