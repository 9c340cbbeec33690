"""Which split a record is in: by hash of its prompt, so that no prompt stands in two splits.

Adds `split` (String). The hash depends on the prompt alone: adding rows to a log never moves another row.
"""

from collections.abc import Sequence
from itertools import accumulate

import polars as pl

SPLIT_NAMES = ("train", "validation", "test")
_HEX_DIGITS = 13  # 52 bits: exact in a float64


def assign_splits(records: pl.LazyFrame, shares: Sequence[float]) -> pl.LazyFrame:
    """The records with `split`; without shares every one is in train.

    The first 52 bits of `prompt_hash`, as a fraction of one, are compared with the running sums of the shares.
    """
    if not shares:
        return records.with_columns(split=pl.lit("train"))
    fraction = pl.col("prompt_hash").str.slice(0, _HEX_DIGITS).str.to_integer(base=16) / 16.0**_HEX_DIGITS
    names = SPLIT_NAMES[: len(shares)]
    split = pl.lit(names[-1])
    for name, upper in reversed(list(zip(names, accumulate(shares), strict=True))[:-1]):
        split = pl.when(fraction < upper).then(pl.lit(name)).otherwise(split)
    return records.with_columns(split=split)
