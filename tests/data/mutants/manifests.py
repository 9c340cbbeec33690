"""What may be wrong with a manifest whose id stays as it was: damaged bytes, edits, other words."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.data.mutants.bytes import BYTES, LINES
from tests.data.mutants.mutant import Kind, Mutant, same
from tests.data.mutants.shards import replaced
from tests.data.support import document


def _on_manifest(change: Callable[[bytes, random.Random], bytes]) -> Kind:
    return lambda mutant: mutant.write_manifest(change(mutant.manifest.read_bytes(), mutant.chance))


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that can be named."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*way, key)
        yield from _places(item, (*way, key))


def at(content: Any, place: tuple[Any, ...]) -> Any:
    """What stands at a place in a document."""
    for key in place:
        content = content[key]
    return content


def _value_changed(content: dict[str, Any], chance: random.Random) -> None:
    *way, last = chance.choice(list(_places(content)))
    holder = at(content, tuple(way))
    old = holder[last]
    others = [None, "x", "\x1b[31m", -1, 0, 10**30, 0.5, True, [], {}, [old], {"x": old}]
    if isinstance(old, int | float) and not isinstance(old, bool):
        others += [old + 1, -old, old * 2, str(old), float(old)]
    if isinstance(old, str):
        others += [old + " ", old.upper(), old[::-1], ""]
    holder[last] = chance.choice([other for other in others if not same(other, old)])


def _field_gone(content: dict[str, Any], chance: random.Random) -> None:
    *way, last = chance.choice(list(_places(content)))
    del at(content, tuple(way))[last]


def _field_added(content: dict[str, Any], chance: random.Random) -> None:
    places = [(), *(place for place in _places(content) if isinstance(at(content, place), dict))]
    at(content, chance.choice(places))[chance.choice(["x", "", "Rows", "__class__"])] = chance.choice([None, 1, {}])


def _item_twice(content: dict[str, Any], chance: random.Random) -> None:
    lists = [at(content, place) for place in _places(content) if isinstance(at(content, place), list)]
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
            replaced(mutant.manifest, mutant, kind)

    return damage


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


MANIFESTS: dict[str, Kind] = {
    **{f"manifest: {name}": _on_manifest(change) for name, change in {**BYTES, **LINES}.items()},
    **{f"manifest: {name}": _text(change) for name, change in TEXTS.items()},
    **{f"manifest: {name}": _edited(change) for name, change in EDITS.items()},
    "manifest: another encoding": _utf16,
    "manifest: a gigabyte": _huge,
    **{f"manifest: {kind}": _no_manifest(kind) for kind in ("gone", "link", "pipe", "folder")},
    "harmless: other words": _reworded,
}
