"""Datasets with one thing wrong, made by number: what was changed, and which of its parts are not as they were.

A part is what a reader may look at: the manifest, the shards of a split, the columns as the manifest states them, other files
beside the shards, and the files in `_gcsl`. Who looks at which part stands in `mutant_readers`.
"""

import json
import os
import random
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcsl_data.dataset.manifest import Manifest

from .support import document, expand, tree, write_document, write_jsonl

HOSTILE_NAMES = (
    "../x", "data/../../x", "a/../../x", "/etc/passwd", "C:\\x", "\\\\host\\x", "file:///etc/passwd", "~/x", "", ".",
    "data/", "data/.x", "data/x\0y", "data/x\ny", "data/" + "x" * 5000, "data/CON", "data/%2e%2e%2fx", "data/..\u2215x",
    "data\uff0fx", "data/X.arrow", "other/x.arrow", "data/a/b", "data/\u00e4.arrow",
)  # fmt: skip
OBJECTS = (
    (), ("accounting",), ("hygiene",), ("fit",), ("fit", "thresholds", 1), ("goals", 3), ("splits", 0), ("shards", 0),
    ("columns", 2), ("inputs", 0), ("templates", "reward"),
)  # fmt: skip
FILES = {"fit": "fit.json", "goals": "goals.json", "recipe": "recipe.toml", "template": "template.j2"}
PAGE = 4096


