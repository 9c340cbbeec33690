"""One pass over the logs: everything that is known before a row is written."""

import hashlib
from dataclasses import dataclass, replace

import polars as pl

from gcsl_data.census import Census, counted, take_census
from gcsl_data.columns import ASPECT_PREFIX
from gcsl_data.dataset.manifest import Accounting, Goal, Hygiene, Input, Range, Split
from gcsl_data.engines import Engine
from gcsl_data.fit import Aspect, Direction, Fit
from gcsl_data.normalisation import Normalisation, Number
from gcsl_data.plan import Plan
from gcsl_data.recipe import RewardsStage
from gcsl_data.stages import bins
from gcsl_data.stages.aspects import joint_fit, joint_level_of
from gcsl_data.stages.builders.steerlm import best_string, coarse_warnings, side_by_side
from gcsl_data.stages.builders.unpaired import require_both
from gcsl_data.stages.builders.weights import fit_weights
from gcsl_data.stages.fitting import fit_cut, fit_rewards
from gcsl_data.stages.goal_filter import choose_goals
from gcsl_data.stages.labels import left_out, on_scale, with_labels
from gcsl_data.stages.normalise import fit_normalisation, on_own_scale
from gcsl_data.stages.rewards import mirrored
from gcsl_data.stages.thresholds import threshold_warnings, thresholds_of
from gcsl_data.stages.wording import goal_texts, value_text
from gcsl_data.tally import Tally, tally, tally_warnings

