"""One pass over the logs: everything that is known before a row is written."""

import hashlib
from dataclasses import dataclass

import polars as pl

from gcsl_data.census import Census
from gcsl_data.dataset.manifest import Accounting, Goal, Input, Split
from gcsl_data.engines import Engine
from gcsl_data.fit import Fit
from gcsl_data.plan import Plan
from gcsl_data.stages import snap
from gcsl_data.stages.fitting import fit_rewards, level_of
from gcsl_data.stages.goal_filter import GoalChoice, choose_goals
from gcsl_data.stages.templates import render_goals

NO_GOAL_REACHED = "no_goal_reached"


@dataclass(frozen=True, slots=True)
class Measured:
    """The fit, the goals, and the exact size of the dataset that would come of it."""

    fit: Fit
    choice: GoalChoice
    goals: tuple[Goal, ...]
    splits: tuple[Split, ...]
    inputs: tuple[Input, ...]
    accounting: Accounting
    census: Census

    @property
    def sentences(self) -> dict[int, str]:
        """Goal index to text, of every goal."""
        return {goal.index: goal.text for goal in self.goals}


def measure(plan: Plan, engine: Engine) -> Measured:
    """Counts, fit and goals of the plan's logs. Nothing is written.

    Raises DataError (65) for rows that cannot be used or rewards that cannot be binned, RecipeError (78) for goals that
    read the same.
    """
    recipe, template, train = plan.recipe, plan.template, plan.splits[0]
    census = Census(engine.measure(plan.census()))
    census.require_usable(recipe.checks, plan.logs)
    direction, comparator = recipe.record.direction, template.comparator
    fit = fit_rewards(census.rewards(train), recipe.bins, direction=direction, comparator=comparator, split=train)
    choice = choose_goals(fit, recipe.goals.filter, template.scale)
    sentences = render_goals(template, fit)
    levels = {split: _levels(census.rewards(split), fit) for split in plan.splits}
    without_goal = sum(n for counts in levels.values() for level, n in counts.items() if level < choice.kept[0])
    return Measured(
        fit=fit,
        choice=choice,
        goals=tuple(_goal(k, fit, choice, text, levels) for k, text in sorted(sentences.items())),
        splits=tuple(_split(name, counts, choice.kept) for name, counts in levels.items()),
        inputs=census.inputs(plan.logs),
        accounting=census.accounting(filtered={NO_GOAL_REACHED: without_goal} if without_goal else {}),
        census=census,
    )


def _levels(rewards: pl.DataFrame, fit: Fit) -> dict[int, int]:
    """Level to number of usable records at it."""
    bounds = [snap.bound(t.printed, fit.comparator) for t in fit.thresholds]
    leveled = rewards.select("records", level=level_of(bounds, strict=snap.is_strict(fit.comparator)))
    return dict(leveled.group_by("level").agg(pl.col("records").sum()).sort("level").iter_rows())


def _split(name: str, levels: dict[int, int], kept: tuple[int, ...]) -> Split:
    examples = sum(records * sum(k <= level for k in kept) for level, records in levels.items())
    return Split(name=name, records=sum(levels.values()), examples=examples)


def _goal(index: int, fit: Fit, choice: GoalChoice, text: str, levels: dict[str, dict[int, int]]) -> Goal:
    reach = {split: sum(n for level, n in counts.items() if level >= index) for split, counts in levels.items()}
    dropped = choice.dropped.get(index)
    return Goal(
        index=index,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        threshold=fit.thresholds[index - 1].printed,
        comparator=fit.comparator,
        dropped=dropped,
        records=reach[fit.split],
        examples=sum(reach.values()) if dropped is None else 0,
    )
