"""From what a person names on the command line to its stats: a dataset, or logs with a recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcsl_data.audit.stats import Stats, stats_of
from gcsl_data.audit.subject import Subject, subject_of_dataset, subject_of_log
from gcsl_data.audit.summary import Summary, summary_of
from gcsl_data.audit.sweep import SweepRow, counts_of, require_choice, sweep_bins
from gcsl_data.dataset.find import is_dataset, newest_dataset, require_settled
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.errors import UsageError
from gcsl_data.extremes import Extremes, extremes
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.measure import measure
from gcsl_data.plan import make_plan
from gcsl_data.recipe import Recipe, resolve
from gcsl_data.settle import settle

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Described:
    """The stats, what they are of, and what is to be said beside them; `extremes` are a log's."""

    stats: Stats
    summary: Summary
    subject: Subject
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    extremes: Extremes | None


def named(
    paths: Sequence[str], *, against: str | None = None, flags: Mapping[str, Any], file: str | None, preset: str | None
) -> tuple[list[str], Recipe | None]:
    """The paths that are meant, the dataset here when none is named; and the recipe for a log, None where there is none.

    Raises UsageError (2) for settings beside a dataset.
    """
    found = list(paths) or [str(newest_dataset(Path.cwd()))]
    if not is_dataset(found) or (against is not None and not is_dataset([against])):
        return found, resolve(flags=flags, file=file, preset=preset)[0]
    require_settled(found[0], has_settings=bool(file or preset) or any(value is not None for value in flags.values()))
    return found, None


def describe(
    paths: Sequence[str],
    recipe: Recipe | None,
    *,
    against: str | None = None,
    sweep: str | None = None,
    tokenizer: str | None = None,
    on_step: OnStep = lambda _step: None,
) -> Described:
    """The stats of one dataset, or of logs under a recipe (None: a dataset is meant). Writes nothing.

    `against` is another dataset or log, `sweep` numbers of bins such as 2..10, `tokenizer` a tokenizer.json or its folder.
    `on_step` hears what is done now.
    """
    counts = () if sweep is None else counts_of(sweep)
    is_folder = is_dataset(paths)
    if is_folder and counts:
        raise UsageError(
            "GD0275", "--sweep-bins is for logs: a dataset's bins are settled; name the log it was made of"
        )
    looked = _of_dataset(paths[0], on_step) if is_folder else _of_logs(paths, recipe or Recipe(), counts, on_step)
    reference = None
    if against is not None:
        is_other = is_dataset([against])
        other = _of_dataset(against, on_step) if is_other else _of_logs([against], recipe or Recipe(), (), on_step)
        reference = (against, other.subject)
    on_step("computing the sections")
    name, subject = ", ".join(paths), looked.subject
    stats = stats_of(subject, name, against=reference, sweep=looked.sweep, tokenizer=tokenizer)
    summary = summary_of(subject.found, name, subject.formulation)
    return Described(stats, summary, subject, looked.notes, looked.warnings, looked.extremes)


@dataclass(frozen=True, slots=True)
class _Looked:
    subject: Subject
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    extremes: Extremes | None = None
    sweep: tuple[SweepRow, ...] = ()


def _of_dataset(path: str, on_step: OnStep) -> _Looked:
    on_step(f"{path}: verifying and reading the shards")
    return _Looked(subject_of_dataset(Path(path), load(path)))


def _of_logs(paths: Sequence[str], recipe: Recipe, counts: Sequence[int], on_step: OnStep) -> _Looked:
    name = ", ".join(paths)
    on_step(f"{name}: recognising")
    logs = find_logs(paths, recipe.shape)
    engine = LocalEngine(logs)
    plan = make_plan(logs, recipe)
    if counts:
        require_choice(plan)
    on_step(f"{name}: looking for what is suspicious")
    plan = settle(plan, engine)
    on_step(f"{name}: counting rewards")
    measured = measure(plan, engine)
    on_step(f"{name}: lengths, groups and levels")
    return _Looked(
        subject_of_log(plan, measured, engine),
        plan.notes,
        measured.warnings,
        extremes(plan.records, plan.known, measured.census, engine, direction=plan.direction),
        sweep_bins(plan, measured.census, counts) if counts else (),
    )
