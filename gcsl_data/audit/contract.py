"""The contract, checked: manifest against its schema, hashes, counts, columns, and that every sentence is true.

Each finding has a rule id, a place and what to do. Hashes come before parsing: a damaged shard is named, never opened.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pyarrow as pa

from gcsl_data.dataset.decode import canonical, encode
from gcsl_data.dataset.goal import affix
from gcsl_data.dataset.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    Manifest,
    Shard,
    contradictions,
    from_json,
    read_document,
    verified_shard,
)
from gcsl_data.dataset.shards import DATA_FOLDER, arrow_schema, manifest_columns, shard_schema
from gcsl_data.errors import DataError
from gcsl_data.lookup import lookup
from gcsl_data.resources import folder
from gcsl_data.stages import snap
from gcsl_data.stages.fitting import level_of
from gcsl_data.stages.render import example_id


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that breaks the contract: which rule, where, and in words."""

    rule: str
    where: str
    message: str


# Rule id -> what holds when nothing is found; `check` lists them.
CONTRACT = {
    "manifest.schema": "the manifest is valid against manifest.schema.json",
    "manifest.id": "dataset_id is the hash of the manifest's content",
    "manifest.counts": "rows, splits, goals and shards add up",
    "shards.hash": "every shard has the size and SHA-256 of the manifest, and no shard is extra",
    "shards.columns": "every shard has the columns of the manifest",
    "rows.count": "every shard has as many rows as the manifest says",
    "rows.id": "ids are unique and follow from source, row, part and goal",
    "rows.goal": "each row carries a kept goal, word for word, at its placement in the prompt",
    "rows.true": "every goal sentence is true of its row, and its level is right",
}


def check_dataset(path: Path) -> list[Finding]:
    """All findings for the dataset at `path`, in the order of `CONTRACT`; an empty list means that it holds.

    Raises InputError (66) or DataError (65) when the manifest cannot be parsed or is of another format version.
    """
    document = read_document(path)
    if findings := list(_schema(document)):
        return findings
    manifest = from_json(document, str(path / MANIFEST_NAME))
    if problems := list(contradictions(manifest)):
        return [Finding("manifest.counts", MANIFEST_NAME, problem) for problem in problems]
    findings = [*_identity(manifest), *_goal_texts(manifest), *_counts(manifest), *_extra_shards(path, manifest)]
    frames = []
    for shard in manifest.shards:
        found = list(_shard(path, manifest, shard))
        findings += found
        if not found:
            frames.append(pl.scan_ipc(path / shard.name).with_columns(shard=pl.lit(shard.name)))
    if frames:
        findings += _rows(pl.concat(frames), manifest, complete=len(frames) == len(manifest.shards))
    return findings


