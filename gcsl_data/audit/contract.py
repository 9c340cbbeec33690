"""The contract, checked: manifest against its schema, hashes, counts, columns, and that every sentence is true.

Hashes come before parsing: a damaged shard is named, never opened.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from gcsl_data.audit.contract_manifest import manifest_findings, misfits, schema_findings, side_findings
from gcsl_data.audit.contract_rows import broken_rows, check_rows, rows_of
from gcsl_data.audit.finding import CONTRACT, Finding, found
from gcsl_data.columns import OURS
from gcsl_data.dataset.manifest import (
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
from gcsl_data.stages.formulations import FORMULATIONS

# What only the rows of all shards can tell.
_ABOUT_ROWS = ("manifest.counts", "rows.id", "rows.goal", "rows.true", "rows.splits")


def check_dataset(path: Path) -> list[Finding]:
    """All findings for the dataset at `path`, in the order of `CONTRACT`; an empty list means that it holds.

    Raises InputError (66) or DataError (65) when the manifest cannot be parsed or is of another format version.
    """
    return look_at(path)[0]


def look_at(path: Path) -> tuple[list[Finding], set[str]]:
    """What `check_dataset` gives, and the rules that were looked at: for one about shards or rows that is, in all shards.

    Raises InputError (66) or DataError (65) when the manifest cannot be parsed or is of another format version.
    """
    document = read_document(path)
    if findings := list(schema_findings(document)):
        return findings, {"manifest.schema"}
    manifest = from_json(document, str(path / MANIFEST_NAME))
    if problems := list(contradictions(manifest)):
        return [found("manifest.counts", MANIFEST_NAME, problem) for problem in problems], {"manifest.schema"}
    if problems := list(_foreign(manifest)):
        return [found("manifest.schema", MANIFEST_NAME, problem) for problem in problems], set()
    findings = [*manifest_findings(manifest), *side_findings(path, manifest), *_extra_shards(path, manifest)]
    whole: dict[str, Shard] = {}
    looked_at = {*CONTRACT}
    for shard in manifest.shards:
        problems = list(_shard(path, manifest, shard))
        findings += problems
        if problems:
            looked_at -= {*_ABOUT_ROWS, *_not_reached(problems)}
        else:
            whole[shard.name] = shard
    rows = rows_of(path, whole)
    if rows is not None:
        findings += check_rows(rows, manifest, complete=len(whole) == len(manifest.shards))
    return findings, looked_at


def _not_reached(problems: list[Finding]) -> Iterator[str]:
    """What a shard is not asked once something is wrong with it."""
    broken = {problem.rule for problem in problems}
    if "shards.hash" in broken:
        yield "shards.columns"
    if "rows.count" not in broken:
        yield "rows.count"


def extract(path: Path) -> pl.LazyFrame | None:
    """The rows of whole shards that break a rule, with `_gcsl_rule` and `_gcsl_row`; None where no shard can be read.

    Asks for a manifest that `check_dataset` could follow down to the rows.
    """
    document = read_document(path)
    if any(schema_findings(document)):
        return None
    manifest = from_json(document, str(path / MANIFEST_NAME))
    if any(contradictions(manifest)) or any(_foreign(manifest)):
        return None
    whole = {shard.name: shard for shard in manifest.shards if not any(_shard(path, manifest, shard))}
    rows = rows_of(path, whole)
    return None if rows is None else broken_rows(rows, manifest)


def _foreign(manifest: Manifest) -> Iterator[str]:
    """What this gcsl cannot hold rows to."""
    if manifest.formulation not in FORMULATIONS:
        yield f"no formulation {manifest.formulation!r}; known: {', '.join(FORMULATIONS)}"
        return
    yield from misfits(manifest)
    for column in manifest.columns:
        if column.name.startswith(OURS):
            yield f"the column {column.name} is called like those that gcsl makes itself"


def _extra_shards(path: Path, manifest: Manifest) -> Iterator[Finding]:
    known = {shard.name for shard in manifest.shards}
    for file in sorted((path / DATA_FOLDER).glob("*")):
        name = f"{DATA_FOLDER}/{file.name}"
        if name not in known:
            words = "is not in the manifest, yet readers of the folder would read it"
            yield found("shards.hash", name, words)


def _shard(path: Path, manifest: Manifest, shard: Shard) -> Iterator[Finding]:
    try:
        file = verified_shard(path, shard)
    except DataError as error:
        yield found("shards.hash", shard.name, error.message)
        return
    try:
        schema = shard_schema(file)
    except pa.ArrowInvalid as error:
        yield found("shards.columns", shard.name, f"is not an Arrow IPC file: {error}")
        return
    ours = arrow_schema(manifest.format, kind=manifest.kind)
    if list(schema)[: len(ours)] != list(ours) or manifest_columns(schema) != manifest.columns:
        yield found("shards.columns", shard.name, f"has other columns than the manifest: {', '.join(schema.names)}")
    rows = int(pl.scan_ipc(file).select(pl.len()).collect().item())
    if rows != shard.rows:
        yield found("rows.count", shard.name, f"has {rows} rows, the manifest says {shard.rows}")
