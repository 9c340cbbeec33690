"""The whole program: measure, expand, write the dataset, the manifest last."""

import hashlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import polars as pl
import tomli_w

from gcsl_data import __version__
from gcsl_data.dataset import files, finished
from gcsl_data.dataset.card import CARD_NAME, dataset_card
from gcsl_data.dataset.decode import canonical, encode, pretty
from gcsl_data.dataset.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    SIDE_FOLDER,
    Manifest,
    Template,
    has_parts,
    load,
    template_file,
)
from gcsl_data.dataset.shards import DATA_FOLDER, FragmentShards, manifest_columns, number_shards
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError, OutputError, shown
from gcsl_data.fragments import Fragment
from gcsl_data.ingest.rejects import reject_lines
from gcsl_data.measure import Measured, measure
from gcsl_data.plan import Plan
from gcsl_data.recipe import portable
from gcsl_data.settle import settle
from gcsl_data.writing import Writing, schema_of

OnRows = Callable[[int, int], None]
_OURS = {MANIFEST_NAME, SIDE_FOLDER, DATA_FOLDER, CARD_NAME}  # what stands in a dataset's folder
_BYTES_BESIDE_TEXT = 250  # of a row: id, hash of the group, roles, numbers, offsets


def build(
    plan: Plan,
    engine: Engine,
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    on_rows: OnRows | None = None,
    on_resume: OnRows | None = None,
) -> tuple[Manifest, Measured]:
    """Writes the dataset at `out`; `on_rows(done, total)` hears of progress.

    With `overwrite` a dataset may stand there: the new one takes its place when all of it is written and its shards have been
    read back. With `resume` the fragments that an interrupted build of the same dataset finished are not written again;
    `on_resume(finished, total)` hears how many these are.
    Raises what `measure` raises, DataError (65) when no record gives an example, OutputError (73) when something else stands
    at `out`, WriteError (74) when the disk refuses.
    """
    require_place(out, overwrite=overwrite)
    promised = promise(plan, engine)
    plan, manifest = promised.plan, promised.manifest
    files.require_space(out, promised.bytes_needed)
    with files.staged(out, overwrite=overwrite, resumable=resumable(promised, resume=resume)) as folder:
        written = write(promised, engine, plan.fragments, folder, on_rows, on_resume if resume else None)
        shards = number_shards(folder, written, plan.splits, schema_of(plan, manifest.fit))
        manifest = seal(folder, replace(manifest, shards=shards))
        if overwrite:
            verified_shards(folder, load(folder), manifest.shards)
            require_place(out, overwrite=True)  # something may have been put there meanwhile
    return manifest, promised.measured


@dataclass(frozen=True, slots=True)
class Promise:
    """Everything about a dataset but its shards: a settled plan, what was measured, and the manifest without them."""

    plan: Plan
    measured: Measured
    manifest: Manifest
    rejects: bytes
    started: float

    @property
    def key(self) -> str:
        """What finished fragments belong to: the dataset, as these versions of the tools write it."""
        return " ".join([self.manifest.dataset_id, *(f"{name}={v}" for name, v in self.manifest.tools.items())])

    @property
    def bytes_needed(self) -> int:
        """About how many bytes the shards take: every example an average record's text, its goal, and its other columns."""
        measured = self.measured
        records = sum(split.records for split in measured.splits)
        goal = max((len(text.encode()) for text in measured.texts.values()), default=0)
        each = self.plan.text_bytes / max(records, 1) + 2 * goal + _BYTES_BESIDE_TEXT
        return round(each * sum(split.examples for split in measured.splits))


def promise(plan: Plan, engine: Engine) -> Promise:
    """What a dataset will be; nothing is written.

    Raises as `measure` does, and DataError (65) when no record gives an example.
    """
    started = time.monotonic()
    plan = settle(plan, engine)
    measured = measure(plan, engine)
    _require_examples(measured)
    rejects = reject_lines(plan.logs, engine.measure(plan.rejects())) if measured.accounting.rejected else b""
    return Promise(plan, measured, _manifest(plan, measured), rejects, started)


def resumable(promised: Promise, *, resume: bool) -> files.Resumable:
    """How an interrupted build of this promise is kept, and gone on with."""
    total = len(promised.plan.fragments)

    def kept(folder: Path) -> str | None:
        done = finished.count(folder)
        return (
            f"{done} of {total} fragments are kept: the same command with --resume goes on with them" if done else None
        )

    return files.Resumable(adopts=lambda folder: resume and finished.is_of(folder, promised.key), keeps=kept)


