"""What a plan must measure before its records are settled: what is suspicious, statistics of groups, where times are cut."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import polars as pl

from gcsl_data.census import take_census
from gcsl_data.dataset.manifest import Hygiene
from gcsl_data.engines import Engine
from gcsl_data.fit import Direction
from gcsl_data.normalisation import GroupMethodName
from gcsl_data.plan import Plan, Step
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.hygiene import (
    counts,
    has_verdicts,
    portion_of_pairs,
    repeats,
    verdicts,
    with_verdicts,
    without_left_out,
)
from gcsl_data.stages.labels import raw
from gcsl_data.stages.normalise_groups import group_statistics, normalise_by_group
from gcsl_data.stages.rewards import mirrored
from gcsl_data.stages.splits import assign_splits, assign_time_splits, cuts_of, first_times

_ROWS_COMPARED = 2_000_000  # at a time: they take about 300 MB


def settle(plan: Plan, engine: Engine) -> Plan:
    """The plan with its facts put down, every record in its split, without those that somebody asked to leave out, and, if
    asked, with rewards on the scale of their group.

    A frozen fit says where times are cut and how groups are scaled, whatever the recipe says. Raises DataError (65) when
    times cannot be parted.
    """
    plan = plan.divided()
    plan = replace(plan, facts=engine.put_down(plan))
    return _by_time(_by_group(_clean(plan, engine), engine), engine)


def hygiene_of(facts: pl.LazyFrame, rewards: Sequence[str], engine: Engine) -> tuple[Hygiene, int]:
    """What is suspicious in the usable records, and the bytes of their texts. `rewards` names all their rewards."""
    found = engine.measure(counts(facts)).row(0, named=True)
    text_bytes = found.pop("text_bytes") or 0
    repeated = [engine.measure(repeats(some, rewards)) for some in _portions(facts, engine)]
    found |= pl.concat(repeated).sum().row(0, named=True)
    return Hygiene(**{name: value or 0 for name, value in found.items()}), text_bytes


def verdicts_of(
    facts: pl.LazyFrame | None, rewards: Sequence[str], stage: ChecksStage, engine: Engine
) -> tuple[Step, ...]:
    """The steps that give a `reject` to what somebody asked to leave out, and the rewards asked for.

    They are measured on facts, unless texts alone decide.
    """
    if facts is None or not has_verdicts(stage):
        return (without_left_out,)
    found = pl.concat(
        [engine.measure(verdicts(some, rewards, stage)) for some in _portions(facts, engine)], how="diagonal"
    )
    return partial(with_verdicts, found=found, rewards=rewards), without_left_out


def _portions(facts: pl.LazyFrame, engine: Engine) -> list[pl.LazyFrame]:
    """The facts in so many portions that comparing the pairs of one takes little memory, however many there are."""
    portions = 1 + int(engine.measure(facts.select(pl.len())).item()) // _ROWS_COMPARED
    return [portion_of_pairs(facts, number, portions) for number in range(portions)]


def _clean(plan: Plan, engine: Engine) -> Plan:
    rewards = list(dict.fromkeys(("reward", *plan.rewards)))
    hygiene, text_bytes = hygiene_of(plan.known, rewards, engine)
    steps = verdicts_of(plan.known, rewards, plan.recipe.checks, engine)
    return replace(plan.then(*steps), hygiene=hygiene, text_bytes=text_bytes)


def _by_group(plan: Plan, engine: Engine) -> Plan:
    if not plan.scales_by_group:
        return plan
    method = cast("GroupMethodName", plan.frozen.by_group if plan.frozen else plan.recipe.rewards.normalize)
    logged = _as_logged(plan.known, plan.rewards)
    statistics = {column: engine.measure(group_statistics(logged, column, method=method)) for column in plan.rewards}
    scaled = plan.then(partial(_scaled_by_group, statistics=statistics, rewards=plan.rewards, method=method))
    return replace(scaled, group_method=method)


def _scaled_by_group(
    records: pl.LazyFrame,
    *,
    statistics: Mapping[str, pl.DataFrame],
    rewards: Mapping[str, Direction],
    method: GroupMethodName,
) -> pl.LazyFrame:
    kept = records.with_columns(pl.col(column).alias(raw(column)) for column in rewards)
    found = {column: frame.lazy() for column, frame in statistics.items()}
    return _as_logged(normalise_by_group(_as_logged(kept, rewards), found, method=method), rewards)


def _as_logged(records: pl.LazyFrame, rewards: Mapping[str, Direction]) -> pl.LazyFrame:
    """The rewards as the log has them; done twice, as they were."""
    return records.with_columns(mirrored(pl.col(column), way).alias(column) for column, way in rewards.items())


def _by_time(plan: Plan, engine: Engine) -> Plan:
    stage = plan.recipe.splits
    if stage.by == "prompt":
        return plan
    firsts = engine.measure(first_times(plan.known))
    if firsts.is_empty():  # why no record can be used says more than that none has a time
        take_census(assign_splits(plan.known, ()), engine).require_usable(plan.recipe.checks, plan.logs)
    frozen = plan.frozen.time_cuts if plan.frozen else None
    cuts = frozen or cuts_of(firsts, stage.shares)
    return replace(plan.then(partial(assign_time_splits, firsts=firsts, cuts=cuts)), time_cuts=cuts)
