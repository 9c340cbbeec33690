"""A dataset in parts: each of several jobs, which need not know of each other, writes its share.

A part stands in `OUT/_gcsl/parts/1-of-3`. What the dataset will be is measured by every job, on all logs, and stands in the
part; parts of different plans are never put together.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcsl_data.build import OnRows, Promise, promise, resumable, write
from gcsl_data.dataset import files
from gcsl_data.dataset.decode import decode, encode, parse, pretty
from gcsl_data.dataset.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    PARTS_FOLDER,
    SIDE_FOLDER,
    Manifest,
    Shard,
    is_shard_name,
    load,
    verified_shard,
)
from gcsl_data.dataset.shards import FragmentShards
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError, OutputError, UsageError, reading, shown
from gcsl_data.plan import Plan

PART_NAME = "part.json"
_FORMAT = 1
_CAUSES = ("recipe", "inputs", "tools", "templates")  # of a manifest; the rest follows from these
_SHARD = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Share:
    """Job `number` (from 1) of `jobs`: it writes the fragments j with j mod jobs = number - 1."""

    number: int
    jobs: int

    @property
    def name(self) -> str:
        """What its part is called."""
        return f"{self.number}-of-{self.jobs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What part.json says: whose share it is, of how many fragments, and the shards of each of its own.

    `manifest` is what the dataset will be: all but its shards and their id.
    """

    format_version: int
    number: int
    jobs: int
    fragments: int
    manifest: Manifest
    written: tuple[FragmentShards, ...]

    @property
    def rows(self) -> int:
        """Examples in this part."""
        return sum(shard.rows for one in self.written for shard in one.shards)


def share_of(text: str) -> Share:
    """`2/3` as a share. Raises UsageError (2)."""
    found = _SHARD.fullmatch(text)
    if not found or not int(found[1]) <= int(found[2]):
        raise UsageError("GD0303", f"--shard {text}: expected I/N with I from 1 to N, such as 2/3")
    return Share(int(found[1]), int(found[2]))


def build_part(
    plan: Plan,
    engine: Engine,
    out: Path,
    share: Share,
    *,
    resume: bool = False,
    on_rows: OnRows | None = None,
    on_resume: OnRows | None = None,
) -> tuple[Part, Promise]:
    """Writes one job's share of the dataset that `merge(out)` will make.

    With `resume` a part that is there already stays, if it is of this plan and whole, and so does a dataset that the parts of
    this plan were made. Raises what `build` raises, and OutputError (73)
    when something else than parts of the same plan stands at `out`.
    """
    with reading(out, OutputError, "GD7315"):
        is_merged = resume and (out / MANIFEST_NAME).is_file()
    if not is_merged:
        require_place_for_parts(out)
    target = out / SIDE_FOLDER / PARTS_FOLDER / share.name
    if os.path.lexists(target) and not resume:
        raise OutputError("GD7313", f"{target} is there already; say --resume, or remove it to write it again")
    promised = promise(plan, engine)
    if is_merged:
        require_same(load(out), promised.manifest, out)
        return _part(promised, share, ()), promised
    for other in part_folders(out):
        require_same(read_part(other).manifest, promised.manifest, other)
    if os.path.lexists(target):
        part = read_part(target)
        verified_part(target, part)
        return part, promised
    own = [one for one in promised.plan.fragments if one.index % share.jobs == share.number - 1]
    files.require_space(target, round(promised.bytes_needed * len(own) / len(promised.plan.fragments)))
    try:
        with files.staged(target, resumable=resumable(promised, resume=resume)) as folder:
            part = _part(promised, share, write(promised, engine, own, folder, on_rows, on_resume if resume else None))
            files.write_bytes(folder / PART_NAME, pretty(encode(part)))
    except OutputError:  # the same job was started twice, and the other one was faster
        if not (resume and target.is_dir()):
            raise
        part = read_part(target)
        require_same(part.manifest, promised.manifest, target)
    return part, promised