def write(
    promised: Promise,
    engine: Engine,
    fragments: Sequence[Fragment],
    folder: Path,
    on_rows: OnRows | None,
    on_resume: OnRows | None,
) -> tuple[FragmentShards, ...]:
    """Those of the fragments that are not finished in `folder`, and the side files; gives the shards of all of them."""
    plan, measured = promised.plan, promised.measured
    done = finished.begin(folder, promised.key)
    if on_resume:
        on_resume(len(done), len(fragments))
    rows = sum(shard.rows for one in done.values() for shard in one.shards)
    share = len(fragments) / len(plan.fragments)
    total = round(sum(split.examples for split in measured.splits) * share)

    def count(more: int) -> None:
        nonlocal rows
        rows += more
        if on_rows:
            on_rows(rows, max(total, rows))

    def note(one: FragmentShards) -> None:
        done[one.fragment] = one
        if len(plan.fragments) > 1:
            finished.note(folder, one)

    rest = [fragment for fragment in fragments if fragment.index not in done]
    engine.write(Writing(plan, measured.fit, measured.texts, folder, on_rows=count, on_done=note), rest)
    assert share < 1 or rows == total, f"wrote {rows} examples where the count promised {total}"
    for log in plan.logs:
        log.require_unchanged()
    finished.end(folder)
    _write_side_files(promised, folder)
    return tuple(done[fragment.index] for fragment in fragments)


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Writes the card and, last of all, the manifest, which gets its id."""
    manifest = manifest.identified()
    files.write_bytes(folder / CARD_NAME, dataset_card(manifest).encode())
    files.write_bytes(folder / MANIFEST_NAME, pretty(encode(manifest)))
    return manifest


def require_place(out: Path, *, overwrite: bool) -> None:
    """Raises OutputError (73) when something stands at `out` that is not to be overwritten: no dataset, or no leave to."""
    if has_parts(out):
        raise OutputError(
            "GD7312",
            f"{out} holds parts of a dataset; gcsl-data merge {out} makes one of them, or choose another --out",
        )
    if not overwrite:
        files.require_absent(out)
    if not os.path.lexists(out):
        return
    if out.is_symlink() or out.samefile(".") or not (out / MANIFEST_NAME).is_file():
        raise OutputError(
            "GD7306",
            f"{out} is no dataset, or the folder we stand in; --overwrite replaces nothing else, so choose another --out",
        )
    if foreign := sorted({path.name for path in out.iterdir()} - _OURS):
        raise OutputError(
            "GD7307",
            f"{out} holds {shown(foreign[0])}, which --overwrite would remove with the dataset; move it away first",
        )


def _require_examples(measured: Measured) -> None:
    """A frozen fit may ask for more than any record reaches; a dataset without a row is of no use to anybody."""
    if not any(split.examples for split in measured.splits):
        counts = measured.accounting.rejected | measured.accounting.filtered
        why = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        what = f"none of {measured.accounting.rows} rows gives an example ({why})"
        raise DataError("GD1306", f"{what}; fit anew, or use the --fit of a log like these")


def _manifest(plan: Plan, measured: Measured) -> Manifest:
    recipe = plan.recipe
    columns = manifest_columns(schema_of(plan, measured.fit))
    return Manifest(
        format_version=FORMAT_VERSION,
        dataset_id="",
        kind=plan.formulation.kind,
        formulation=recipe.goals.formulation,
        format=recipe.output.format,
        placement=recipe.goals.placement,
        inference_goal=max(measured.texts.keys() & {*measured.fit.kept}, default=None),
        inference_text=measured.inference_text,
        inference_reward=measured.inference_reward,
        tools={"gcsl": __version__, "polars": pl.__version__, "pyarrow": version("pyarrow")},
        inputs=measured.inputs,
        accounting=measured.accounting,
        hygiene=measured.hygiene,
        recipe=portable(recipe),
        templates={
            name: Template(name=t.name, sha256=t.sha256, metric=t.metric, scale=t.scale, unit=t.unit)
            for name, t in plan.templates.items()
        },
        fit=measured.fit,
        goals=measured.goals,
        splits=measured.splits,
        ranges=measured.ranges,
        shards=(),
        columns=columns,
        columns_sha256=hashlib.sha256(canonical(encode(columns))).hexdigest(),
    ).identified()


def _write_side_files(promised: Promise, folder: Path) -> None:
    plan, manifest = promised.plan, promised.manifest
    side = folder / SIDE_FOLDER
    side.mkdir()
    files.write_bytes(side / "fit.json", pretty(encode(manifest.fit)))
    files.write_bytes(side / "goals.json", pretty(encode(manifest.goals)))
    files.write_bytes(side / "recipe.toml", tomli_w.dumps(manifest.recipe).encode())
    for name, template in plan.templates.items():
        files.write_bytes(side / template_file(name), template.text.encode())
    if promised.rejects:
        files.write_bytes(side / "rejects.jsonl", promised.rejects)
    seconds = round(time.monotonic() - promised.started, 3)
    run = {"seconds": seconds, "python": platform.python_version(), "host": platform.node()}
    files.write_bytes(side / "run.json", pretty(run))
