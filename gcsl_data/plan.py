"""The plan: what will be done to the logs, stage by stage. Nothing runs here; an engine runs it."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from gcsl_data.census import census_of
from gcsl_data.columns import ASPECT_PREFIX, KINDS, TIME
from gcsl_data.dataset.manifest import Hygiene
from gcsl_data.errors import DataError, RecipeError, UsageError, nearest
from gcsl_data.fit import Comparator, Direction, Fit
from gcsl_data.frozen import frozen_fit
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.mapping import aspects_of, to_records
from gcsl_data.ingest.shapes.settings import ShapeStage
from gcsl_data.lookup import lookup
from gcsl_data.normalisation import GroupMethodName
from gcsl_data.recipe import Recipe, RecordStage
from gcsl_data.stages.builders.built import Built
from gcsl_data.stages.builders.registry import Job
from gcsl_data.stages.builders.rows import to_rows
from gcsl_data.stages.builders.steerlm import attribute_names
from gcsl_data.stages.checks import flag_rejects, rejected_rows
from gcsl_data.stages.fitting import AT_LEAST
from gcsl_data.stages.formulations import FORMULATIONS, Formulation
from gcsl_data.stages.labels import graded, raw_columns, with_labels
from gcsl_data.stages.render import Layout, to_examples
from gcsl_data.stages.splits import SPLIT_NAMES, assign_splits
from gcsl_data.stages.templates import SHORT_DEFAULTS, GoalTemplate, load_template
from gcsl_data.stages.times import shared_kind, with_time
from gcsl_data.stages.wording import value_expression
from gcsl_data.time_cuts import TimeCuts


@dataclass(frozen=True, slots=True)
class Plan:
    """Lazy frames from logs to examples. `records` carries `reject` and `split` beside the record's columns.

    `aspects` are the rewards that stand side by side, each with its direction; none when there is one reward. `templates` are
    by aspect, a single reward's stands under "reward"; there are none where goals are not written in words. `frozen` is the
    fit to use instead of a new one; `hygiene`, `text_bytes` (of all usable records), `group_method` and `time_cuts` are what
    `settle` found. `notes` say how the
    logs were read where that is not obvious.
    """

    recipe: Recipe
    logs: tuple[Log, ...]
    formulation: Formulation
    templates: dict[str, GoalTemplate]
    records: pl.LazyFrame
    aspects: dict[str, Direction]
    frozen: Fit | None = None
    hygiene: Hygiene | None = None
    text_bytes: int = 0
    group_method: GroupMethodName | None = None
    time_cuts: TimeCuts | None = None
    notes: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        """Which values of the logged `reward` are better; of several rewards it is the first."""
        return next(iter(self.aspects.values())) if self.aspects else self.recipe.record.direction

    @property
    def rewards(self) -> dict[str, Direction]:
        """The columns that are graded, with the direction of each: `reward`, or `reward_<aspect>` for every aspect."""
        return {ASPECT_PREFIX + name: way for name, way in self.aspects.items()} or {"reward": self.direction}

    @property
    def comparators(self) -> dict[str, Comparator]:
        """How each graded column is compared: as its template's sentence says, else "at least"."""
        names = {column: column.removeprefix(ASPECT_PREFIX) for column in self.rewards}
        return {
            column: self.templates[name].comparator if name in self.templates else AT_LEAST[self.rewards[column]]
            for column, name in names.items()
        }

    @property
    def is_binned(self) -> bool:
        """Whether the rewards have thresholds."""
        by_level = self.formulation.form == "attributes" and self.recipe.build.attribute_values == "levels"
        return self.formulation.has_thresholds or by_level

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order."""
        return SPLIT_NAMES[: max(1, len(self.recipe.splits.shares))]

    def census(self) -> pl.LazyFrame:
        """The measure that everything is fitted on."""
        return census_of(self.records, list(self.rewards), has_neutral=self.group_method is not None)

    def rejects(self) -> pl.LazyFrame:
        """Where each rejected row stands and why."""
        return rejected_rows(self.records, is_text=self.records.collect_schema()["prompt"] == pl.String)

    def examples(self, fit: Fit, texts: dict[int, str]) -> pl.LazyFrame:
        """Good records expanded into examples, in log order, with their `split`; `texts` are those of all goals."""
        layout = Layout(self.recipe.goals.placement, self.recipe.output.format)
        if self.formulation.builder:
            rows, kept = self.built(fit).rows, (*self.carried(fit), "split")
            return to_rows(rows, kind=self.formulation.kind, layout=layout, keep=kept)
        labelled = self.labelled(fit)
        if self.formulation.form == "value":
            goal = value_expression(self.templates["reward"], fit)
        else:
            goal = lookup(pl.col("copy"), texts, pl.String) if self.formulation.form else None
        numbers = {t.index: fit.sign * t.bound for t in fit.thresholds} if self.formulation.indexed else {}
        return to_examples(
            labelled,
            goal=goal,
            thresholds={} if fit.aspects else numbers,
            indexed=self.formulation.indexed,
            layout=layout,
            carried=tuple(self.carried(fit)),
        )

    def labelled(self, fit: Fit) -> pl.LazyFrame:
        """Good records on the scale of the fit, with their `level` and, unless a builder makes the rows, their `copy`."""
        return with_labels(self._good, fit, self.formulation)

    def built(self, fit: Fit) -> Built:
        """What the formulation's builder makes of the good records; its rows carry their `split`."""
        assert self.formulation.builder is not None
        job = Job(self.recipe.build, fit, self.attribute_names, keep=(*self.carried(fit), "split"))
        return self.formulation.builder.make(graded(self._good, fit), job)

    def carried(self, fit: Fit) -> dict[str, pl.DataType]:
        """Dtype of each column that rows have beside their own: the reward of each aspect, kept ones of the log, and what
        rewards were before they were normalised."""
        schema = self.records.collect_schema()
        kept = {name: schema[name] for name in (*map(ASPECT_PREFIX.__add__, self.aspects), *self.recipe.record.keep)}
        return {**kept, **{name: pl.Float64() for name in raw_columns(fit)}}

    @property
    def attribute_names(self) -> dict[str, str]:
        """What each graded column is called as an attribute."""
        return attribute_names(self.rewards, self.recipe.goals.metric)

    @property
    def _good(self) -> pl.LazyFrame:
        return self.records.filter(pl.col("reject").is_null())


