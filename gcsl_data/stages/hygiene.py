"""What is suspicious in usable records: counted always, left out only where somebody asked for it.

Adds nothing to records but a `reject` out of `checks.FILTERED`, and, where conflicting rewards are asked to become one, the
mean. Duplicates and conflicts take two steps, because they may stand anywhere in the log: `verdicts` is an aggregate for an
engine to measure, and `with_verdicts` joins its answer back.

The text of a record is known by 128 bits of hash: were two different texts to agree in all of them, which for a billion
records has a chance of about 1e-21, one of the two would count as a repetition of the other.
"""

from collections.abc import Callable, Sequence

import polars as pl

from gcsl_data.control_tokens import CONTROL_TOKEN
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.checks import in_any_text
from gcsl_data.stages.rewards import rounded

_PAIR = ("pair a", "pair b")  # with a space: no column of ours is called so
_PLACE = "place in the logs"
_VERDICT = "verdict"
_CANCELS = 1e-12  # of the largest reward of a pair: a mean below that is what a sum that cancels leaves


def counts(usable: pl.LazyFrame, rewards: Sequence[str], leaks: Sequence[str]) -> pl.LazyFrame:
    """The measure: one row with the fields of `manifest.Hygiene`, of the usable records, and `text_bytes`, those of their
    prompts and responses in UTF-8; `longest` is null without any record.

    `leaks` are patterns of texts that tell their own grade.
    """
    is_text = _is_text(usable)
    control = in_any_text(_has(CONTROL_TOKEN), is_text=is_text)
    leaky = pl.any_horizontal(in_any_text(_has(pattern), is_text=is_text) for pattern in leaks)
    facts = usable.select(
        leaks=leaky.sum().cast(pl.Int64),
        control_tokens=control.sum().cast(pl.Int64),
        longest=_characters(is_text).max().cast(pl.Int64),
        text_bytes=_bytes(is_text).sum().cast(pl.Int64),
    )
    records, distinct = pl.col("records"), pl.col("distinct")
    same = usable.select(*rewards, *_keys()).group_by(*_PAIR, *rewards).agg(records=pl.len().cast(pl.Int64))
    pairs = same.group_by(_PAIR).agg(records.sum(), distinct=pl.len().cast(pl.Int64))
    repeats = pairs.select(
        duplicates=(records - distinct).sum(),
        conflicting=records.filter(distinct > 1).sum(),
    )
    return pl.concat([repeats, facts], how="horizontal")


def without_rows(records: pl.LazyFrame, stage: ChecksStage) -> pl.LazyFrame:
    """The records with `reject` set where the text alone says that they are left out."""
    is_text = _is_text(records)
    asked: dict[str, pl.Expr] = {}
    if stage.control_tokens == "reject":
        asked["control_tokens"] = in_any_text(_has(CONTROL_TOKEN), is_text=is_text)
    if stage.max_chars is not None:
        asked["too_long"] = _characters(is_text) > stage.max_chars
    if not asked:
        return records
    return records.with_columns(
        reject=pl.coalesce("reject", *(pl.when(left_out).then(pl.lit(name)) for name, left_out in asked.items()))
    )


def has_verdicts(stage: ChecksStage) -> bool:
    """Whether records are left out for what others are."""
    return stage.dedup != "none" or stage.conflicts != "keep"


def verdicts(records: pl.LazyFrame, rewards: Sequence[str], stage: ChecksStage) -> pl.LazyFrame:
    """The measure: a row for each usable record that is left out or changed, by its place in the logs.

    `verdict` is why it is left out, null where it stays; then `mean <reward>` holds what its rewards become. Of records with
    the same prompt, response and rewards, `dedup` keeps the first; of those with other rewards, `conflicts` does.
    """
    usable = _placed(records).filter(pl.col("reject").is_null()).select(_PLACE, *rewards, *_keys())
    several = usable.filter(pl.len().over(_PAIR) > 1)
    is_repeat = pl.lit(False)
    if stage.dedup == "exact":
        is_repeat = pl.col(_PLACE) > pl.col(_PLACE).min().over(*_PAIR, *rewards)
    marked = several.with_columns(is_repeat=is_repeat)
    repeats = marked.filter("is_repeat").select(_PLACE, pl.lit("duplicate").alias(_VERDICT))
    if stage.conflicts == "keep":
        return repeats
    distinct = marked.filter(~pl.col("is_repeat"))
    conflicting = distinct.filter(
        pl.any_horizontal(pl.col(r).min().over(_PAIR) < pl.col(r).max().over(_PAIR) for r in rewards)
    )
    is_first = pl.col(_PLACE) == pl.col(_PLACE).min().over(_PAIR)
    stays = pl.lit(False) if stage.conflicts == "reject" else is_first
    judged = conflicting.with_columns(pl.when(~stays).then(pl.lit("conflicting")).alias(_VERDICT))
    if stage.conflicts != "mean":
        return pl.concat([repeats, judged.filter(pl.col(_VERDICT).is_not_null()).select(_PLACE, _VERDICT)])
    means = judged.with_columns(
        pl.when(pl.col(_VERDICT).is_null()).then(_mean_of_pair(reward)).alias(_mean(reward)) for reward in rewards
    )
    return pl.concat([repeats, means.select(_PLACE, _VERDICT, *map(_mean, rewards))], how="diagonal")


def with_verdicts(records: pl.LazyFrame, found: pl.LazyFrame, rewards: Sequence[str]) -> pl.LazyFrame:
    """The records, in their order, with what the measured `verdicts` say of them."""
    joined = _placed(records).join(found, on=_PLACE, how="left", maintain_order="left")
    means = [reward for reward in rewards if _mean(reward) in found.collect_schema()]
    return joined.with_columns(
        *(pl.coalesce(_mean(reward), reward).alias(reward) for reward in means),
        reject=pl.coalesce("reject", _VERDICT),
    ).drop(_PLACE, _VERDICT, *map(_mean, means))


def _mean_of_pair(reward: str) -> pl.Expr:
    """The mean over a pair's records, with a reward's digits.

    The parts are added up in ascending order, so that it depends on no thread; each is divided first, so that none overflows.
    """
    parts = (pl.col(reward) / pl.len()).sort().sum().over(_PAIR)
    largest = pl.col(reward).abs().max().over(_PAIR)
    return rounded(pl.when(parts.abs() < largest * _CANCELS).then(0.0).otherwise(parts))


def _mean(reward: str) -> str:
    return f"mean {reward}"


def _placed(records: pl.LazyFrame) -> pl.LazyFrame:
    return records.with_row_index(_PLACE)


def _keys() -> list[pl.Expr]:
    """Two 64-bit hashes of prompt and response, with different seeds."""
    return [pl.struct("prompt", "response").hash(seed).alias(name) for seed, name in enumerate(_PAIR, start=1)]


def _has(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda text: text.str.contains(pattern)


def _characters(is_text: bool) -> pl.Expr:
    prompt, content = pl.col("prompt"), pl.element().struct.field("content")
    asked = prompt.str.len_chars() if is_text else prompt.list.eval(content.str.len_chars()).list.sum()
    return asked + pl.col("response").str.len_chars()


def _bytes(is_text: bool) -> pl.Expr:
    prompt, content = pl.col("prompt"), pl.element().struct.field("content")
    asked = prompt.str.len_bytes() if is_text else prompt.list.eval(content.str.len_bytes()).list.sum()
    return asked.cast(pl.Int64) + pl.col("response").str.len_bytes()


def _is_text(records: pl.LazyFrame) -> bool:
    return records.collect_schema()["prompt"] == pl.String
