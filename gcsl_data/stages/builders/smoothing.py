"""Label smoothing for each pair: the closer two rewards, the less sure which response is better.

RosePO smooths each pair by what a learned oracle predicts; its formula is not public. This is our reading: epsilon falls
linearly with the gap, from `maximum` at a gap of 0 to 0 at the largest gap.
"""

import polars as pl


def smoothing_of(*, maximum: float, largest_gap: float) -> pl.Expr:
    """Epsilon of a row (Float64, 0 to `maximum`) from `chosen_reward` and `rejected_reward`.

    `largest_gap` is the range of the rewards in the train split; a larger gap in another split has epsilon 0, and with
    no range at all every epsilon is 0. `maximum` is below 0.5: at 0.5 a pair says nothing.
    """
    if largest_gap <= 0:
        return pl.lit(0.0)
    gap = pl.col("chosen_reward") - pl.col("rejected_reward")
    return (maximum * (1 - gap / largest_gap)).clip(0.0, maximum).round_sig_figs(12)
