"""Preference pairs from graded responses to the same prompt: prompt, chosen, rejected.

`top` keeps the pairs with the largest gap of each prompt (Mercury's five, the paper, section 4.2); with `top` None and a
`min_gap` all pairs above it stay (Mercury's published code: 20 ms). A gap is the difference of two rewards, rounded to
12 significant digits as rewards are, so 0.3 - 0.1 and 0.2 - 0 are one gap. Equal gaps stand in log order of the chosen,
then of the rejected. Source: METHODS 3; that a pair must share its prompt and differ in its response is our choice.
"""

import polars as pl

from gcsl_data.stages.builders.built import (
    ORDER,
    REASON,
    Built,
    count_reasons,
    incomparable,
    members,
    numbered,
    position,
)

_LABELS = ("source", "row", "part")
_GAP = (pl.col("chosen_reward") - pl.col("rejected_reward")).round_sig_figs(12)


def to_pairs(
    records: pl.LazyFrame,
    *,
    top: int | None = 5,
    min_gap: float = 0.0,
    distinct_members: bool = False,
    smoothing: pl.Expr | None = None,
    keep: tuple[str, ...] = (),
) -> Built:
    """Pairs whose gap is above `min_gap`, at most `top` of each prompt.

    With `distinct_members` no record is in two pairs: the best is paired with the worst, the second best with the second
    worst, and so on. `smoothing` is an expression over chosen_reward and rejected_reward (see smoothing.py), else 0.
    *Gives* prompt, chosen, rejected (text), chosen_reward, rejected_reward, weight (1), smoothing, group, source, row,
    part and `keep` of the chosen, copy (Int32: which pair of the chosen, from 0), rejected_source, rejected_row and
    rejected_part. *Order*: the prompts as in the log, then the largest gap first.
    """
    logged = numbered(records)
    slim = members(logged)
    pairs = _paired(slim, top=top, min_gap=min_gap, distinct_members=distinct_members)
    # Only what stands in a pair is held in memory.
    is_chosen = logged.join(pairs, left_on=ORDER, right_on="chosen_order", how="semi")
    is_rejected = logged.join(pairs, left_on=ORDER, right_on="rejected_order", how="semi")
    of_chosen = is_chosen.select("prompt", "group", *_LABELS, *keep, chosen_order=ORDER, chosen="response")
    of_rejected = is_rejected.select(
        rejected_order=ORDER, rejected="response", **{f"rejected_{name}": pl.col(name) for name in _LABELS}
    )
    rows = (
        pairs.with_columns(copy=position("chosen_order").cast(pl.Int32))
        .join(of_chosen, on="chosen_order", maintain_order="left")
        .join(of_rejected, on="rejected_order", maintain_order="left")
        .select(
            "prompt", "chosen", "rejected", "chosen_reward", "rejected_reward", pl.lit(1.0).alias("weight"),
            (pl.lit(0.0) if smoothing is None else smoothing).alias("smoothing"),
            "group", *_LABELS, "copy", *(f"rejected_{name}" for name in _LABELS), *keep,
        )
    )  # fmt: skip
    last = "same_response" if top is None and not distinct_members else "not_among_top"
    return Built(rows, count_reasons(_reasons(slim, pairs, min_gap=min_gap, last=last)))


def _paired(slim: pl.LazyFrame, *, top: int | None, min_gap: float, distinct_members: bool) -> pl.LazyFrame:
    """Members in, pairs by their numbers out, in their final order."""
    limit = None if distinct_members else top
    best = _ranked(slim, limit, best=True).select(
        "unit", "nth", chosen_order="order", chosen_text="text", chosen_reward="reward"
    )
    worst = _ranked(slim, limit, best=False).select(
        "unit", "nth", rejected_order="order", rejected_text="text", rejected_reward="reward"
    )
    matched = best.join(worst, on=["unit", "nth"] if distinct_members else ["unit"])
    pairs = (
        matched.filter(pl.col("chosen_text") != pl.col("rejected_text"))
        .with_columns(gap=_GAP)
        .filter(pl.col("gap") > min_gap)
        .sort("unit", "gap", "chosen_order", "rejected_order", descending=[False, True, False, False])
    )
    kept = pairs if top is None else pairs.filter(position("unit") < top)
    return kept.select("chosen_order", "rejected_order", "chosen_reward", "rejected_reward")


def _ranked(slim: pl.LazyFrame, top: int | None, *, best: bool) -> pl.LazyFrame:
    """Members that may stand on one side of a pair, the best (or worst) of each unit first, with `nth` from 0.

    The `top` largest gaps are among the 2 * top best and the 2 * top worst when each response stands there at most `top`
    times: a record beyond that is outdone by `top` others that differ from whatever it is paired with. So a prompt with
    very many records costs no more than 4 * top * top pairs.
    """
    ranked = slim.sort("reward", "order", descending=[best, False])
    if top is not None:
        ranked = ranked.filter(position("unit", "text") < top).filter(position("unit") < 2 * top)
    return ranked.with_columns(nth=position("unit"))


def _reasons(slim: pl.LazyFrame, pairs: pl.LazyFrame, *, min_gap: float, last: str) -> pl.LazyFrame:
    reward = pl.col("reward")
    below, above = reward - reward.min().over("unit"), reward.max().over("unit") - reward
    is_near = pl.max_horizontal(below, above).round_sig_figs(12) <= min_gap
    near = pl.when(is_near).then(pl.lit("gap_too_small"))
    used = pl.concat([pairs.select(order="chosen_order"), pairs.select(order="rejected_order")])
    reasons = slim.select("order", pl.coalesce(incomparable(), near, pl.lit(last)).alias(REASON))
    return reasons.join(used, on="order", how="anti")
