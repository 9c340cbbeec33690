"""What a plan must measure before its records are settled: what is suspicious, statistics of groups, where times are cut."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import polars as pl

from gcsl_data.census import Census, census_of
from gcsl_data.dataset.manifest import Hygiene
from gcsl_data.engines import Engine
from gcsl_data.normalisation import GroupMethodName
from gcsl_data.plan import Plan
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.hygiene import counts, has_verdicts, verdicts, with_verdicts, without_rows
from gcsl_data.stages.labels import raw
from gcsl_data.stages.leaks import leak_patterns
from gcsl_data.stages.normalise_groups import group_statistics, normalise_by_group
from gcsl_data.stages.rewards import mirrored
from gcsl_data.stages.splits import assign_splits, assign_time_splits, cuts_of, first_times


def settle(plan: Plan, engine: Engine) -> Plan:
    """The plan with every record in its split, without those that somebody asked to leave out, and, if asked, with rewards on
    the scale of their group.

    Each is measured first: an aggregate over the same records in one plan would make Polars keep all their texts in memory.
    A frozen fit says both, whatever the recipe says. Raises DataError (65) when times cannot be parted.
    """
    return _by_time(_by_group(_clean(plan, engine), engine), engine)


def hygiene_of(
    records: pl.LazyFrame, rewards: Sequence[str], leaks: Sequence[str], engine: Engine
) -> tuple[Hygiene, int]:
    """What is suspicious in the usable ones of flagged records, and the bytes of their texts.

    `rewards` names all their rewards, `leaks` are patterns.
    """
    found = engine.measure(counts(records.filter(pl.col("reject").is_null()), rewards, leaks)).row(0, named=True)
    text_bytes = found.pop("text_bytes") or 0
    return Hygiene(**{name: value or 0 for name, value in found.items()}), text_bytes


def cleaned(records: pl.LazyFrame, rewards: Sequence[str], stage: ChecksStage, engine: Engine) -> pl.LazyFrame:
    """The flagged records with a `reject` for those that somebody asked to leave out, and with the rewards asked for."""
    if has_verdicts(stage):
        found = engine.measure(verdicts(records, rewards, stage))
        records = with_verdicts(records, found.lazy(), rewards)
    return without_rows(records, stage)


def _clean(plan: Plan, engine: Engine) -> Plan:
    rewards = list(dict.fromkeys(("reward", *plan.rewards)))
    metric = plan.recipe.goals.metric
    leaks = leak_patterns(plan.templates.values(), [*plan.aspects, *([metric] if metric else [])])
    hygiene, text_bytes = hygiene_of(plan.records, rewards, leaks, engine)
    records = cleaned(plan.records, rewards, plan.recipe.checks, engine)
    return replace(plan, records=records, hygiene=hygiene, text_bytes=text_bytes)


def _by_group(plan: Plan, engine: Engine) -> Plan:
    stage = plan.recipe.rewards
    method = stage.normalize if stage.normalize_by == "group" else None
    if plan.frozen:
        method = plan.frozen.by_group
    if method is None:
        return plan
    method = cast("GroupMethodName", method)
    rewards = plan.rewards
    kept = plan.records.with_columns(pl.col(column).alias(raw(column)) for column in rewards)
    logged = kept.with_columns(mirrored(pl.col(column), way).alias(column) for column, way in rewards.items())
    statistics = {column: engine.measure(group_statistics(logged, column, method=method)).lazy() for column in rewards}
    scaled = normalise_by_group(logged, statistics, method=method)
    records = scaled.with_columns(mirrored(pl.col(column), way).alias(column) for column, way in rewards.items())
    return replace(plan, records=records, group_method=method)


def _by_time(plan: Plan, engine: Engine) -> Plan:
    stage = plan.recipe.splits
    if stage.by == "prompt":
        return plan
    firsts = engine.measure(first_times(plan.records))
    if firsts.is_empty():  # why no record can be used says more than that none has a time
        Census(engine.measure(census_of(assign_splits(plan.records, ())))).require_usable(plan.recipe.checks, plan.logs)
    frozen = plan.frozen.time_cuts if plan.frozen else None
    cuts = frozen or cuts_of(firsts, stage.shares)
    return replace(plan, records=assign_time_splits(plan.records, firsts.lazy(), cuts), time_cuts=cuts)
