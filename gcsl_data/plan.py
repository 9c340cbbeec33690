"""The plan: what will be done to the logs, stage by stage. Nothing runs here; an engine runs it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import polars as pl

from gcsl_data.columns import ASPECT_PREFIX, FRAGMENT, KINDS, TIME
from gcsl_data.dataset.manifest import Hygiene
from gcsl_data.errors import RecipeError, UsageError, nearest
from gcsl_data.fit import Comparator, Direction, Fit
from gcsl_data.fragments import Fragment, divide_logs, fragments_of, joined, undivided
from gcsl_data.frozen import frozen_fit
from gcsl_data.ingest.inputs import Log
from gcsl_data.lookup import lookup
from gcsl_data.normalisation import GroupMethodName
from gcsl_data.reading import Reading, read_logs
from gcsl_data.recipe import Recipe
from gcsl_data.stages.builders.built import Built
from gcsl_data.stages.builders.registry import Job
from gcsl_data.stages.builders.rows import to_rows
from gcsl_data.stages.builders.steerlm import attribute_names
from gcsl_data.stages.facts import facts_of, rejected_rows, with_left_out
from gcsl_data.stages.fitting import AT_LEAST
from gcsl_data.stages.formulations import FORMULATIONS, Formulation
from gcsl_data.stages.labels import graded, raw_columns, with_labels
from gcsl_data.stages.leaks import leak_patterns
from gcsl_data.stages.render import Layout, to_examples
from gcsl_data.stages.splits import SPLIT_NAMES, assign_splits
from gcsl_data.stages.templates import SHORT_DEFAULTS, GoalTemplate, load_template
from gcsl_data.stages.wording import value_expression
from gcsl_data.time_cuts import TimeCuts

Step = Callable[[pl.LazyFrame], pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class Plan:
    """Lazy frames from logs to examples. `records` carries `reject` and `split` beside the record's columns.

    `steps` have made `records` out of those that `reading` gives; `facts` are what an engine put down of them, and the steps
    that came after were taken with them too. `templates` are by aspect, a single reward's stands under "reward"; there are
    none where goals are not written in words. `frozen` is the fit to use instead of a new one; `hygiene`, `text_bytes` (of
    all usable records), `group_method` and `time_cuts` are what `settle` found.
    """

    recipe: Recipe
    reading: Reading
    formulation: Formulation
    templates: dict[str, GoalTemplate]
    records: pl.LazyFrame
    steps: tuple[Step, ...] = ()
    facts: pl.LazyFrame | None = None
    frozen: Fit | None = None
    hygiene: Hygiene | None = None
    text_bytes: int = 0
    group_method: GroupMethodName | None = None
    time_cuts: TimeCuts | None = None

    @property
    def logs(self) -> tuple[Log, ...]:
        """The logs that are read, in order."""
        return self.reading.logs

    @property
    def aspects(self) -> dict[str, Direction]:
        """The rewards that stand side by side."""
        return self.reading.aspects

    @property
    def notes(self) -> tuple[str, ...]:
        """How the logs were read, where that is not obvious."""
        return self.reading.notes

    @property
    def fragments(self) -> tuple[Fragment, ...]:
        """The stretches of the logs that are expanded apart."""
        return fragments_of(self.reading.pieces)

    def then(self, *steps: Step) -> "Plan":
        """The plan with one step more for its records, and for its facts."""
        facts = None if self.facts is None else reduce(taken, steps, self.facts)
        return replace(self, records=reduce(taken, steps, self.records), facts=facts, steps=(*self.steps, *steps))

    def of(self, fragments: Sequence[Fragment]) -> "Plan":
        """The plan for the rows of consecutive fragments; itself for all of them."""
        if len(fragments) == len(self.fragments):
            return self
        return replace(self, records=reduce(taken, self.steps, self.reading.of(joined(fragments))), facts=None)

    def divided(self) -> "Plan":
        """The plan with its logs cut into fragments, before any step but those of `make_plan`."""
        pieces = (
            divide_logs(self.logs, self.recipe.output.fragment_bytes) if self.is_divisible else undivided(self.logs)
        )
        reading = replace(self.reading, pieces=pieces)
        return replace(self, reading=reading, records=reduce(taken, self.steps, reading.records()))

    @property
    def is_divisible(self) -> bool:
        """Whether the rows of a record follow from it and from what was measured, without other records beside it."""
        by_rank = self.recipe.bins.ties == "rank" or (self.frozen is not None and self.frozen.is_by_rank)
        return not (self.formulation.builder or by_rank or self.recipe.shape.spans_rows)

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

    def rejects(self) -> pl.LazyFrame:
        """Where each rejected row stands and why."""
        return rejected_rows(self.known)

    @property
    def known(self) -> pl.LazyFrame:
        """The facts that were put down."""
        assert self.facts is not None, "facts are put down before anything is measured"
        return self.facts

    def facts_to_put_down(self) -> pl.LazyFrame:
        """The facts of all records, to be put down once, and what later steps need."""
        metric = self.recipe.goals.metric
        leaks = leak_patterns(self.templates.values(), [*self.aspects, *([metric] if metric else [])])
        needed = ["group"] if self.scales_by_group else []
        if self.recipe.splits.by == "time":
            needed += ["prompt_hash", TIME]
        return facts_of(self.records, ["reward", *self.rewards], leaks, needed)

    @property
    def scales_by_group(self) -> bool:
        """Whether rewards are to be put on the scale of their group."""
        stage = self.recipe.rewards
        if self.frozen:
            return self.frozen.by_group is not None
        return stage.normalize_by == "group" and stage.normalize != "none"

    def examples(self, fit: Fit, texts: dict[int, str]) -> pl.LazyFrame:
        """Good records expanded into examples, in log order, with `split` and `FRAGMENT`; `texts` are those of all goals."""
        layout = Layout(self.recipe.goals.placement, self.recipe.output.format)
        if self.formulation.builder:
            rows, kept = self.built(fit).rows, (*self.carried(fit), "split")
            whole = to_rows(rows, kind=self.formulation.kind, layout=layout, keep=kept)
            return whole.with_columns(pl.lit(0, pl.Int32).alias(FRAGMENT))
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
            is_hashed=bool(self.recipe.splits.shares) or self.scales_by_group,
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


def taken(frame: pl.LazyFrame, step: Step) -> pl.LazyFrame:
    """What a step makes of a frame; `reduce(taken, steps, frame)` takes them all."""
    return step(frame)


def make_plan(logs: tuple[Log, ...], recipe: Recipe) -> Plan:
    """Logs and a recipe in, a plan out.

    Raises RecipeError (78) for the template or a fit that does not belong to the recipe, DataError (65) for columns that are
    missing or of the wrong type.
    """
    formulation = FORMULATIONS[recipe.goals.formulation]
    written = {column.name for column in KINDS[formulation.kind]}
    if again := [name for name in recipe.record.keep if name in written]:
        raise UsageError(
            "GD0260",
            f"--keep {again[0]}: --formulation {recipe.goals.formulation} writes a column of that name itself; leave it out",
        )
    by_time = recipe.splits.by == "time"
    reading = read_logs(logs, undivided(logs), recipe.record, recipe.shape, needs_time=by_time)
    aspects = reading.aspects
    if aspects and not formulation.takes_aspects:
        raise UsageError(
            "GD0250",
            f"--formulation {recipe.goals.formulation} speaks of one reward, and there are {len(aspects)}; "
            "use gcsl-bey-nl, gcsl-bey-snl, gcsl-bey, gcsl, sft-aug or steerlm, or map one of them",
        )
    if aspects and recipe.bins.ties == "rank":
        raise UsageError("GD0266", f"--ties rank cuts one reward, and there are {len(aspects)}; use merge or spread")
    if recipe.output.format == "text" and not reading.is_text:
        raise UsageError("GD0206", "--format text needs plain-text prompts, and these are chat messages; leave it out")
    plan = Plan(
        recipe=recipe,
        reading=reading,
        formulation=formulation,
        templates=_templates(recipe, formulation, aspects),
        records=reading.records(),
    ).then(partial(with_left_out, stage=recipe.checks))
    if not by_time:
        plan = plan.then(partial(assign_splits, shares=recipe.splits.shares))
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
