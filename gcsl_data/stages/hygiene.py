"""What is suspicious in usable records: counted always, left out only where somebody asked for it.

Adds nothing to records but a `reject` out of `checks.FILTERED`, and, where conflicting rewards are asked to become one, the
mean. Duplicates and conflicts take two steps, because they may stand anywhere in the log: `verdicts` is an aggregate for an
engine to measure, and `with_verdicts` joins its answer back, to facts as to records.
"""

from collections.abc import Sequence

import polars as pl

from gcsl_data.columns import PLACE
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.facts import BYTES, CHARACTERS, CONTROL, LEAKY, LEFT_OUT, PAIR
from gcsl_data.stages.rewards import rounded

_ORDER = "order of the logs"
_VERDICT = "verdict"
_KEYS = (PLACE, "part")
_CANCELS = 1e-12  # of the largest reward of a pair: a mean below that is what a sum that cancels leaves


def counts(facts: pl.LazyFrame) -> pl.LazyFrame:
    """The measure: one row with what `manifest.Hygiene` says of each usable record by itself, and the `text_bytes` of their
    prompts and responses in UTF-8; `longest` is null without any record.
    """
    return facts.filter(pl.col("reject").is_null()).select(
        leaks=pl.col(LEAKY).sum().cast(pl.Int64),
        control_tokens=pl.col(CONTROL).sum().cast(pl.Int64),
        longest=pl.col(CHARACTERS).max(),
        text_bytes=pl.col(BYTES).sum(),
    )


def repeats(facts: pl.LazyFrame, rewards: Sequence[str]) -> pl.LazyFrame:
    """The measure: one row with what `manifest.Hygiene` says of usable records that share prompt and response.

    It may be taken of one portion after another (`portion_of_pairs`), and added up.
    """
    records, distinct = pl.col("records"), pl.col("distinct")
    usable = facts.filter(pl.col("reject").is_null())
    same = usable.group_by(*PAIR, *rewards).agg(records=pl.len().cast(pl.Int64))
    pairs = same.group_by(PAIR).agg(records.sum(), distinct=pl.len().cast(pl.Int64))
    return pairs.select(duplicates=(records - distinct).sum(), conflicting=records.filter(distinct > 1).sum())


def portion_of_pairs(facts: pl.LazyFrame, number: int, portions: int) -> pl.LazyFrame:
    """The facts of some pairs of prompt and response, all of each: what compares them needs memory for those alone."""
    return facts if portions == 1 else facts.filter(pl.col(PAIR[0]) % portions == number)


def without_left_out(records: pl.LazyFrame) -> pl.LazyFrame:
    """Records or facts with `reject` set where their text alone says that they are left out."""
    if LEFT_OUT not in records.collect_schema():
        return records
    return records.with_columns(reject=pl.coalesce("reject", LEFT_OUT))


def has_verdicts(stage: ChecksStage) -> bool:
    """Whether records are left out for what others are."""
    return stage.dedup != "none" or stage.conflicts != "keep"


def verdicts(facts: pl.LazyFrame, rewards: Sequence[str], stage: ChecksStage) -> pl.LazyFrame:
    """The measure: a row for each usable record that is left out or changed, by its place and part. Facts stand in log order.

    `verdict` is why it is left out, null where it stays; then `mean <reward>` holds what its rewards become. Of records with
    the same prompt, response and rewards, `dedup` keeps the first; of those with other rewards, `conflicts` does.
    """
    usable = facts.filter(pl.col("reject").is_null()).with_row_index(_ORDER).select(_ORDER, *_KEYS, *rewards, *PAIR)
    several = usable.filter(pl.len().over(PAIR) > 1)
    is_repeat = pl.lit(False)
    if stage.dedup == "exact":
        is_repeat = pl.col(_ORDER) > pl.col(_ORDER).min().over(*PAIR, *rewards)
    marked = several.with_columns(is_repeat=is_repeat)
    repeats = marked.filter("is_repeat").select(*_KEYS, pl.lit("duplicate").alias(_VERDICT))
    if stage.conflicts == "keep":
        return repeats
    distinct = marked.filter(~pl.col("is_repeat"))
    conflicting = distinct.filter(
        pl.any_horizontal(pl.col(r).min().over(PAIR) < pl.col(r).max().over(PAIR) for r in rewards)
    )
    is_first = pl.col(_ORDER) == pl.col(_ORDER).min().over(PAIR)
    stays = pl.lit(False) if stage.conflicts == "reject" else is_first
    judged = conflicting.with_columns(pl.when(~stays).then(pl.lit("conflicting")).alias(_VERDICT))
    if stage.conflicts != "mean":
        return pl.concat([repeats, judged.filter(pl.col(_VERDICT).is_not_null()).select(*_KEYS, _VERDICT)])
    means = judged.with_columns(
        pl.when(pl.col(_VERDICT).is_null()).then(_mean_of_pair(reward)).alias(_mean(reward)) for reward in rewards
    )
    return pl.concat([repeats, means.select(*_KEYS, _VERDICT, *map(_mean, rewards))], how="diagonal")


def with_verdicts(records: pl.LazyFrame, found: pl.DataFrame, rewards: Sequence[str]) -> pl.LazyFrame:
    """Records or facts, in their order, with what the measured `verdicts` say of them."""
    joined = records.join(found.lazy(), on=_KEYS, how="left", maintain_order="left")
    means = [reward for reward in rewards if _mean(reward) in found.columns]
    return joined.with_columns(
        *(pl.coalesce(_mean(reward), reward).alias(reward) for reward in means),
        reject=pl.coalesce("reject", _VERDICT),
    ).drop(_VERDICT, *map(_mean, means))


def _mean_of_pair(reward: str) -> pl.Expr:
    """The mean over a pair's records, with a reward's digits.

    The parts are added up in ascending order, so that it depends on no thread; each is divided first, so that none overflows.
    """
    parts = (pl.col(reward) / pl.len()).sort().sum().over(PAIR)
    largest = pl.col(reward).abs().max().over(PAIR)
    return rounded(pl.when(parts.abs() < largest * _CANCELS).then(0.0).otherwise(parts))


def _mean(reward: str) -> str:
    return f"mean {reward}"
