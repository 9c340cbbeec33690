"""What may be wrong with the shards, and with the files beside the manifest."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.data.mutants.bytes import BYTES, PAGES, flipped_bit
from tests.data.mutants.mutant import Kind, Mutant, meaning, same, split_of
from tests.data.support import document

FILES = {"fit": "fit.json", "goals": "goals.json", "recipe": "recipe.toml", "template": "template.j2"}


def _on_shard(change: Callable[[bytes, random.Random], bytes]) -> Kind:
    def damage(mutant: Mutant) -> None:
        path = mutant.shard()
        mutant.write(path, change(path.read_bytes(), mutant.chance))

    return damage


def _on_side(part: str, change: Callable[[bytes, random.Random], bytes]) -> Kind:
    def damage(mutant: Mutant) -> None:
        path = mutant.folder / "_gcsl" / FILES[part]
        before = path.read_bytes()
        mutant.write(path, change(before, mutant.chance))
        mutant.may_pass = part != "template" and same(meaning(path.name, before), meaning(path.name, path.read_bytes()))
        mutant.parts |= set() if mutant.may_pass else {part}

    return damage


def replaced(path: Path, mutant: Mutant, kind: str) -> None:
    """What is not a regular file in the place of one."""
    elsewhere = path.rename(mutant.folder.parent / f"{mutant.folder.name}-elsewhere")
    if kind == "link":
        path.symlink_to(mutant.chance.choice([elsewhere, Path("/etc/passwd"), Path("nowhere")]))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


def _shards_swapped(mutant: Mutant) -> None:
    names = [shard["name"] for shard in document(mutant.folder)["shards"]]
    one, two = (mutant.folder / name for name in mutant.chance.sample(names, 2))
    for path in (one, two):
        mutant.parts.add(split_of(path.name))
    aside = one.rename(mutant.folder / "aside")
    two.rename(one)
    aside.rename(two)


def _shard_copied(mutant: Mutant) -> None:
    path = mutant.shard()
    names = [shard["name"] for shard in document(mutant.folder)["shards"]]
    other = mutant.chance.choice([name for name in names if not path.match(name)])
    mutant.write(path, (mutant.folder / other).read_bytes())


def _shard_added(mutant: Mutant) -> None:
    name = mutant.chance.choice(["train-00002-of-00003.arrow", "test-00000-of-00001.arrow", "x.parquet", ".x"])
    (mutant.folder / "data" / name).write_bytes(mutant.chance.choice([b"x", (mutant.shard()).read_bytes()]))
    mutant.parts.clear()
    mutant.parts.add("beside")


def _shard_renamed(mutant: Mutant) -> None:
    path = mutant.shard()
    path.rename(path.with_name(f"{path.stem}-1.arrow"))
    mutant.parts.add("beside")


def _side_replaced(mutant: Mutant) -> None:
    part = mutant.chance.choice([*FILES])
    replaced(mutant.folder / "_gcsl" / FILES[part], mutant, mutant.chance.choice(["pipe", "folder"]))
    mutant.parts.add(part)


def _side_gone(mutant: Mutant) -> None:
    part = mutant.chance.choice([*FILES])
    (mutant.folder / "_gcsl" / FILES[part]).unlink()
    mutant.parts.add(f"{part} gone")


def _rejects_added(mutant: Mutant) -> None:
    (mutant.folder / "_gcsl" / "rejects.jsonl").write_bytes(b"{}\n" * mutant.chance.randint(1, 9))
    mutant.parts.add("rejects")


def _unread(mutant: Mutant) -> None:
    path = mutant.folder / mutant.chance.choice(["README.md", "_gcsl/run.json"])
    mutant.write(path, flipped_bit(path.read_bytes(), mutant.chance))


def _linked(mutant: Mutant) -> None:
    """The same bytes in a file of their own."""
    path = mutant.shard()
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    mutant.parts.clear()


SHARDS: dict[str, Kind] = {
    **{f"shard: {name}": _on_shard(change) for name, change in {**BYTES, **PAGES}.items()},
    "shard: two swapped": _shards_swapped,
    "shard: a copy of another": _shard_copied,
    "shard: gone": lambda mutant: mutant.shard().unlink(),
    "shard: renamed": _shard_renamed,
    "shard: one too many": _shard_added,
    **{
        f"shard: a {kind}": lambda mutant, kind=kind: replaced(mutant.shard(), mutant, kind)
        for kind in ("link", "pipe", "folder")
    },
}
SIDE: dict[str, Kind] = {
    **{f"{part}: {name}": _on_side(part, change) for part in FILES for name, change in BYTES.items()},
    "side file: no file": _side_replaced,
    "side file: gone": _side_gone,
    "side file: rejects that nobody counted": _rejects_added,
    "harmless: what nobody reads": _unread,
    "harmless: other inode": _linked,
}
