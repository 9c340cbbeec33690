"""A copy of a dataset with one thing wrong, and which of its parts are not as they were.

A part is what a reader may look at: the manifest, the shards of a split, the columns as the manifest states them, other files
beside the shards, and the files in `_gcsl`. Who looks at which part stands in `readers`.
"""

import json
import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.data.support import document, write_document


@dataclass(slots=True)
class Mutant:
    """A copy of a dataset in `folder`, to be damaged by `chance`.

    `parts` are those that are no longer what they were. `is_parsed` says whether the manifest is still JSON of our version,
    and `may_pass` that a mutation says the same in other words, or something that belongs to no part.
    """

    folder: Path
    chance: random.Random
    parts: set[str] = field(default_factory=set)
    is_parsed: bool = True
    may_pass: bool = False

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    def shard(self, split: str | None = None) -> Path:
        """The path of a shard, whose split counts as damaged."""
        names = [s["name"] for s in document(self.folder)["shards"] if split in (None, s["split"])]
        name = self.chance.choice(names)
        self.parts.add(split_of(name))
        return self.folder / name

    def write(self, path: Path, content: bytes) -> None:
        """A file of its own: what stood there is shared with the dataset that this is a copy of."""
        assert content != path.read_bytes()
        path.unlink()
        path.write_bytes(content)

    def write_manifest(self, content: bytes) -> None:
        original = self.manifest.read_bytes()
        self.write(self.manifest, content)
        found = parsed(content)
        self.is_parsed = isinstance(found, dict) and found.get("format_version") == 1
        if found is not None and same(_without_tools(found), _without_tools(parsed(original))):
            self.may_pass = True
        else:
            self.parts.add("manifest")

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Changes the manifest and leaves its id as it was, as somebody does who knows no better."""
        content = document(self.folder)
        change(content)
        self.write_manifest(json.dumps(content, indent=2).encode())

    def forge(self, change: Callable[[dict[str, Any]], Any], *parts: str) -> None:
        """Changes the manifest and makes its id fit, as somebody does who wants to get past it."""
        content = document(self.folder)
        change(content)
        self.manifest.unlink()
        write_document(self.folder, content)
        self.is_parsed = content.get("format_version") == 1
        self.parts |= set(parts)


Kind = Callable[[Mutant], object]


def split_of(name: str) -> str:
    """The split that a shard of this name belongs to."""
    return Path(name).name.partition("-")[0]


def meaning(name: str, content: bytes) -> Any:
    """What a file of JSON or TOML says; None for what is neither."""
    if name.endswith(".json"):
        return parsed(content)
    try:
        return tomllib.loads(content.decode())
    except ValueError:
        return None


def parsed(content: bytes) -> Any:
    """What JSON says that is JSON to the letter; None for all else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(_: str) -> None:
        raise ValueError

    try:
        return json.loads(content.decode(), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def _without_tools(content: Any) -> Any:
    """The tools that made a dataset are not part of what it says."""
    if isinstance(content, dict) and isinstance(content.get("tools"), dict):
        return {**content, "tools": {}}
    return content


def same(one: Any, two: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are one number, true is none."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    return isinstance(one, bool) == isinstance(two, bool) and one == two
