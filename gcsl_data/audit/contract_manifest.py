"""The rules of the contract that speak of the manifest and the files beside it, without a look at any row."""

import hashlib
import json
import os
import stat
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema

from gcsl_data.audit.contract_rows import formulation_of
from gcsl_data.audit.finding import Finding, found
from gcsl_data.dataset.decode import canonical, encode, parse
from gcsl_data.dataset.goal import token
from gcsl_data.dataset.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    SIDE_FOLDER,
    Manifest,
    template_file,
)
from gcsl_data.fit import Fit, Threshold
from gcsl_data.resources import folder
from gcsl_data.stages import snap
from gcsl_data.stages.aspects import ladder
from gcsl_data.stages.checks import FILTERED


def schema_findings(document: Any) -> Iterator[Finding]:
    """Nothing for a manifest of another version: reading it says what to do."""
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        return
    schema = json.loads((folder("schemas") / "manifest.schema.json").read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield found("manifest.schema", MANIFEST_NAME, f"{error.json_path}: {error.message}")


def misfits(manifest: Manifest) -> Iterator[str]:
    """What a formulation cannot be: of another kind, or with a fit that lacks its numbers."""
    formulation, fit = formulation_of(manifest), manifest.fit
    if formulation.kind != manifest.kind:
        yield f"{manifest.formulation} gives datasets of kind {formulation.kind}, not {manifest.kind}"
    if formulation.form != fit.form or (formulation.cut is None) != (fit.cut is None):
        yield f"the fit is not one for {manifest.formulation}"
    if formulation.has_deviation and fit.deviation is None:
        yield f"the fit has no deviation, of which {manifest.formulation} are made"


def manifest_findings(manifest: Manifest) -> list[Finding]:
    """What the manifest says against itself."""
    return [*_identity(manifest), *_goal_texts(manifest), *_counts(manifest), *_empty_splits(manifest)]


def _identity(manifest: Manifest) -> Iterator[Finding]:
    if manifest.identified().dataset_id != manifest.dataset_id:
        yield found("manifest.id", MANIFEST_NAME, "does not match its dataset_id: it was edited after it was written")
    if hashlib.sha256(canonical(encode(manifest.columns))).hexdigest() != manifest.columns_sha256:
        yield found("manifest.id", MANIFEST_NAME, "columns_sha256 is not the hash of the columns")


def _goal_texts(manifest: Manifest) -> Iterator[Finding]:
    fit = manifest.fit
    for goal, threshold in zip(manifest.goals, fit.thresholds, strict=False):
        where = f"goal {goal.index}"
        if goal.text is None:
            continue
        if hashlib.sha256(goal.text.encode()).hexdigest() != goal.sha256:
            yield found("manifest.id", MANIFEST_NAME, f"{where}: sha256 is not the hash of its text")
        if missing := [number for number in _stated(fit, threshold) if number not in goal.text]:
            yield found("rows.true", MANIFEST_NAME, f"{where} does not print its threshold {missing[0]}")
        if threshold.bound != _bound(fit, threshold):
            words = f"{where}: rows are labelled with {threshold.bound}, it says {goal.threshold}"
            yield found("rows.true", MANIFEST_NAME, words)


def _stated(fit: Fit, threshold: Threshold) -> list[str]:
    """What the text of a goal must have in it."""
    if fit.form == "token":
        return [token(threshold.index)]
    if fit.aspects:
        return [asked.printed for asked in ladder(fit.aspects)[threshold.index - 1]]
    return [threshold.printed]


def _bound(fit: Fit, threshold: Threshold) -> float:
    """The bound that what is printed stands for; labels and joint goals count from 1."""
    if fit.rule in ("labels", "aspects") or (fit.form == "token" and fit.rule != "given"):
        return threshold.edge
    return snap.bound(threshold.printed, fit.comparator)


def _counts(manifest: Manifest) -> Iterator[Finding]:
    for split in manifest.splits:
        rows = sum(shard.rows for shard in manifest.split_shards(split.name))
        if rows != split.examples:
            message = f"split {split.name} says {split.examples} examples, its shards {rows}"
            yield found("manifest.counts", MANIFEST_NAME, message)
    yield from (found("manifest.counts", MANIFEST_NAME, problem) for problem in _open_accounts(manifest))
    written = [goal for goal in manifest.goals if goal.text is not None]
    if written and sum(goal.examples for goal in written) != sum(split.examples for split in manifest.splits):
        yield found("manifest.counts", MANIFEST_NAME, "the goals' examples do not add up to the splits'")


def _open_accounts(manifest: Manifest) -> Iterator[str]:
    """Where rows went missing: in all, by input, by reason, and on the way into splits."""
    account = manifest.accounting
    if account.rows != account.used + sum(account.rejected.values()) + sum(account.filtered.values()):
        yield "rows are not used + rejected + filtered"
    if account.rows != sum(log.rows for log in manifest.inputs):
        yield f"the inputs have {sum(log.rows for log in manifest.inputs)} rows, the accounting says {account.rows}"
    rejected = sum((Counter(log.rejected) for log in manifest.inputs), Counter())
    if rejected != Counter(account.rejected):
        yield "the rejected rows of the inputs do not add up to those in the accounting, reason by reason"
    for log in manifest.inputs:
        if min(log.rejected.values(), default=1) < 1 or sum(log.rejected.values()) > log.rows:
            yield f"{log.uri}: {sum(log.rejected.values())} of {log.rows} rows are rejected"
    in_splits = sum(split.records for split in manifest.splits)
    kept = account.used + sum(count for reason, count in account.filtered.items() if reason not in FILTERED)
    if in_splits != kept:
        yield f"the splits hold {in_splits} records, the accounting has {kept} that were not left out before"


def _empty_splits(manifest: Manifest) -> Iterator[Finding]:
    for split in manifest.splits:
        if not split.examples:
            words = f"{split.name} has no rows (of {split.records} records), and some readers refuse that"
            yield found("splits.empty", MANIFEST_NAME, words)


def side_findings(path: Path, manifest: Manifest) -> Iterator[Finding]:
    """What the files in `_gcsl` say against the manifest; one that is gone is a warning, because training needs none."""
    wanted = {
        "fit.json": lambda content: parse(content) == encode(manifest.fit),
        "goals.json": lambda content: parse(content) == encode(manifest.goals),
        "recipe.toml": lambda content: tomllib.loads(content.decode()) == manifest.recipe,
    }
    for name, template in manifest.templates.items():
        wanted[template_file(name)] = lambda text, of=template: hashlib.sha256(text).hexdigest() == of.sha256
    for name, agrees in wanted.items():
        yield from _side_file(path, f"{SIDE_FOLDER}/{name}", agrees)
    yield from _rejects(path, sum(manifest.accounting.rejected.values()))


def _side_file(path: Path, name: str, agrees: Callable[[bytes], bool]) -> Iterator[Finding]:
    if problem := _unusable(path / name, MAX_MANIFEST_BYTES):
        yield problem_of(name, problem)
        return
    try:
        holds = agrees((path / name).read_bytes())
    except (ValueError, RecursionError):  # no JSON, no TOML, no UTF-8
        holds = False
    if not holds:
        yield found("manifest.files", name, "does not say what the manifest says")


def _rejects(path: Path, rejected: int) -> Iterator[Finding]:
    name = f"{SIDE_FOLDER}/rejects.jsonl"
    if not rejected and not os.path.lexists(path / name):
        return
    if problem := _unusable(path / name, None):
        yield problem_of(name, problem)
        return
    with (path / name).open("rb") as file:
        lines = sum(1 for _ in file)
    if lines != rejected:
        yield found("manifest.files", name, f"has {lines} lines, the manifest counts {rejected} rejected rows")


def problem_of(name: str, problem: str) -> Finding:
    """The finding for a file that is not there or is none."""
    return found("manifest.files", name, problem, level="warning" if problem == _MISSING else "error")


_MISSING = "is missing"


def _unusable(path: Path, limit: int | None) -> str | None:
    """Why a file beside the manifest cannot be read, in words; it may be a stranger's."""
    try:
        info = path.lstat()
    except OSError:
        return _MISSING
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied"
    return f"is larger than {limit} bytes" if limit is not None and info.st_size > limit else None
