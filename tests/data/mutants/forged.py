"""Manifests whose id was made to fit, as somebody does who wants to get past it."""

from collections.abc import Callable
from typing import Any

from tests.data.mutants.manifests import at
from tests.data.mutants.mutant import Kind, Mutant
from tests.data.mutants.names import HOSTILE_NAMES

OBJECTS = (
    (), ("accounting",), ("hygiene",), ("fit",), ("fit", "thresholds", 1), ("goals", 3), ("splits", 0), ("shards", 0),
    ("columns", 2), ("inputs", 0), ("templates", "reward"),
)  # fmt: skip


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
        found = at(content, place)
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
    name = mutant.chance.choice([*HOSTILE_NAMES.values()])
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


FORGED: dict[str, Kind] = {
    "forged: rows": _forged_shard(lambda shard: {"rows": [shard["rows"] + 1, shard["rows"] - 1, 0, 2**31, 2**63 - 1]}),
    "forged: bytes": _forged_shard(lambda shard: {"bytes": [shard["bytes"] + 1, shard["bytes"] - 8, 0, 2**63 - 1]}),
    "forged: no count": _forged_shard(
        lambda shard: {n: [-1, -(2**63), 2**63, 10**30, 1.5, float(shard[n]), str(shard[n]), None, True]
                       for n in ("rows", "bytes")},
        "manifest",
    ),
    "forged: hash": _forged_shard(
        lambda shard: {"sha256": [shard["sha256"].upper(), "0" * 64, "", shard["sha256"][:-1], "d41d8cd98f00b204e98"]}
    ),
    "forged: no hash": _hash_gone,
    "forged: name": _forged_name,
    "forged: version": _forged_version,
    "forged: fields": _forged_field,
    "forged: shards twice or none": _forged_list,
    "forged: numbers that disagree": _forged_fit,
    "forged: columns": _forged_columns,
}  # fmt: skip
