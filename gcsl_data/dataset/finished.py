"""Notes of finished fragments, in the folder where they are written: whoever goes on there need not write them again.

A note is written when the shards it names are on the disk. It is believed when their bytes are still those it tells of.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from gcsl_data.dataset import files
from gcsl_data.dataset.decode import decode, encode, parse, pretty
from gcsl_data.dataset.manifest import is_shard_name, verified_shard
from gcsl_data.dataset.shards import DATA_FOLDER, FragmentShards
from gcsl_data.errors import DataError

_NOTES = "_fragments"
_KEY = "key"


def begin(folder: Path, key: str) -> dict[int, FragmentShards]:
    """What is finished in `folder` of the build with this key, by fragment; everything else in it is removed."""
    found = dict(_believed(folder)) if is_of(folder, key) else {}
    believed = {shard.name for one in found.values() for shard in one.shards}
    for path in list(folder.iterdir()):
        if path.name == DATA_FOLDER:
            for file in path.iterdir():
                if f"{DATA_FOLDER}/{file.name}" not in believed:
                    file.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / _NOTES).mkdir()
    files.write_bytes(folder / _NOTES / _KEY, key.encode())
    for one in found.values():
        note(folder, one)
    return found


def note(folder: Path, one: FragmentShards) -> None:
    """Notes that a fragment is finished."""
    files.write_bytes(folder / _NOTES / f"{one.fragment:06d}.json", pretty(encode(one)))


def count(folder: Path) -> int:
    """How many fragments are finished there."""
    return len(list((folder / _NOTES).glob("*.json")))


def is_of(folder: Path, key: str) -> bool:
    """Whether the build with this key was begun there."""
    try:
        return (folder / _NOTES / _KEY).read_text() == key
    except (OSError, ValueError):
        return False


def end(folder: Path) -> None:
    """Takes the notes away: all is finished."""
    shutil.rmtree(folder / _NOTES)


def _believed(folder: Path) -> Iterator[tuple[int, FragmentShards]]:
    for path in (folder / _NOTES).glob("*.json"):
        try:
            one = decode(FragmentShards, parse(path.read_bytes()))
            for shard in one.shards:
                if not is_shard_name(shard.name):
                    raise ValueError(shard.name)
                verified_shard(folder, shard)
        except (ValueError, DataError, OSError):
            continue  # it was being written when its writer died, or is damaged: it is written again
        yield one.fragment, one
