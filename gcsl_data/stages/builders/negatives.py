"""One good response and several worse ones to the same prompt, for S-DPO: prompt, chosen, rejected (a list)."""

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


def to_negatives(records: pl.LazyFrame, *, negatives: int = 3, keep: tuple[str, ...] = ()) -> Built:
    """One row for each prompt that has a worse response than its best.

    Chosen is the best response, the first in log order among equals. Rejected are at most `negatives` others with a
    strictly lower reward, the lowest first (the largest gap first, as with pairs; equal rewards in log order), none of
    them twice and none the same text as the chosen. Which ones S-DPO would take of a log is not published: our choice.
    *Gives* prompt, chosen (text), rejected (list of text), chosen_reward, rejected_reward (list), weight (1), group,
    source, row, part and `keep` of the chosen, copy (0), and the lists rejected_source, rejected_row, rejected_part.
    *Order*: prompts as in the log.
    """
    logged = numbered(records)
    slim = members(logged)
    best = slim.sort("reward", "order", descending=[True, False]).filter(position("unit") == 0)
    chosen = best.select("unit", chosen_order="order", chosen_text="text", chosen_reward="reward")
    rejected = (
        slim.select("order", "reward", "unit", "text")
        .join(chosen, on="unit")
        .filter(pl.col("reward") < pl.col("chosen_reward"), pl.col("text") != pl.col("chosen_text"))
        .sort("unit", "reward", "order")
        .filter(position("unit", "text") == 0)
        .filter(position("unit") < negatives)
    )
    # Only what stands in a row is held in memory.
    is_rejected = logged.join(rejected, left_on=ORDER, right_on="order", how="semi")
    is_chosen = logged.join(rejected, left_on=ORDER, right_on="chosen_order", how="semi")
    texts = is_rejected.select(pl.col(ORDER).alias("order"), "response", *_LABELS)
    listed = (
        rejected.join(texts, on="order", maintain_order="left")
        .group_by("unit", "chosen_order", "chosen_reward", maintain_order=True)
        .agg(rejected="response", rejected_reward="reward", **{f"rejected_{name}": pl.col(name) for name in _LABELS})
    )
    of_chosen = is_chosen.select("prompt", "group", *_LABELS, *keep, chosen_order=ORDER, chosen="response")
    rows = listed.drop("unit").join(of_chosen, on="chosen_order", maintain_order="left").select(
        "prompt", "chosen", "rejected", "chosen_reward", "rejected_reward", pl.lit(1.0).alias("weight"), "group",
        *_LABELS, pl.lit(0, pl.Int32).alias("copy"), *(f"rejected_{name}" for name in _LABELS), *keep,
    )  # fmt: skip
    return Built(rows, count_reasons(_reasons(slim, rejected)))


def _reasons(slim: pl.LazyFrame, rejected: pl.LazyFrame) -> pl.LazyFrame:
    """A prompt whose every worse response is the chosen text again has no row: all its records are "same_response"."""
    has_row = slim.join(rejected.select("unit").unique(), on="unit", how="semi").select("order", has_row=True)
    is_best = pl.col("reward") == pl.col("reward").max().over("unit")
    left = (
        pl.when(pl.col("has_row").is_null())
        .then(pl.lit("same_response"))
        .when(is_best)
        .then(pl.lit("ties_with_best"))
        .otherwise(pl.lit("not_among_negatives"))
    )
    used = pl.concat([rejected.select("order"), rejected.select(order="chosen_order")])
    reasons = slim.join(has_row, on="order", how="left").select(
        "order", pl.coalesce(incomparable(), left).alias(REASON)
    )
    return reasons.join(used, on="order", how="anti")