@dataclass(slots=True)
class Mutant:
    """A copy of a dataset in `folder`, to be damaged by `chance`.

    `parts` are those that are no longer what they were. `is_parsed` says whether the manifest is still JSON of our version, and
    `may_pass` that a mutation says the same in other words, or something that belongs to no part.
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
        self.parts.add(_split(name))
        return self.folder / name

    def write(self, path: Path, content: bytes) -> None:
        """A file of its own: what stood there is shared with the dataset that this is a copy of."""
        assert content != path.read_bytes()
        path.unlink()
        path.write_bytes(content)

    def write_manifest(self, content: bytes) -> None:
        original = self.manifest.read_bytes()
        self.write(self.manifest, content)
        found = _parsed(content)
        self.is_parsed = isinstance(found, dict) and found.get("format_version") == 1
        if found is not None and _same(_without_tools(found), _without_tools(_parsed(original))):
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


def make_dataset(folder: Path) -> Path:
    """A dataset of two splits with two shards each, a few hundred kilobytes."""
    rows = [{"prompt": f"Q{i % 1500}", "response": f"A{i}", "reward": (i * 37 % 101) / 100} for i in range(4000)]
    log = write_jsonl(folder / "log.jsonl", rows)
    flags = {"output__shard_bytes": 1, "splits__shares": "0.55,0.45", "output__format": "text"}
    manifest: Manifest = expand(folder / "out", log, **flags)
    assert [len(manifest.split_shards(split.name)) for split in manifest.splits] == [2, 2]
    return folder / "out"


def make_mutant(dataset: Path, folder: Path, number: int) -> tuple[str, Mutant]:
    """Mutant number so and so of `dataset`, in `folder`, which must not exist; its kind and what was done to it."""
    kind = [*KINDS][number % len(KINDS)]
    shutil.copytree(dataset, folder, copy_function=os.link)
    mutant = Mutant(folder, random.Random(number))
    KINDS[kind](mutant)
    return kind, mutant


def changed_bytes(content: bytes, chance: random.Random, most: int) -> bytes:
    """The content with 1 to `most` of its bytes changed."""
    changed = bytearray(content)
    for at in chance.sample(range(len(content)), chance.randint(1, min(most, len(content)))):
        changed[at] ^= chance.randint(1, 255)
    return bytes(changed)


def flipped_bit(content: bytes, chance: random.Random) -> bytes:
    """The content with one bit the other way round."""
    changed = bytearray(content)
    changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _longer(content: bytes, chance: random.Random) -> bytes:
    return content + chance.choice([b"\0", b" x", content, chance.randbytes(chance.randint(1, 99))])


def _zeroed(content: bytes, chance: random.Random) -> bytes:
    pages = [at for at in range(0, len(content), PAGE) if any(content[at : at + PAGE])]
    at = chance.choice(pages)
    return content[:at] + bytes(len(content[at : at + PAGE])) + content[at + PAGE :]


def _pages_swapped(content: bytes, chance: random.Random) -> bytes:
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    one, two = next(
        (a, b) for a, b in iter(lambda: chance.sample(range(len(pages)), 2), None) if pages[a] != pages[b]
    )
    pages[one], pages[two] = pages[two], pages[one]
    return b"".join(pages)


def _line_gone(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _line_twice(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[: at + 1], *lines[at:]])


def _lines_swapped(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    one = chance.choice([at for at in range(len(lines) - 1) if lines[at] != lines[at + 1]])
    lines[one : one + 2] = reversed(lines[one : one + 2])
    return b"".join(lines)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a bit flipped": flipped_bit,
    "bytes changed": lambda content, chance: changed_bytes(content, chance, 16),
    "cut short": _cut,
    "made longer": _longer,
    "a page zeroed": _zeroed,
    "emptied": lambda content, chance: b"",
}
PAGES = {"two pages swapped": _pages_swapped, "other bytes": lambda content, chance: chance.randbytes(len(content))}
LINES = {"a line gone": _line_gone, "a line twice": _line_twice, "two lines swapped": _lines_swapped}


def _on_shard(change: Callable[[bytes, random.Random], bytes]) -> Kind:
    def damage(mutant: Mutant) -> None:
        path = mutant.shard()
        mutant.write(path, change(path.read_bytes(), mutant.chance))

    return damage


def _on_manifest(change: Callable[[bytes, random.Random], bytes]) -> Kind:
    return lambda mutant: mutant.write_manifest(change(mutant.manifest.read_bytes(), mutant.chance))


def _on_side(part: str, change: Callable[[bytes, random.Random], bytes]) -> Kind:
    def damage(mutant: Mutant) -> None:
        path = mutant.folder / "_gcsl" / FILES[part]
        before = path.read_bytes()
        mutant.write(path, change(before, mutant.chance))
        mutant.may_pass = part != "template" and _same(_meaning(path.name, before), _meaning(path.name, path.read_bytes()))
        mutant.parts |= set() if mutant.may_pass else {part}

    return damage


def _replaced(path: Path, mutant: Mutant, kind: str) -> None:
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
        mutant.parts.add(_split(path.name))
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


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that can be named."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from _places(item, (*at, key))


def _at(content: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        content = content[key]
    return content


def _value_changed(content: dict[str, Any], chance: random.Random) -> None:
    *way, last = chance.choice(list(_places(content)))
    holder = _at(content, tuple(way))
    old = holder[last]
    others = [None, "x", "\x1b[31m", -1, 0, 10**30, 0.5, True, [], {}, [old], {"x": old}]
    if isinstance(old, int | float) and not isinstance(old, bool):
        others += [old + 1, -old, old * 2, str(old), float(old)]
    if isinstance(old, str):
        others += [old + " ", old.upper(), old[::-1], ""]
    holder[last] = chance.choice([other for other in others if not _same(other, old)])


def _field_gone(content: dict[str, Any], chance: random.Random) -> None:
    *way, last = chance.choice(list(_places(content)))
    del _at(content, tuple(way))[last]


def _field_added(content: dict[str, Any], chance: random.Random) -> None:
    places = [(), *(place for place in _places(content) if isinstance(_at(content, place), dict))]
    _at(content, chance.choice(places))[chance.choice(["x", "", "Rows", "__class__"])] = chance.choice([None, 1, {}])


def _item_twice(content: dict[str, Any], chance: random.Random) -> None:
    lists = [_at(content, place) for place in _places(content) if isinstance(_at(content, place), list)]
    items = chance.choice([items for items in lists if items])
    items.insert(chance.randrange(len(items)), chance.choice(items))


def _shards_reordered(content: dict[str, Any], chance: random.Random) -> None:
    one, two = chance.sample(range(len(content["shards"])), 2)
    shards = content["shards"]
    shards[one], shards[two] = shards[two], shards[one]


def _hashes_swapped(content: dict[str, Any], chance: random.Random) -> None:
    one, two = chance.sample(content["shards"], 2)
    one["sha256"], two["sha256"] = two["sha256"], one["sha256"]


EDITS: dict[str, Callable[[dict[str, Any], random.Random], None]] = {
    "a value changed": _value_changed,
    "a field gone": _field_gone,
    "a field added": _field_added,
    "an item twice": _item_twice,
    "shards in another order": _shards_reordered,
    "two hashes swapped": _hashes_swapped,
}


def _edited(change: Callable[[dict[str, Any], random.Random], None]) -> Kind:
    return lambda mutant: mutant.edit(lambda content: change(content, mutant.chance))


def _text(change: Callable[[str, random.Random], str]) -> Kind:
    return _on_manifest(lambda content, chance: change(content.decode(), chance).encode("utf-8", "surrogatepass"))


TEXTS: dict[str, Callable[[str, random.Random], str]] = {
    "a byte order mark": lambda text, chance: "\ufeff" + text,
    "a key twice": lambda text, chance: text.replace(
        *chance.choice([('"kind"', '"kind": "examples", "kind"'), ('"rows"', '"rows": 1, "rows"')]), 1
    ),
    "a number that is none": lambda text, chance: text.replace(
        '"mean": ', f'"mean": {chance.choice(["NaN", "Infinity", "-Infinity", "1e999", "01", "+1", "1.", "0x1"])}, "x": ', 1
    ),
    "a deep nest": lambda text, chance: text.replace(
        '"recipe": {', f'"recipe": {{"x": {"[" * 100_000}{"]" * 100_000},', 1
    ),
    "a comment": lambda text, chance: f"// ours\n{text}",
    "half a surrogate": lambda text, chance: text.replace(
        *chance.choice([('"unit": "', '"unit": "\\ud800'), ('"text": "', '"text": "\\udc00')]), 1
    ),
    "raw half a surrogate": lambda text, chance: text.replace('"unit": "', '"unit": "\ud800', 1),
    "an endless number": lambda text, chance: text.replace('"rows": ', f'"rows": {"9" * 5000}', 1),
    "something else": lambda text, chance: chance.choice(["[]", "null", "1", "{}", "true", '""', "x", "<html>", "{}{}"]),
}  # fmt: skip


def _utf16(mutant: Mutant) -> None:
    mutant.write_manifest(mutant.manifest.read_text().encode(mutant.chance.choice(["utf-16", "utf-32", "utf-16-le"])))


def _huge(mutant: Mutant) -> None:
    mutant.manifest.unlink()
    with mutant.manifest.open("wb") as file:
        file.truncate(2**30)
    mutant.parts.add("manifest")
    mutant.is_parsed = False


def _no_manifest(kind: str) -> Kind:
    def damage(mutant: Mutant) -> None:
        mutant.parts.add("manifest")
        mutant.is_parsed = False
        if kind == "gone":
            mutant.manifest.unlink()
        elif kind == "link":
            mutant.manifest.unlink()
            mutant.manifest.symlink_to("nowhere")
        else:
            _replaced(mutant.manifest, mutant, kind)

    return damage


def _forged_shard(values: Callable[[dict[str, Any]], dict[str, list[Any]]], part: str | None = None) -> Kind:
    """One field of one shard says something else; None takes it away. The part is the shard's split, unless one is given."""

    def damage(mutant: Mutant) -> None:
        def change(content: dict[str, Any]) -> None:
            shard = mutant.chance.choice(content["shards"])
            names = values(shard)
            name = mutant.chance.choice([*names])
            shard[name] = mutant.chance.choice(names[name])
            mutant.parts.add(part or shard["split"])

        mutant.forge(change)

    return damage


