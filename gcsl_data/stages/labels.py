"""Labels: the level of a record, and the rows that it gives under a formulation.

The same expressions label the rows of a log and the counted rewards of its census, so what is promised is what is written.
"""

from collections.abc import Mapping

import polars as pl

from gcsl_data.columns import ASPECT_PREFIX, RAW_COLUMN
from gcsl_data.fit import Fit
from gcsl_data.stages.aspects import joint_level
from gcsl_data.stages.fitting import level_of
from gcsl_data.stages.formulations import Formulation
from gcsl_data.stages.normalise import on_own_scale

NO_GOAL_REACHED, BEYOND_SCALE, BELOW_CUT = "no_goal_reached", "beyond_scale", "below_cut"


def with_labels(frame: pl.LazyFrame, fit: Fit, formulation: Formulation) -> pl.LazyFrame:
    """Adds `level` (Int32, 0..K) and `copy` (list of Int32: the rows that it gives).

    Rewards are brought to the scale of the fit; what they were stays as `raw(column)`. With several aspects `reward` becomes
    the number of goals that a record reaches. Where levels go by rank, records of the fitted split must stand in log order.
    """
    frame = graded(frame, fit)
    level = _level_by_rank(fit) if fit.is_by_rank else level_of(fit)
    return frame.with_columns(level=level).with_columns(copy=formulation.copies(fit))


def graded(frame: pl.LazyFrame, fit: Fit) -> pl.LazyFrame:
    """The rewards on the scale of the fit, and `reward` as it is there with several aspects: joint level, or the first."""
    scaled = on_scale(frame, _parts(fit))
    if not fit.aspects:
        return scaled
    is_joint = fit.rule == "aspects"
    return scaled.with_columns(reward=joint_level(fit) if is_joint else pl.col(ASPECT_PREFIX + fit.aspects[0].name))


def raw(column: str) -> str:
    """Where a reward stands as it was before it was normalised: `reward_raw`, `reward_raw_<aspect>`."""
    return RAW_COLUMN if column == "reward" else f"{RAW_COLUMN}_{column.removeprefix(ASPECT_PREFIX)}"


def raw_columns(fit: Fit) -> tuple[str, ...]:
    """The columns that `with_labels` adds, or that stand there already, for rewards that were normalised."""
    return tuple(raw(column) for column, part in _parts(fit).items() if part.normalisation or part.group_method)


def _parts(fit: Fit) -> dict[str, Fit]:
    return {ASPECT_PREFIX + aspect.name: aspect.fit for aspect in fit.aspects} or {"reward": fit}


def on_scale(frame: pl.LazyFrame, parts: Mapping[str, Fit]) -> pl.LazyFrame:
    """The graded columns on the scale of their fits, and beside each what it was."""
    found = {column: part for column, part in parts.items() if part.normalisation}
    frame = frame.with_columns(pl.col(column).alias(raw(column)) for column in found)
    return frame.with_columns(
        on_own_scale(pl.col(column), part.normalisation, part.direction).alias(column) for column, part in found.items()
    )


def left_out(formulation: Formulation) -> pl.Expr:
    """Why a record gives no row; null for one that does."""
    if formulation.form == "interval":
        reason = pl.when(pl.col("level") > 0).then(pl.lit(BEYOND_SCALE)).otherwise(pl.lit(NO_GOAL_REACHED))
    else:
        reason = pl.lit(NO_GOAL_REACHED if formulation.has_thresholds else BELOW_CUT)
    return pl.when(pl.col("copy").list.len() == 0).then(reason)


def _level_by_rank(fit: Fit) -> pl.Expr:
    """Quark's rule: of the records that hold an edge exactly, those that come first in the log are above it."""
    reward = pl.col("reward")
    place = pl.int_range(pl.len()).over("split", "reward")
    fitted = pl.col("split") == fit.split
    reached = [(reward > t.edge) | ((reward == t.edge) & (~fitted | (place < pl.lit(t.quota)))) for t in fit.thresholds]
    return pl.sum_horizontal([r.cast(pl.Int32) for r in reached]).cast(pl.Int32)
