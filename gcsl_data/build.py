"""The whole program: measure, expand, write the dataset, the manifest last."""

import hashlib
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import polars as pl
import tomli_w

from gcsl_data import __version__
from gcsl_data.dataset import files
from gcsl_data.dataset.card import CARD_NAME, dataset_card
from gcsl_data.dataset.decode import canonical, encode, pretty
from gcsl_data.dataset.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    SIDE_FOLDER,
    Manifest,
    Shard,
    Template,
    load,
    template_file,
)
from gcsl_data.dataset.shards import DATA_FOLDER, manifest_columns, number_shards
from gcsl_data.dataset.verified import verified_shards
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError, OutputError, shown
from gcsl_data.ingest.rejects import reject_lines
from gcsl_data.measure import Measured, measure
from gcsl_data.plan import Plan
from gcsl_data.recipe import portable
from gcsl_data.settle import settle
from gcsl_data.writing import schema_of

OnRows = Callable[[int, int], None]
_OURS = {MANIFEST_NAME, SIDE_FOLDER, DATA_FOLDER, CARD_NAME}  # what stands in a dataset's folder
_BYTES_BESIDE_TEXT = 250  # of a row: id, hash of the group, roles, numbers, offsets


def build(
    plan: Plan, engine: Engine, out: Path, *, overwrite: bool = False, on_rows: OnRows | None = None
) -> tuple[Manifest, Measured]:
    """Writes the dataset at `out`; `on_rows(done, total)` hears of progress.

    With `overwrite` a dataset may stand there: the new one takes its place when all of it is written and its shards have been
    read back. Raises what `measure` raises, DataError (65) when no record gives an example, OutputError (73) when something
    else stands at `out`, WriteError (74) when the disk refuses.
    """
    require_place(out, overwrite=overwrite)
    started = time.monotonic()
    plan = settle(plan, engine)
    measured = measure(plan, engine)
    _require_examples(measured)
    files.require_space(out, _bytes_needed(plan, measured))
    with files.staged(out, overwrite=overwrite) as folder:
        shards = _write_examples(plan, engine, measured, folder, on_rows)
        for log in plan.logs:
            log.require_unchanged()
        manifest = _manifest(plan, measured, shards)
        _write_side_files(plan, engine, manifest, folder, seconds=time.monotonic() - started)
        files.write_bytes(folder / CARD_NAME, dataset_card(manifest).encode())
        files.write_bytes(folder / MANIFEST_NAME, pretty(encode(manifest)))
        if overwrite:
            verified_shards(folder, load(folder), manifest.shards)
            require_place(out, overwrite=True)  # something may have been put there meanwhile
    return manifest, measured


def require_place(out: Path, *, overwrite: bool) -> None:
    """Raises OutputError (73) when something stands at `out` that is not to be overwritten: no dataset, or no leave to."""
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


def _bytes_needed(plan: Plan, measured: Measured) -> int:
    """About how many bytes the shards take: every example an average record's text, its goal, and its other columns."""
    records = sum(split.records for split in measured.splits)
    goal = max((len(text.encode()) for text in measured.texts.values()), default=0)
    each = plan.text_bytes / max(records, 1) + 2 * goal + _BYTES_BESIDE_TEXT
    return round(each * sum(split.examples for split in measured.splits))


def _require_examples(measured: Measured) -> None:
    """A frozen fit may ask for more than any record reaches; a dataset without a row is of no use to anybody."""
    if not any(split.examples for split in measured.splits):
        counts = measured.accounting.rejected | measured.accounting.filtered
        why = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        what = f"none of {measured.accounting.rows} rows gives an example ({why})"
        raise DataError("GD1306", f"{what}; fit anew, or use the --fit of a log like these")


def _write_examples(
    plan: Plan, engine: Engine, measured: Measured, folder: Path, on_rows: OnRows | None
) -> tuple[Shard, ...]:
    total = sum(split.examples for split in measured.splits)
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if on_rows:
            on_rows(done, total)

    written = engine.write(plan, measured.fit, measured.texts, plan.fragments, folder, count)
    assert done == total, f"wrote {done} examples where the count promised {total}"
    return number_shards(folder, written, plan.splits, schema_of(plan, measured.fit))


def _manifest(plan: Plan, measured: Measured, shards: tuple[Shard, ...]) -> Manifest:
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
        shards=shards,
        columns=columns,
        columns_sha256=hashlib.sha256(canonical(encode(columns))).hexdigest(),
    ).identified()


def _write_side_files(plan: Plan, engine: Engine, manifest: Manifest, folder: Path, *, seconds: float) -> None:
    side = folder / SIDE_FOLDER
    side.mkdir()
    files.write_bytes(side / "fit.json", pretty(encode(manifest.fit)))
    files.write_bytes(side / "goals.json", pretty(encode(manifest.goals)))
    files.write_bytes(side / "recipe.toml", tomli_w.dumps(manifest.recipe).encode())
    for name, template in plan.templates.items():
        files.write_bytes(side / template_file(name), template.text.encode())
    if manifest.accounting.rejected:
        files.write_bytes(side / "rejects.jsonl", reject_lines(plan.logs, engine.measure(plan.rejects())))
    run = {"seconds": round(seconds, 3), "python": platform.python_version(), "host": platform.node()}
    files.write_bytes(side / "run.json", pretty(run))