def _hash_gone(mutant: Mutant) -> None:
    mutant.forge(lambda content: mutant.chance.choice(content["shards"]).pop("sha256"), "manifest")


def _forged_version(mutant: Mutant) -> None:
    version = mutant.chance.choice([999, 2, 0, -1, "1", None, 1.5, [], {}])
    mutant.forge(lambda content: content.update(format_version=version), "manifest")


def _forged_field(mutant: Mutant) -> None:
    """A field that no manifest has, or none where each has one."""
    place = mutant.chance.choice(OBJECTS)

    def change(content: dict[str, Any]) -> None:
        found = _at(content, place)
        if mutant.chance.random() < 0.5:
            found["x"] = 1
        else:
            found.pop(mutant.chance.choice([name for name in found if name != "dataset_id"]))

    mutant.forge(change, "manifest")


def _forged_list(mutant: Mutant) -> None:
    def change(content: dict[str, Any]) -> None:
        shards = content["shards"]
        content["shards"] = mutant.chance.choice([[], [*shards, shards[0]], [shards[1], *shards]])

    mutant.forge(change, "manifest")


def _forged_name(mutant: Mutant) -> None:
    name = mutant.chance.choice(HOSTILE_NAMES)
    mutant.forge(lambda content: mutant.chance.choice(content["shards"]).update(name=name), "manifest")


def _forged_fit(mutant: Mutant) -> None:
    """Numbers that belong together and no longer agree."""

    def change(content: dict[str, Any]) -> None:
        thresholds, goals = content["fit"]["thresholds"], content["goals"]
        one, two = mutant.chance.sample(range(len(goals)), 2)
        way = mutant.chance.choice(["edge", "mean", "printed", "index", "threshold", "dropped", "inference", "order"])
        if way == "mean":
            content["fit"]["mean"] += 0.25
        elif way == "inference":
            content["inference_goal"] = mutant.chance.choice([1, 99, None])
        elif way == "order":
            thresholds.reverse()
            goals.reverse()
        elif way in ("threshold", "dropped"):
            goals[one][way] = "x"
        else:
            thresholds[one][way] = {"edge": 0.77, "printed": "much", "index": thresholds[two]["index"]}[way]

    mutant.forge(change, "manifest")


