"""Several rewards, one ladder of goals: goal j asks something of every aspect.

With H_a the kept thresholds of aspect a, there are J = max |H_a| goals; goal j takes from each aspect its min(j, |H_a|)-th
lowest kept threshold, and a record demonstrates it when it reaches all of them. So each goal asks more than the one before,
and a record's level is the number of goals that it reaches.
Source: the paper names several rewards as future work (section 6); the ladder is our choice.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from gcsl_data.columns import ASPECT_PREFIX
from gcsl_data.errors import DataError
from gcsl_data.fit import Aspect, Fit, GoalForm, Threshold
from gcsl_data.stages import bins
from gcsl_data.stages.goal_filter import UNREACHED


def joint_level(fit: Fit) -> pl.Expr:
    """How many of the joint goals a record reaches, as a reward (Float64, 0..J), from its `reward_<aspect>` columns."""
    return joint_level_of(fit.aspects)


def joint_level_of(aspects: Sequence[Aspect]) -> pl.Expr:
    """The same, before there is a joint fit."""
    goals = [pl.all_horizontal(_reaches(a, t) for a, t in zip(aspects, rung, strict=True)) for rung in ladder(aspects)]
    return pl.sum_horizontal([goal.cast(pl.Int32) for goal in goals]).cast(pl.Float64)


def ladder(aspects: Sequence[Aspect]) -> list[tuple[Threshold, ...]]:
    """For each joint goal, lowest first, the threshold that it asks of each aspect."""
    kept = [[t for t in aspect.fit.thresholds if t.dropped is None] for aspect in aspects]
    return [tuple(own[min(j, len(own)) - 1] for own in kept) for j in range(1, max(map(len, kept)) + 1)]


def joint_fit(aspects: tuple[Aspect, ...], levels: pl.DataFrame, *, form: GoalForm | None) -> Fit:
    """The fit over joint levels: goal j is reached by a level of j or more, and dropped when no record of train has one.

    `levels` counts the train split: `reward` (the joint level, ascending) and `records`. Raises DataError (65) when no goal
    is left.
    """
    first = aspects[0].fit
    reach = bins.reached(levels, [float(j) for j in range(1, len(ladder(aspects)) + 1)], strict=False)
    if not any(reach):
        raise DataError(
            "GD1304",
            "no record reaches the lowest goal of every aspect together; try fewer --bins or another --goal-filter",
        )
    thresholds = tuple(
        Threshold(
            index=j,
            edge=float(j),
            edge_hex=float(j).hex(),
            printed=str(j),
            bound=float(j),
            dropped=None if reached else UNREACHED,
            records=reached - (reach[j] if j < len(reach) else 0),
            reached=reached,
            mean_reward=float(j) if reached else None,
        )
        for j, reached in enumerate(reach, start=1)
    )
    mean = bins.mean(levels)
    return Fit(
        split=first.split,
        records=int(levels["records"].sum()),
        distinct=levels.height,
        mean=mean,
        mean_hex=mean.hex(),
        median=bins.median(levels),
        minimum=levels["reward"][0],
        maximum=levels["reward"][-1],
        direction="higher",
        form=form,
        comparator=">=",
        decimals=0,
        rule="aspects",
        ties=first.ties,
        bins_asked=None,
        thresholds=thresholds,
        aspects=aspects,
    )


def joint_sentences(fit: Fit, sentences: Mapping[str, Mapping[int, str]]) -> dict[int, str]:
    """Goal j to its text: the sentence of each aspect's threshold, in the order of the aspects; `sentences` by aspect, k."""
    names = [aspect.name for aspect in fit.aspects]
    return {
        j: " ".join(sentences[name][t.index] for name, t in zip(names, rung, strict=True))
        for j, rung in enumerate(ladder(fit.aspects), start=1)
    }


def _reaches(aspect: Aspect, threshold: Threshold) -> pl.Expr:
    reward = pl.col(ASPECT_PREFIX + aspect.name)
    return reward > threshold.bound if aspect.fit.is_strict else reward >= threshold.bound
