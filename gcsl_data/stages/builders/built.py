"""What every builder gives: rows, and the count of records that are in none of them.

Log order is the order of the frame of records that a builder gets. It numbers them once and works on that number and the
rewards; prompts and responses are joined to the finished rows.
"""

from dataclasses import dataclass

import polars as pl

from gcsl_data.hashing import sha256_hex

# In frames that hold columns of the log, where they must not meet one of its names.
ORDER = "_gcsl_order"
REASON = "_gcsl_reason"

REASONS = {
    "alone": "no other record in its group",
    "other_prompts": "the other records of its group have other prompts",
    "equal_rewards": "all records that it could be compared with have the same reward",
    "same_response": "what it could be paired with is the same response",
    "gap_too_small": "no reward of the same prompt is further away than the smallest gap",
    "not_among_top": "other pairs of its prompt have a larger gap",
    "ties_with_best": "as good as the chosen response of its prompt, and later in the log",
    "not_among_negatives": "other responses to its prompt are worse, or the same one is there already",
    "not_best": "others of its group are better, or as good and earlier in the log",
    "zero_weight": "its weight is 0, so it would teach nothing",
    "no_integer": "an attribute is too large to be written as an integer",
}


@dataclass(frozen=True, slots=True)
class Built:
    """A builder's answer. A record is in one row or more, or is counted once in `dropped`.

    `dropped` has `reason` (String, a key of REASONS) and `records` (Int64, at least 1), by name of the reason.
    """

    rows: pl.LazyFrame
    dropped: pl.LazyFrame


def numbered(records: pl.LazyFrame) -> pl.LazyFrame:
    """The records with ORDER: their position in the log, from 0."""
    return records.with_row_index(ORDER)


def members(records: pl.LazyFrame) -> pl.LazyFrame:
    """Numbered records in, what comparing them needs out: numbers only, so that comparing is cheap.

    `order` is the record's number. `unit` is that of the first record with the same group and the same prompt: only those
    can be compared, and a prompt is the same when it is so byte for byte. `text` is the number of the unit's first record
    with the same response. `group_size` and `unit_size` count records.
    """
    order = pl.col("order")
    # Responses are long: windows over their hashes take a third of the memory of windows over them.
    keyed = records.select(
        "reward",
        order=ORDER,
        response=sha256_hex(pl.col("response")),
        unit=pl.col(ORDER).min().over("group", "prompt"),
        group_size=pl.len().over("group"),
    )
    return keyed.with_columns(text=order.min().over("unit", "response"), unit_size=pl.len().over("unit")).drop(
        "response"
    )


def position(*within: str) -> pl.Expr:
    """0-based position of a row among those with equal `within`, in the order of the frame."""
    return pl.int_range(pl.len()).over(*within)


def incomparable() -> pl.Expr:
    """Why a member's unit has nothing to compare, a key of REASONS; null when it has."""
    reward = pl.col("reward")
    return (
        pl.when(pl.col("group_size") == 1)
        .then(pl.lit("alone"))
        .when(pl.col("unit_size") == 1)
        .then(pl.lit("other_prompts"))
        .when(reward.min().over("unit") == reward.max().over("unit"))
        .then(pl.lit("equal_rewards"))
        .when(pl.col("text").min().over("unit") == pl.col("text").max().over("unit"))
        .then(pl.lit("same_response"))
    )


def unsigned_zero(number: pl.Expr) -> pl.Expr:
    """The number, with -0.0 as 0.0. (Adding 0.0 would do it, but Polars takes that out of the plan.)"""
    return pl.when(number == 0).then(pl.lit(0.0)).otherwise(number)


def count_reasons(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Records with a REASON counted by it; null means used."""
    reasons = frame.select(reason=REASON).filter(pl.col("reason").is_not_null())
    return reasons.group_by("reason").agg(records=pl.len().cast(pl.Int64)).sort("reason")


def nothing_dropped() -> pl.LazyFrame:
    """The count of a builder that uses every record."""
    return pl.LazyFrame(schema={"reason": pl.String(), "records": pl.Int64()})