def _schema(document: Any) -> Iterator[Finding]:
    """Nothing for a manifest of another version: reading it says what to do."""
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        return
    schema = json.loads((folder("schemas") / "manifest.schema.json").read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield Finding("manifest.schema", f"{MANIFEST_NAME}:{error.json_path}", error.message)


def _identity(manifest: Manifest) -> Iterator[Finding]:
    if manifest.identified().dataset_id != manifest.dataset_id:
        yield Finding("manifest.id", MANIFEST_NAME, "does not match its dataset_id: it was edited after it was written")
    if hashlib.sha256(canonical(encode(manifest.columns))).hexdigest() != manifest.columns_sha256:
        yield Finding("manifest.id", MANIFEST_NAME, "columns_sha256 is not the hash of the columns")


def _goal_texts(manifest: Manifest) -> Iterator[Finding]:
    for goal, threshold in zip(manifest.goals, manifest.fit.thresholds, strict=False):
        where = f"{MANIFEST_NAME}:goals[{goal.index}]"
        if hashlib.sha256(goal.text.encode()).hexdigest() != goal.sha256:
            yield Finding("manifest.id", where, "sha256 is not the hash of the goal's text")
        if goal.threshold != threshold.printed or goal.threshold not in goal.text:
            yield Finding("rows.true", where, f"the sentence does not print its threshold {threshold.printed}")


def _counts(manifest: Manifest) -> Iterator[Finding]:
    for split in manifest.splits:
        rows = sum(shard.rows for shard in manifest.split_shards(split.name))
        if rows != split.examples:
            message = f"split {split.name} says {split.examples} examples, its shards {rows}"
            yield Finding("manifest.counts", MANIFEST_NAME, message)
    account = manifest.accounting
    if account.rows != account.used + sum(account.rejected.values()) + sum(account.filtered.values()):
        yield Finding("manifest.counts", MANIFEST_NAME, "rows are not used + rejected + filtered")
    if sum(goal.examples for goal in manifest.goals) != sum(split.examples for split in manifest.splits):
        yield Finding("manifest.counts", MANIFEST_NAME, "the goals' examples do not add up to the splits'")


def _extra_shards(path: Path, manifest: Manifest) -> Iterator[Finding]:
    known = {shard.name for shard in manifest.shards}
    for file in sorted((path / DATA_FOLDER).glob("*")):
        name = f"{DATA_FOLDER}/{file.name}"
        if name not in known:
            yield Finding(
                "shards.hash", name, "is not in the manifest, yet readers of the folder would read it; remove it"
            )


def _shard(path: Path, manifest: Manifest, shard: Shard) -> Iterator[Finding]:
    try:
        file = verified_shard(path, shard)
    except DataError as error:
        yield Finding("shards.hash", shard.name, error.message)
        return
    try:
        schema = shard_schema(file)
    except pa.ArrowInvalid as error:
        yield Finding("shards.columns", shard.name, f"is not an Arrow IPC file: {error}")
        return
    ours = arrow_schema(manifest.format)
    if list(schema)[: len(ours)] != list(ours) or manifest_columns(schema) != manifest.columns:
        yield Finding("shards.columns", shard.name, f"has other columns than the manifest: {', '.join(schema.names)}")
    rows = int(pl.scan_ipc(file).select(pl.len()).collect().item())
    if rows != shard.rows:
        yield Finding("rows.count", shard.name, f"has {rows} rows, the manifest says {shard.rows}")


def _rows(examples: pl.LazyFrame, manifest: Manifest, *, complete: bool) -> list[Finding]:
    """One pass over all rows: for each rule, how many break it and the first that does."""
    broken = {
        "rows.id": pl.col("id") != example_id(pl.col("goal_index")),
        "rows.goal": ~_carries_goal(manifest),
        "rows.true": ~_is_true(manifest),
    }
    first = pl.concat_str("shard", pl.lit(": id "), "id")
    queries = [
        examples.filter(rule.fill_null(True)).select(rule=pl.lit(name), rows=pl.len(), where=first.first())
        for name, rule in broken.items()
    ]
    counts = pl.concat(pl.collect_all(queries, engine="streaming")).filter(pl.col("rows") > 0)
    findings = [Finding(rule, where, f"{rows} rows break this") for rule, rows, where in counts.iter_rows()]
    repeated = examples.group_by("id").len().filter(pl.col("len") > 1).select("id").collect(engine="streaming")
    if repeated.height:
        findings.append(Finding("rows.id", f"id {repeated['id'].min()}", f"{repeated.height} ids stand more than once"))
    if complete:
        findings += _goal_counts(examples, manifest)
    return sorted(findings, key=lambda finding: list(CONTRACT).index(finding.rule))


def _goal_counts(examples: pl.LazyFrame, manifest: Manifest) -> Iterator[Finding]:
    counted = dict(examples.group_by("goal_index").len().collect(engine="streaming").iter_rows())
    for goal in manifest.kept_goals:
        if counted.get(goal.index, 0) != goal.examples:
            message = f"goal {goal.index} has {counted.get(goal.index, 0)} rows, the manifest says {goal.examples}"
            yield Finding("manifest.counts", MANIFEST_NAME, message)


def _carries_goal(manifest: Manifest) -> pl.Expr:
    goals = {goal.index: goal for goal in manifest.kept_goals}
    index, prompt = pl.col("goal_index"), pl.col("prompt")
    text = lookup(index, {k: g.text for k, g in goals.items()}, pl.String)
    number = lookup(index, {k: float(g.threshold) for k, g in goals.items()}, pl.Float64)
    around = {k: affix(goal.text, manifest.placement) for k, goal in goals.items()}
    before = lookup(index, {k: a.before for k, a in around.items()}, pl.String)
    after = lookup(index, {k: a.after for k, a in around.items()}, pl.String)
    if manifest.format == "text":
        turn = prompt
    elif manifest.placement == "system":
        turn = prompt.list.first().struct.field("content")
    else:
        user = prompt.list.filter(pl.element().struct.field("role") == "user")
        turn = user.list.last().struct.field("content")
    stands = turn.str.starts_with(before) & turn.str.ends_with(after)
    if manifest.placement == "system":
        stands = stands | (turn == text)
    return (pl.col("goal") == text) & (pl.col("threshold") == number) & stands


def _is_true(manifest: Manifest) -> pl.Expr:
    fit = manifest.fit
    strict = snap.is_strict(fit.comparator)
    bounds = {t.index: snap.bound(t.printed, fit.comparator) for t in fit.thresholds}
    bound = lookup(pl.col("goal_index"), bounds, pl.Float64)
    reward = pl.col("reward")
    holds = reward > bound if strict else reward >= bound
    return holds & reward.is_finite() & (pl.col("level") == level_of(list(bounds.values()), strict=strict))
