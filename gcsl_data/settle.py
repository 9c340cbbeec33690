"""What a plan must measure before its records are settled: statistics of groups, and where splits by time cut."""

from dataclasses import replace
from typing import cast

import polars as pl

from gcsl_data.census import Census, census_of
from gcsl_data.engines import Engine
from gcsl_data.normalisation import GroupMethodName
from gcsl_data.plan import Plan
from gcsl_data.stages.labels import raw
from gcsl_data.stages.normalise_groups import group_statistics, normalise_by_group
from gcsl_data.stages.rewards import mirrored
from gcsl_data.stages.splits import assign_splits, assign_time_splits, cuts_of, first_times


def settle(plan: Plan, engine: Engine) -> Plan:
    """The plan with every record in its split and, if asked, with rewards on the scale of their group.

    Each is measured first: an aggregate over the same records in one plan would make Polars keep all their texts in memory.
    A frozen fit says both, whatever the recipe says. Raises DataError (65) when times cannot be parted.
    """
    return _by_time(_by_group(plan, engine), engine)


def _by_group(plan: Plan, engine: Engine) -> Plan:
    stage = plan.recipe.rewards
    method = stage.normalize if stage.normalize_by == "group" else None
    if plan.frozen:
        method = plan.frozen.group_method
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