def make_plan(logs: tuple[Log, ...], recipe: Recipe) -> Plan:
    """Logs and a recipe in, a plan out.

    Raises RecipeError (78) for the template or a fit that does not belong to the recipe, DataError (65) for columns that are
    missing or of the wrong type.
    """
    formulation = FORMULATIONS[recipe.goals.formulation]
    if taken := [name for name in recipe.record.keep if name in {column.name for column in KINDS[formulation.kind]}]:
        raise UsageError(
            "GD0260",
            f"--keep {taken[0]}: --formulation {recipe.goals.formulation} writes a column of that name itself; leave it out",
        )
    by_time = recipe.splits.by == "time"
    records, aspects, notes = all_records(logs, recipe.record, recipe.shape, needs_time=by_time)
    if aspects and not formulation.takes_aspects:
        raise UsageError(
            "GD0250",
            f"--formulation {recipe.goals.formulation} speaks of one reward, and there are {len(aspects)}; "
            "use gcsl-bey-nl, gcsl-bey-snl, gcsl-bey, gcsl, sft-aug or steerlm, or map one of them",
        )
    if aspects and recipe.bins.ties == "rank":
        raise UsageError("GD0266", f"--ties rank cuts one reward, and there are {len(aspects)}; use merge or spread")
    is_text = records.collect_schema()["prompt"] == pl.String
    if recipe.output.format == "text" and not is_text:
        raise UsageError("GD0206", "--format text needs plain-text prompts, and these are chat messages; leave it out")
    plan = Plan(
        recipe=recipe,
        logs=logs,
        formulation=formulation,
        templates=_templates(recipe, formulation, aspects),
        records=records if by_time else assign_splits(records, recipe.splits.shares),
        aspects=aspects,
        notes=notes,
    )
    frozen = frozen_fit(recipe, form=formulation.form, rewards=plan.rewards, comparators=plan.comparators)
    if frozen:
        _require_numbers(plan, frozen)
    return replace(plan, frozen=frozen)


def _require_numbers(plan: Plan, frozen: Fit) -> None:
    """Raises RecipeError (78) when an earlier fit lacks what the formulation works with, or has what it does not."""
    formulation = plan.formulation
    parts = [aspect.fit for aspect in frozen.aspects] or [frozen]
    wrong = {
        "thresholds": any(bool(part.thresholds) != plan.is_binned for part in parts),
        "a cut": bool(frozen.cut) != bool(formulation.cut),
        "a deviation": formulation.has_deviation and frozen.deviation is None,
    }
    if lacking := [what for what, is_wrong in wrong.items() if is_wrong]:
        name = plan.recipe.goals.formulation
        raise RecipeError(
            "GD7853",
            f"{plan.recipe.bins.fit} is no fit for {name}: the two differ in {lacking[0]}; fit anew with {name}",
        )


