"""The reward as everything else sees it: Float64, higher is better, free of float dust."""

import polars as pl

from gcsl_data.errors import DataError
from gcsl_data.fit import Direction
from gcsl_data.lookup import lookup
from gcsl_data.recipe import RecordStage, Reducer

SIGNIFICANT_DIGITS = 12
SIGNIFICANT_DIGITS_FLOAT32 = 7


def reward(value: pl.Expr, dtype: pl.DataType, *, direction: Direction) -> pl.Expr:
    """The logged value as a reward.

    Rounded to 12 significant digits (7 when the log holds Float32), so that `1 - 0.81` is 0.19 and a threshold prints as
    people wrote it; negated for direction "lower"; zero never carries a sign. NaN and infinity pass through, for the
    checks to reject. Below 1e-10 and above 1e12 the rounding may be off by one unit in the last place; it is the same
    on every run.
    Source: our choice.
    """
    digits = SIGNIFICANT_DIGITS_FLOAT32 if dtype == pl.Float32 else SIGNIFICANT_DIGITS
    signed = -value.cast(pl.Float64) if direction == "lower" else value.cast(pl.Float64)
    return rounded(signed, digits)


def rounded(value: pl.Expr, digits: int = SIGNIFICANT_DIGITS) -> pl.Expr:
    """A Float64 at so many significant digits; zero never carries a sign."""
    figures = value.round_sig_figs(digits)
    return pl.when(figures == 0.0).then(0.0).otherwise(figures)


def mirrored(value: pl.Expr, direction: Direction) -> pl.Expr:
    """A reward in the log's own unit, or back: negated where lower is better, zero without a sign."""
    return pl.when(value == 0.0).then(0.0).otherwise(-value) if direction == "lower" else value


_REDUCERS: dict[Reducer, str] = {
    "mean": "mean",
    "median": "median",
    "min": "min",
    "max": "max",
    "sum": "sum",
    "first": "first",
}
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def numeric(
    value: pl.Expr, dtype: pl.DataType, stage: RecordStage, *, uri: str, name: str = "reward"
) -> tuple[pl.Expr, tuple[str, ...]]:
    """The logged reward as Float64, and notes on what was read as what; null where it cannot be read.

    Ordered categories become 1, 2, 3 ... in their order, booleans 0 and 1, text is read as a number, and a list of numbers is
    reduced. Raises DataError (65) for a type that is none of these, naming what would help.
    """
    if isinstance(dtype, pl.List) and stage.reward_reduce is not None:
        reduced = getattr(value.list, stage.reward_reduce)()
        return numeric(reduced, dtype.inner, stage, uri=uri, name=name)  # pyright: ignore[reportArgumentType]
    if stage.reward_order:
        ranks = {label: float(rank) for rank, label in enumerate(stage.reward_order, start=1)}
        return lookup(value.cast(pl.String), ranks, pl.Float64), ()
    if isinstance(dtype, _TEXT):
        note = f"{uri}: the {name} is text; it is read as a number"
        return value.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False), (note,)
    if dtype == pl.Boolean:
        return value.cast(pl.Float64), (f"{uri}: the {name} is true or false; they count as 1 and 0",)
    if dtype.is_numeric() or dtype == pl.Null:
        return value.cast(pl.Float64), ()
    if isinstance(dtype, pl.List):
        hint = f"choose how to make one number of it: --reward-reduce {'|'.join(_REDUCERS)}"
    elif isinstance(dtype, pl.Struct):
        hint = f"choose one of its fields with a dot: {', '.join(field.name for field in dtype.fields)}"
    else:
        hint = "map a number to it: --map reward=SQL"
    raise DataError("GD1206", f"{uri}: the {name} must be a number, found {dtype.base_type()}; {hint}")


def unread_reason(stage: RecordStage) -> str:
    """The reason for a reward that is there but could not be read."""
    return "unknown_label" if stage.reward_order else "bad_reward"
