"""What differs between two datasets, from their manifests alone.

Everything that a manifest says is compared, also what a later version adds to it, so two datasets with different ids never
come out equal. Left out is what merely repeats something: hexadecimal forms, hashes of texts that are shown themselves.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcsl_data.dataset.decode import encode
from gcsl_data.dataset.manifest import Manifest

Section = Mapping[str, Any]
_REPEATS = frozenset({"edge_hex", "mean_hex", "columns_sha256", "dataset_id"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same. `before` and `after` are JSON values; null where the dataset does not have it."""

    section: str
    name: str
    before: Any
    after: Any


def diff(a: Manifest, b: Manifest) -> tuple[Difference, ...]:
    """All differences, section by section: dataset, inputs, recipe, template, fit, goals, counts, columns, shards, tools.

    Tools are not part of a dataset's content: with nothing else in the result, the `dataset_id` is the same.
    """
    before, after = _sections(a), _sections(b)
    found = tuple(
        Difference(section, " ".join(path), *values)
        for section in before
        for path, *values in _leaves(before[section], after[section], ())
    )
    if a.dataset_id != b.dataset_id and all(difference.section == "tools" for difference in found):
        return (Difference("dataset", "dataset_id", a.dataset_id, b.dataset_id), *found)
    return found


def _leaves(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Path, old and new value of everything that differs; what stands on one side only comes whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _leaves(before.get(name), after.get(name), (*path, name))
    elif before != after or type(before) is not type(after):
        yield path, before, after


def _sections(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The manifest's content, sorted for people: what keys lists of things are named by, counts apart from the rest."""
    content = encode(manifest)
    fit, goals = content.pop("fit"), content.pop("goals")
    thresholds = fit["thresholds"]
    inputs, columns, shards, tools = (content.pop(name) for name in ("inputs", "columns", "shards", "tools"))
    recipe, templates, splits = (content.pop(name) for name in ("recipe", "templates", "splits"))
    accounting, hygiene, ranges = (content.pop(name) for name in ("accounting", "hygiene", "ranges"))
    return {
        "dataset": _without(content, _REPEATS),
        "inputs": {item["uri"]: _without(item, {"uri"}) for item in inputs},
        "recipe": dict(_dotted(recipe)),
        "template": templates,
        "fit": _fit(fit),
        "goals": {f"goal {goal['index']}": {"use": goal["dropped"] or "kept", "text": goal["text"]} for goal in goals},
        "counts": {
            **accounting,
            "hygiene": hygiene,
            "fitted": {"records": fit["records"], "distinct": fit["distinct"]},
            **{f"split {split['name']}": _without(split, {"name"}) for split in splits},
            **{f"level {t['index']}": {"records": t["records"]} for t in thresholds},
            **{f"goal {goal['index']}": {"examples": goal["examples"]} for goal in goals},
            **{told["name"]: _without(told, {"name"}) for told in ranges},
        },
        "columns": {column["name"]: column["type"] + ", nullable" * column["nullable"] for column in columns},
        "shards": {split["name"]: _shards([s for s in shards if s["split"] == split["name"]]) for split in splits},
        "tools": tools,
    }


def _fit(fit: Section) -> dict[str, Any]:
    """A fit without what it counts: its own numbers, each threshold, each aspect."""
    return {
        "bins": len(fit["thresholds"]),
        **_without(fit, _REPEATS | {"records", "distinct", "thresholds", "aspects"}),
        **{
            f"threshold {t['index']}": _without(t, _REPEATS | {"index", "records", "reached", "dropped"})
            for t in fit["thresholds"]
        },
        **{aspect["name"]: {"metric": aspect["metric"], **_fit(aspect["fit"])} for aspect in fit["aspects"]},
    }


def _without(item: Section, names: frozenset[str] | set[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def _dotted(value: Section, at: str = "") -> Iterator[tuple[str, Any]]:
    """A setting as people name it: bins.count."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _dotted(inner, f"{at}{name}.")
        else:
            yield at + name, inner


def _shards(shards: Sequence[Section]) -> dict[str, Any]:
    """The shards of a split in three numbers; there may be thousands of them."""
    together = hashlib.sha256("".join(shard["sha256"] for shard in shards).encode()).hexdigest()
    return {"files": len(shards), "bytes": sum(shard["bytes"] for shard in shards), "sha256": together}
