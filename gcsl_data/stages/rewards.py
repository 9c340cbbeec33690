"""The reward as everything else sees it: Float64, higher is better, free of float dust."""

import polars as pl

from gcsl_data.fit import Direction

SIGNIFICANT_DIGITS = 12
SIGNIFICANT_DIGITS_FLOAT32 = 7


def reward(value: pl.Expr, dtype: pl.DataType, *, direction: Direction) -> pl.Expr:
    """The logged value as a reward.

    Rounded to 12 significant digits (7 when the log holds Float32), so that `1 - 0.81` is 0.19 and a threshold prints as
    people wrote it; negated for direction "lower"; zero never carries a sign. NaN and infinity pass through, for the
    checks to reject. Below 1e-10 and above 1e12 the rounding may be off by one unit in the last place; it is the same
    on every run.
    Source: our choice (METHODS leaves float noise open).
    """
    digits = SIGNIFICANT_DIGITS_FLOAT32 if dtype == pl.Float32 else SIGNIFICANT_DIGITS
    rounded = value.cast(pl.Float64).round_sig_figs(digits)
    signed = -rounded if direction == "lower" else rounded
    return pl.when(signed == 0.0).then(0.0).otherwise(signed)
