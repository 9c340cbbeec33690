"""Text: how long prompts and responses are, whether better ones are just longer, and how long each level's are."""

import math
from dataclasses import dataclass
from typing import cast

import polars as pl


@dataclass(frozen=True, slots=True)
class Length:
    """Lengths of one text over all records: characters, or tokens where a tokenizer counts them."""

    mean: float
    median: int
    p95: int
    longest: int


@dataclass(frozen=True, slots=True)
class LevelText:
    """Lengths at one level, in characters; in tokens where a tokenizer is named, of the records that it read."""

    level: int
    records: int
    prompt_median: int
    response_median: int
    response_p95: int
    response_tokens_median: int | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Lengths in tokens: the tokenizer's name, how many records it read, and what it found. No chat template is added."""

    tokenizer: str
    records: int
    prompt: Length
    response: Length


@dataclass(frozen=True, slots=True)
class Text:
    """`length_reward_corr` is Spearman's rank correlation between a response's characters and its reward, in the train split;
    null where one of them never changes. `levels` are of all splits, lowest first; empty where records have no level."""

    prompt: Length
    response: Length
    length_reward_corr: float | None
    levels: tuple[LevelText, ...]
    tokens: Tokens | None


def text_section(facts: pl.DataFrame, *, split: str, has_levels: bool, tokens: Tokens | None) -> Text:
    """`facts` may have `response_tokens`, null for the records that no tokenizer read."""
    train = facts.filter(pl.col("split") == split)
    return Text(
        prompt=length_of(facts["prompt_chars"]),
        response=length_of(facts["response_chars"]),
        length_reward_corr=spearman(train["response_chars"], train["reward"]),
        levels=_levels(facts) if has_levels else (),
        tokens=tokens,
    )


def length_of(lengths: pl.Series) -> Length:
    """Median and p95 are lengths that occur: the lower of two."""
    median, p95 = (int(lengths.quantile(share, interpolation="lower") or 0) for share in (0.5, 0.95))
    total = int(lengths.sum())
    return Length(mean=total / len(lengths), median=median, p95=p95, longest=int(cast("int", lengths.max())))


def spearman(a: pl.Series, b: pl.Series) -> float | None:
    """Rank correlation, equal values at their mean rank; None where one of the two never changes.

    Twice a mean rank less n + 1 is a whole number: as 128-bit integers the sums are exact and depend on no order of threads.
    """
    x, y = (((2 * s.rank("average")).cast(pl.Int64) - (len(s) + 1)).cast(pl.Int128) for s in (a, b))
    xy, xx, yy = int((x * y).sum()), int((x * x).sum()), int((y * y).sum())
    return None if xx == 0 or yy == 0 else max(-1.0, min(1.0, xy / (math.sqrt(xx) * math.sqrt(yy))))


def _levels(facts: pl.DataFrame) -> tuple[LevelText, ...]:
    found = facts.group_by("level").agg(
        records=pl.len(),
        prompt_median=pl.col("prompt_chars").quantile(0.5, "lower"),
        response_median=pl.col("response_chars").quantile(0.5, "lower"),
        response_p95=pl.col("response_chars").quantile(0.95, "lower"),
        tokens_median=pl.col("response_tokens").quantile(0.5, "lower"),
    )
    return tuple(
        LevelText(
            level=row["level"],
            records=row["records"],
            prompt_median=int(row["prompt_median"]),
            response_median=int(row["response_median"]),
            response_p95=int(row["response_p95"]),
            response_tokens_median=None if row["tokens_median"] is None else int(row["tokens_median"]),
        )
        for row in found.sort("level").iter_rows(named=True)
    )
