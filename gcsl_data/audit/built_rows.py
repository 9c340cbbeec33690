"""What must be true of the rows that a builder made, recomputed from the rows and the manifest alone."""

from collections.abc import Callable, Iterator

import polars as pl
from pydantic import ValidationError

from gcsl_data.columns import ASPECT_PREFIX, ROW_INDEX
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.stages.builders.advantage import with_advantage
from gcsl_data.stages.builders.built import REASON
from gcsl_data.stages.builders.registry import Builder, weight_fit
from gcsl_data.stages.builders.settings import BuildStage
from gcsl_data.stages.builders.steerlm import attribute_names, attribute_strings, attributes_of
from gcsl_data.stages.builders.weights import weight_of
from gcsl_data.stages.render import example_id

_ADVANTAGE_TOLERANCE = 1e-9
_WEIGHT_TOLERANCE = 1e-9  # of the weight: its last digits may differ between machines


def is_identified(manifest: Manifest) -> pl.Expr:
    """Whether the id follows from source, row, part and the copy."""
    copy = pl.lit("0") if manifest.kind == "examples" else pl.col("copy")
    return pl.col("id") == example_id(copy)


def states_goal(manifest: Manifest, stands: pl.Expr) -> pl.Expr:
    """Whether a row of kind "examples" carries its attributes where `stands` says, and other rows no goal at all."""
    if manifest.kind != "examples":
        return pl.lit(True)
    bare = pl.col("goal_index").is_null() & pl.col("threshold").is_null()
    if manifest.fit.form != "attributes":
        return bare & pl.col("goal").is_null()
    strings = attribute_strings(attributes_of(manifest.fit, _names(manifest)))
    return bare & (pl.col("goal") == strings) & stands


def is_true(manifest: Manifest) -> pl.Expr:
    """Whether a row's order, label or weight follows from its rewards."""
    return pl.col("weight").is_finite() & _TRUE_BY_KIND[manifest.kind](manifest)


def group_problems(rows: pl.LazyFrame, manifest: Manifest) -> Iterator[tuple[str, int, str]]:
    """Shard, row and words of what is wrong with groups as a whole; rows carry their `shard`, `split` and `ROW_INDEX`."""
    if manifest.kind != "groups":
        return
    again = with_advantage(rows, within=("group", "split"), name="recomputed")
    off = ((pl.col("advantage") - pl.col("recomputed")).abs() > _ADVANTAGE_TOLERANCE).fill_null(True)
    wrong = again.filter(pl.col(REASON).is_not_null() | off).select("group", "split", "id", "shard", ROW_INDEX)
    found = (
        wrong.sort("group", "id")
        .select(pl.len().alias("rows"), pl.col("group", "id", "shard", ROW_INDEX).first())
        .collect(engine="streaming")
    )
    count, group, first, shard, row = found.row(0)
    if count:
        words = (
            f"{count:,} rows have an advantage that their group does not give; the first has id {first}, group {group}"
        )
        yield shard, row, words


def range_problems(rows: pl.LazyFrame, manifest: Manifest, builder: Builder) -> Iterator[str]:
    """Words for every range of the manifest that the rows do not have."""
    if builder.quantity is None:
        if manifest.ranges:
            yield f"ranges of {manifest.formulation} are not empty"
        return
    value = builder.quantity.value
    found = rows.select(value.min().alias("minimum"), value.max().alias("maximum")).collect(engine="streaming").row(0)
    told = [(told.name, told.minimum, told.maximum) for told in manifest.ranges]
    if told != [(builder.quantity.name, *found)]:
        yield f"the rows' {builder.quantity.name} goes from {found[0]} to {found[1]}, the manifest says {told}"


def _pair_is_true(_manifest: Manifest) -> pl.Expr:
    chosen, rejected = pl.col("chosen_reward"), pl.col("rejected_reward")
    smoothing = pl.col("smoothing")
    return (
        chosen.is_finite()
        & rejected.is_finite()
        & (chosen > rejected)
        & (pl.col("chosen") != pl.col("rejected"))
        & (smoothing >= 0)
        & (smoothing < 0.5)
    )


def _unpaired_is_true(manifest: Manifest) -> pl.Expr:
    reward, cut = pl.col("reward"), manifest.fit.cut
    return reward.is_finite() & (pl.col("label") == (reward >= cut.value) if cut else pl.lit(False))


def _negatives_are_true(_manifest: Manifest) -> pl.Expr:
    rewards, rejected = pl.col("rejected_reward"), pl.col("rejected")
    lists = (rejected, *(pl.col(f"rejected_{name}") for name in ("source", "row", "part")))
    return (
        (rewards.list.len() > 0)
        & pl.all_horizontal(one.list.len() == rewards.list.len() for one in lists)
        & pl.col("chosen_reward").is_finite()
        & rewards.list.eval(pl.element().is_finite()).list.all()
        & (rewards.list.max() < pl.col("chosen_reward"))
        & (rejected.list.n_unique() == rejected.list.len())
        & ~rejected.list.contains(pl.col("chosen"))
    )


def _member_is_true(_manifest: Manifest) -> pl.Expr:
    return pl.col("reward").is_finite() & pl.col("advantage").is_finite()


def _example_is_true(manifest: Manifest) -> pl.Expr:
    weight = pl.col("weight")
    holds = pl.col("reward").is_finite() & (pl.col("level") == 0)
    if manifest.formulation != "weights":
        return holds & (weight == 1)
    stage = _settings(manifest)
    if stage is None or manifest.fit.deviation is None:
        return pl.lit(False)
    if (
        stage.weight_method == "group-standard"
    ):  # records at the mean of their group are gone, so it cannot be told again
        return holds & (weight != 0)
    again = weight_of(stage.weight_method, fit=weight_fit(manifest.fit), beta=stage.beta, max_weight=stage.max_weight)
    return holds & (weight != 0) & ((weight - again).abs() <= _WEIGHT_TOLERANCE * again.abs())


_TRUE_BY_KIND: dict[str, Callable[[Manifest], pl.Expr]] = {
    "examples": _example_is_true,
    "pairs": _pair_is_true,
    "unpaired": _unpaired_is_true,
    "multi-negative": _negatives_are_true,
    "groups": _member_is_true,
}


def _settings(manifest: Manifest) -> BuildStage | None:
    """The builders' part of the recipe; None for one that a stranger wrote wrong."""
    try:
        return BuildStage.model_validate(manifest.recipe.get("build", {}))
    except ValidationError:
        return None


def _names(manifest: Manifest) -> dict[str, str]:
    goals = manifest.recipe.get("goals")
    metric = goals.get("metric") if isinstance(goals, dict) else None
    columns = [ASPECT_PREFIX + aspect.name for aspect in manifest.fit.aspects] or ["reward"]
    return attribute_names(columns, metric if isinstance(metric, str) else None)