VALUE_SHARE = (
    0.05  # a goal that states a value asks for the lowest of the best 5 % (our choice; the papers leave it open)
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The fit, the goals, and the exact size of the dataset that would come of it."""

    fit: Fit
    goals: tuple[Goal, ...]
    inference_text: str | None
    inference_reward: float | None
    splits: tuple[Split, ...]
    ranges: tuple[Range, ...]
    inputs: tuple[Input, ...]
    accounting: Accounting
    hygiene: Hygiene
    census: Census
    warnings: tuple[str, ...]

    @property
    def texts(self) -> dict[int, str]:
        """Goal index to text, of every goal that is written."""
        return {goal.index: goal.text for goal in self.goals if goal.text is not None}


def measure(plan: Plan, engine: Engine) -> Measured:
    """Counts, fit and goals of a settled plan's logs. Nothing is written.

    Raises DataError (65) for rows that cannot be used or rewards that cannot be binned, RecipeError (78) for goals that
    read the same.
    """
    assert plan.hygiene is not None, "a plan is settled before it is measured"
    census = take_census(plan.known, engine, list(plan.rewards), has_neutral=plan.group_method is not None)
    census.require_usable(plan.recipe.checks, plan.logs)
    fit, warnings = (plan.frozen, ()) if plan.frozen else fit_census(census, plan)
    texts = goal_texts(fit, plan.templates)
    labelled = _labelled(fit, census, plan)
    counts = tally(plan, fit, engine) if plan.formulation.builder else _counts(labelled, plan)
    text, reward = _inference(plan, fit, texts, census)
    return Measured(
        fit=fit,
        goals=tuple(_goal(t.index, fit, texts, labelled, plan) for t in fit.thresholds),
        inference_text=text,
        inference_reward=reward,
        splits=tuple(
            Split(name=name, records=int(labelled.filter(pl.col("split") == name)["records"].sum()), examples=examples)
            for name, examples in counts.rows.items()
        ),
        ranges=counts.ranges,
        inputs=census.inputs(plan.logs),
        accounting=census.accounting(filtered=counts.dropped),
        hygiene=plan.hygiene,
        census=census,
        warnings=warnings + tally_warnings(counts),
    )


def rows_of(fit: Fit, census: Census, plan: Plan) -> Tally:
    """What a fit would make of counted records, where no builder makes the rows."""
    return _counts(_labelled(fit, census, plan), plan)


def _labelled(fit: Fit, census: Census, plan: Plan) -> pl.DataFrame:
    return with_labels(_counted_by(fit, census), fit, plan.formulation).collect()


def _counted_by(fit: Fit, census: Census) -> pl.LazyFrame:
    """Usable records, counted; one by one where the fit may tell equal rewards apart."""
    usable = census.usable.lazy()
    if not fit.is_by_rank:
        return usable
    alone = usable.with_columns(records=pl.lit(1, pl.Int64).repeat_by("records"))
    return alone.explode("records", empty_as_null=False)


def fit_census(census: Census, plan: Plan) -> tuple[Fit, tuple[str, ...]]:
    """The fit of the train split, and what a person should be warned of."""
    fits: dict[str, Fit] = {}
    warnings: list[str] = []
    for column, direction in plan.rewards.items():
        name = column.removeprefix(ASPECT_PREFIX)
        fits[name], said = _fit_one(census, plan, column, direction)
        warnings += [f"{name}: {line}" if plan.aspects else line for line in said]
    if not plan.aspects:
        return fits["reward"], (*warnings, *_attribute_warnings(fits["reward"], plan))
    aspects = tuple(Aspect(name=name, metric=_metric(plan, name), fit=fit) for name, fit in fits.items())
    train = census.usable.filter(pl.col("split") == plan.splits[0])
    scaled = on_scale(train.lazy(), {ASPECT_PREFIX + name: fit for name, fit in fits.items()}).collect()
    if plan.formulation.form == "attributes":
        apart = replace(side_by_side(aspects), time_cuts=plan.time_cuts)
        return apart, (*warnings, *_attribute_warnings(apart, plan))
    levels = counted(scaled.select("records", reward=joint_level_of(aspects)))
    joint = joint_fit(aspects, levels, form=plan.formulation.form)
    return replace(joint, time_cuts=plan.time_cuts), tuple(warnings)


def _attribute_warnings(fit: Fit, plan: Plan) -> tuple[str, ...]:
    return coarse_warnings(fit, plan.attribute_names) if plan.formulation.form == "attributes" else ()


def _fit_one(census: Census, plan: Plan, column: str, direction: Direction) -> tuple[Fit, tuple[str, ...]]:
    stage, formulation, split = plan.recipe.bins, plan.formulation, plan.splits[0]
    census.require_train(split)
    rewards, normalisation = _normalised(census.rewards(split, column), plan.recipe.rewards, direction)
    template = plan.templates.get(column.removeprefix(ASPECT_PREFIX))
    labels = plan.recipe.record.reward_order
    found = thresholds_of(rewards, stage, labels=labels, direction=direction) if plan.is_binned else None
    fit = fit_rewards(
        rewards,
        found,
        stage,
        direction=direction,
        form=formulation.form,
        comparator=plan.comparators[column],
        split=split,
        cut=fit_cut(rewards, plan.recipe.goals.cut or formulation.cut, direction) if formulation.cut else None,
    )
    neutral = census.neutral(split) if plan.group_method else 0
    fit = replace(
        fit,
        normalisation=normalisation,
        group_method=plan.group_method,
        neutral=neutral,
        time_cuts=plan.time_cuts,
        deviation=Number.of(fit_weights(rewards).deviation) if formulation.has_deviation else None,
    )
    if formulation.kind == "unpaired" and fit.cut:
        require_both(fit.cut, fit.records)
    if found is None:
        return fit, ()
    scale = template.scale if template else plan.recipe.goals.scale
    asked = plan.recipe.goals.filter if formulation.is_filtered else None
    fit, warnings = choose_goals(fit, asked, scale)
    return fit, threshold_warnings(found, stage, rewards) + warnings


def _normalised(
    rewards: pl.DataFrame, stage: RewardsStage, direction: Direction
) -> tuple[pl.DataFrame, Normalisation | None]:
    """Counted rewards on their new scale, where some may have become equal, and how they came there."""
    method = stage.normalize if stage.normalize_by == "all" else "none"
    logged = rewards.with_columns(reward=mirrored(pl.col("reward"), direction)).sort("reward")
    normalisation = fit_normalisation(logged, method=method, clip=stage.clip)
    return _on_fit_scale(rewards, normalisation, direction), normalisation


def _metric(plan: Plan, name: str) -> str:
    return plan.templates[name].metric if name in plan.templates else plan.recipe.goals.of_aspect(name).metric or name


def _inference(plan: Plan, fit: Fit, texts: dict[int, str], census: Census) -> tuple[str | None, float | None]:
    """What to ask for: the highest goal's text, or a reward and how it is written."""
    if texts:
        return texts[fit.kept[-1]], None
    if plan.formulation.form == "attributes":
        return best_string(fit, plan.attribute_names), None
    if plan.formulation.form == "value":
        reward = bins.top_share(
            _on_fit_scale(census.rewards(plan.splits[0]), fit.normalisation, fit.direction), VALUE_SHARE
        )
        return value_text(plan.templates["reward"], fit.decimals, fit.sign * reward), reward
    return None, fit.maximum if plan.formulation.embeds_reward else None


def _on_fit_scale(rewards: pl.DataFrame, normalisation: Normalisation | None, direction: Direction) -> pl.DataFrame:
    return counted(rewards.with_columns(reward=on_own_scale(pl.col("reward"), normalisation, direction)))


def _counts(labelled: pl.DataFrame, plan: Plan) -> Tally:
    """What goals make of labelled, counted rewards: rows by split, and records without a row by reason."""
    rows = labelled.group_by("split").agg((pl.col("records") * pl.col("copy").list.len()).sum())
    reason = labelled.select("records", reason=left_out(plan.formulation)).drop_nulls()
    dropped = reason.group_by("reason").agg(pl.col("records").sum()).sort("reason")
    by_split = dict(rows.iter_rows())
    return Tally({name: int(by_split.get(name, 0)) for name in plan.splits}, dict(dropped.iter_rows()), ())


def _goal(index: int, fit: Fit, texts: dict[int, str], labelled: pl.DataFrame, plan: Plan) -> Goal:
    threshold, text = fit.thresholds[index - 1], texts.get(index)
    counts, train = pl.col("records").sum(), pl.col("split") == plan.splits[0]
    reached = int(labelled.filter(train, pl.col("level") >= index).select(counts).item())
    carrying = labelled.filter(pl.col("copy").list.contains(index)) if text is not None else labelled.clear()
    return Goal(
        index=index,
        text=text,
        sha256=None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        threshold=threshold.printed,
        comparator=fit.comparator,
        dropped=threshold.dropped,
        records=reached,
        examples=int(carrying.select(counts).item()),
    )
