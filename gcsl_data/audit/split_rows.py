"""That no prompt stands in two splits, recomputed from the rows and the manifest alone."""

from collections.abc import Iterator

import polars as pl

from gcsl_data.columns import ROW_INDEX
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.hashing import prompt_hash
from gcsl_data.stages.render import Layout, bare_prompt

_BETWEEN = "\x1f"  # in no shard's name


def split_problems(rows: pl.LazyFrame, manifest: Manifest) -> Iterator[tuple[str, int, str]]:
    """Shard, row and words of prompts in two splits; rows carry their `shard`, `split` and `ROW_INDEX`.

    Prompts are the same when they are so without their goal, in the form that makes splits (NFKC, white space collapsed).
    It takes a hash and two names for each prompt in memory, and nothing where only one split has rows.
    """
    if sum(split.examples > 0 for split in manifest.splits) < 2:
        return
    prompt = bare_prompt(Layout(manifest.placement, manifest.format)) if manifest.fit.form else pl.col("prompt")
    hashed = rows.select(
        "split",
        prompt_hash=prompt_hash(prompt, is_text=manifest.format == "text"),
        place=pl.concat_str("shard", pl.col(ROW_INDEX).cast(pl.String).str.zfill(12), "id", separator=_BETWEEN),
    ).drop_nulls()
    seen = hashed.group_by("prompt_hash").agg(
        first=pl.col("split").min(), last=pl.col("split").max(), place=pl.col("place").min()
    )
    found = seen.filter(pl.col("first") != pl.col("last")).collect(engine="streaming").sort("place")
    for _, first, last, place in found.head(1).iter_rows():
        shard, row, key = place.split(_BETWEEN, 2)
        count = "1 prompt stands" if found.height == 1 else f"{found.height:,} prompts stand"
        yield shard, int(row), f"{count} in two splits, the first of them (id {key}) in {first} and {last}"