def _part(promised: Promise, share: Share, written: tuple[FragmentShards, ...]) -> Part:
    return Part(
        format_version=_FORMAT,
        number=share.number,
        jobs=share.jobs,
        fragments=len(promised.plan.fragments),
        manifest=promised.manifest,
        written=written,
    )


def require_place_for_parts(out: Path) -> None:
    """Raises OutputError (73) when something else stands at `out` than a folder of parts, or nothing."""
    if not os.path.lexists(out):
        return
    if out.is_symlink() or not out.is_dir() or (out / MANIFEST_NAME).exists():
        raise OutputError("GD7310", f"{out} exists; choose another place, or remove it")
    side = out / SIDE_FOLDER
    foreign = {path.name for path in out.iterdir()} - {SIDE_FOLDER}
    if side.is_dir():
        foreign |= {path.name for path in side.iterdir()} - {PARTS_FOLDER}
    if foreign:
        raise OutputError(
            "GD7311", f"{out} holds {shown(min(foreign))}, which is no part of a dataset; move it away first"
        )


def part_folders(out: Path) -> list[Path]:
    """Where the parts in `out` stand, by their numbers."""
    found: dict[tuple[int, int], Path] = {}
    for path in (out / SIDE_FOLDER / PARTS_FOLDER).glob("*-of-*"):
        number, _, jobs = path.name.partition("-of-")
        if number.isascii() and number.isdigit() and jobs.isascii() and jobs.isdigit():
            found[int(jobs), int(number)] = path
    return [found[key] for key in sorted(found)]


def read_part(folder: Path) -> Part:
    """part.json of a part. Raises DataError (65) when it is damaged."""
    path = folder / PART_NAME
    with reading(path):
        if path.is_symlink() or path.stat().st_size > MAX_MANIFEST_BYTES:
            raise DataError("GD6564", f"{path} is not one of our files; remove the part and run its job again")
        content = path.read_bytes()
    try:
        part = decode(Part, parse(content))
        names = [shard.name for one in part.written for shard in one.shards]
        if not all(map(is_shard_name, names)) or len(set(names)) < len(names):
            raise ValueError("it names files that are none of its shards")
        if (name := Share(part.number, part.jobs).name) != folder.name:
            raise ValueError(f"it is that of part {name}")
        if part.format_version != _FORMAT:
            raise ValueError(f"format_version is {part.format_version}, this gcsl reads {_FORMAT}")
    except (ValueError, RecursionError) as error:
        raise DataError("GD6565", f"{path}: {error}; remove the part and run its job again") from None
    return part


def verified_part(folder: Path, part: Part) -> dict[Shard, Path]:
    """The shards of a part, whose bytes are those that it tells of. Raises DataError (65)."""
    try:
        return {shard: verified_shard(folder, shard) for one in part.written for shard in one.shards}
    except DataError as error:
        said = error.message.rpartition(";")[0] or error.message
        raise DataError("GD6571", f"{said}; remove {folder} and run its job again") from None


def require_same(found: Manifest, manifest: Manifest, folder: Path) -> None:
    """Raises DataError (65) when what is in a folder is of another dataset, saying in what the two differ."""
    ours, theirs = encode(manifest), encode(found)
    causes_first = sorted(ours, key=lambda name: name not in _CAUSES)
    differing = [name for name in causes_first if ours[name] != theirs[name] and name not in ("dataset_id", "shards")]
    if differing:
        raise DataError(
            "GD6566",
            f"{folder} is of another dataset: its {_first_difference(ours, theirs, differing[0])} differs; "
            "run all jobs on the same logs with the same settings and versions",
        )


def _first_difference(ours: dict[str, Any], theirs: dict[str, Any], name: str) -> str:
    """The place of what differs, as deep as two objects agree in their keys."""
    one, other = ours[name], theirs[name]
    if isinstance(one, dict) and isinstance(other, dict):
        inner = next((key for key in one if key not in other or one[key] != other[key]), None)
        if inner is not None and inner in other:
            return f"{name}.{_first_difference(one, other, inner)}"
    return name