def _templates(recipe: Recipe, formulation: Formulation, aspects: dict[str, Direction]) -> dict[str, GoalTemplate]:
    """The template of each aspect; of several, each says its part in a short sentence unless another is named."""
    form, stage = formulation.form, recipe.goals
    if unknown := [name for name in stage.aspects if name not in aspects]:
        raise UsageError("GD0251", f"goals.aspects.{unknown[0]}: no such aspect; {nearest(unknown[0], list(aspects))}")
    if aspects and stage.metric:
        raise UsageError(
            "GD0264",
            f"--metric names one reward, and there are {len(aspects)}, called by their names; "
            "--set goals.aspects.NAME.metric=... names one of them otherwise",
        )
    if form in (None, "token", "attributes"):
        if stage.template is not None:
            raise UsageError("GD0252", f"--formulation {stage.formulation} writes no sentence; leave out --template")
        return {}
    if not aspects:
        default = formulation.templates[recipe.record.direction] if formulation.templates else None
        return {"reward": load_template(stage, recipe.record.direction, form=form, default=default)}
    return {
        name: load_template(stage.of_aspect(name), way, form=form, default=SHORT_DEFAULTS[way])
        for name, way in aspects.items()
    }


def all_records(
    logs: tuple[Log, ...], stage: RecordStage, shape: ShapeStage, *, needs_time: bool = False
) -> tuple[pl.LazyFrame, dict[str, Direction], tuple[str, ...]]:
    """The flagged records of all logs, one after another, their aspects, and the notes on how they were read."""
    aspects = aspects_of(logs, stage)
    mapped = [to_records(log, stage, shape) for log in logs]
    schemas = {log.uri: frame.collect_schema() for log, (frame, _) in zip(logs, mapped, strict=True)}
    _require_same_prompts(schemas)
    shared = {name: _shared_type(name, schemas) for name in stage.keep}
    kind = shared_kind(schemas)
    frames = [
        with_time(frame, kind).with_columns(pl.col(name).cast(dtype) for name, dtype in shared.items())
        for frame, _ in mapped
    ]
    is_text = next(iter(schemas.values()))["prompt"] == pl.String
    notes = [*(note for log in logs for note in log.notes), *(note for _, given in mapped for note in given)]
    columns = [ASPECT_PREFIX + name for name in aspects]
    if needs_time and (without := [uri for uri, schema in schemas.items() if TIME not in schema]):
        raise UsageError(
            "GD0253", f"splits by time need the time of each record, {without[0]} has none; say --map time=SQL"
        )
    flagged = flag_rejects(pl.concat(frames, how="vertical"), is_text=is_text, aspects=columns, needs_time=needs_time)
    return flagged, aspects, tuple(notes)


def _require_same_prompts(schemas: dict[str, pl.Schema]) -> None:
    text = [uri for uri, schema in schemas.items() if schema["prompt"] == pl.String]
    chat = [uri for uri, schema in schemas.items() if schema["prompt"] != pl.String]
    if text and chat:
        raise DataError("GD1210", f"prompts are text in {text[0]} and chat messages in {chat[0]}; expand them apart")


def _shared_type(name: str, schemas: dict[str, pl.Schema]) -> pl.DataType:
    """The one dtype of a kept column over all logs; a log that lacks it gives nulls."""
    found = {uri: schema[name] for uri, schema in schemas.items() if schema[name] != pl.Null}
    if not found:
        raise DataError("GD1211", f"no log has a column {name!r} to keep with a value in it; check --keep")
    if all(dtype.is_numeric() for dtype in found.values()) and len(set(found.values())) > 1:
        return pl.Float64()
    (first, dtype), *others = found.items()
    if _has_no_field(dtype):
        raise DataError(
            "GD1220",
            f"the column {name!r} of {first} holds objects without a field, which no file can keep; leave it out",
        )
    for uri, other in others:
        if other != dtype:
            raise DataError(
                "GD1212", f"the column {name!r} is {dtype} in {first} and {other} in {uri}; make them one type"
            )
    return dtype


def _has_no_field(dtype: Any) -> bool:
    """Whether there is nothing in the objects that stand in such a column, at any depth."""
    if isinstance(dtype, pl.List | pl.Array):
        return _has_no_field(dtype.inner)
    return isinstance(dtype, pl.Struct) and (not dtype.fields or any(_has_no_field(f.dtype) for f in dtype.fields))