def _forged_columns(mutant: Mutant) -> None:
    def change(content: dict[str, Any]) -> None:
        columns = content["columns"]
        one, two = mutant.chance.sample(range(len(columns)), 2)
        way = mutant.chance.choice(["order", "name", "type", "gone", "more"])
        if way == "order":
            columns[one], columns[two] = columns[two], columns[one]
        elif way == "gone":
            del columns[one]
        elif way == "more":
            columns.append({"name": "more", "type": "int64", "nullable": True})
        else:
            columns[one][way] += "x"

    mutant.forge(change, "columns")


def _side_replaced(mutant: Mutant) -> None:
    part = mutant.chance.choice([*FILES])
    _replaced(mutant.folder / "_gcsl" / FILES[part], mutant, mutant.chance.choice(["pipe", "folder"]))
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


def _reworded(mutant: Mutant) -> None:
    """The same manifest in other words."""
    content = document(mutant.folder)
    turned = {name: content[name] for name in reversed(content)}
    text = mutant.chance.choice(
        [json.dumps(content), json.dumps(turned, indent=1), json.dumps(content, indent=4) + "\n\n \t\n"]
    )
    mutant.write_manifest(text.encode())
    assert mutant.may_pass
    mutant.may_pass = False


def _linked(mutant: Mutant) -> None:
    """The same bytes in a file of their own."""
    path = mutant.shard()
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    mutant.parts.clear()


KINDS: dict[str, Kind] = {
    **{f"shard: {name}": _on_shard(change) for name, change in {**BYTES, **PAGES}.items()},
    "shard: two swapped": _shards_swapped,
    "shard: a copy of another": _shard_copied,
    "shard: gone": lambda mutant: mutant.shard().unlink(),
    "shard: renamed": _shard_renamed,
    "shard: one too many": _shard_added,
    **{
        f"shard: a {kind}": lambda mutant, kind=kind: _replaced(mutant.shard(), mutant, kind)
        for kind in ("link", "pipe", "folder")
    },
    **{f"manifest: {name}": _on_manifest(change) for name, change in {**BYTES, **LINES}.items()},
    **{f"manifest: {name}": _text(change) for name, change in TEXTS.items()},
    **{f"manifest: {name}": _edited(change) for name, change in EDITS.items()},
    "manifest: another encoding": _utf16,
    "manifest: a gigabyte": _huge,
    **{f"manifest: {kind}": _no_manifest(kind) for kind in ("gone", "link", "pipe", "folder")},
    "forged: rows": _forged_shard(lambda shard: {"rows": [shard["rows"] + 1, shard["rows"] - 1, 0, 2**31, 2**63 - 1]}),
    "forged: bytes": _forged_shard(lambda shard: {"bytes": [shard["bytes"] + 1, shard["bytes"] - 8, 0, 2**63 - 1]}),
    "forged: no count": _forged_shard(
        lambda shard: {n: [-1, -(2**63), 2**63, 10**30, 1.5, float(shard[n]), str(shard[n]), None, True]
                       for n in ("rows", "bytes")},
        "manifest",
    ),
    "forged: hash": _forged_shard(
        lambda shard: {"sha256": [shard["sha256"].upper(), "0" * 64, "", shard["sha256"][:-1], "d41d8cd98f00b204e9800998ecf8427e"]}
    ),
    "forged: no hash": _hash_gone,
    "forged: name": _forged_name,
    "forged: version": _forged_version,
    "forged: fields": _forged_field,
    "forged: shards twice or none": _forged_list,
    "forged: numbers that disagree": _forged_fit,
    "forged: columns": _forged_columns,
    **{f"{part}: {name}": _on_side(part, change) for part in FILES for name, change in BYTES.items()},
    "side file: no file": _side_replaced,
    "side file: gone": _side_gone,
    "side file: rejects that nobody counted": _rejects_added,
    "harmless: what nobody reads": _unread,
    "harmless: other words": _reworded,
    "harmless: other inode": _linked,
}  # fmt: skip


def _split(name: str) -> str:
    return Path(name).name.partition("-")[0]


def _meaning(name: str, content: bytes) -> Any:
    if name.endswith(".json"):
        return _parsed(content)
    try:
        return tomllib.loads(content.decode())
    except ValueError:
        return None


def _parsed(content: bytes) -> Any:
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


def _same(one: Any, two: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are one number, true is none."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_same, one, two))
    return isinstance(one, bool) == isinstance(two, bool) and one == two

