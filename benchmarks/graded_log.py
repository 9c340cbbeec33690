"""A log to measure with: prompt, response and reward, about 900 bytes of text a row, written in pieces of bounded memory.

Texts are runs of words out of one long random text in which words are as frequent as in English (Zipf), so they compress as
prose does and hardly a response comes back; a prompt has four responses on average. Equal arguments give equal files.
"""

import itertools
from pathlib import Path
from typing import Any

PIECE = 100_000  # rows in memory at once
POOL = 4_000_000  # words of the long text
SHORTEST, LONGEST = 60, 160  # words of a text: about 450 bytes on average
RESPONSES = 4  # to a prompt, on average
_TEXT = """the of and to in is you that it he was for on are as with his they I at be this have from or one had by word but
not what all were we when your can said there use an each which she do how their if will up other about out many then them
these so some her would make like him into time has look two more write go see number no way could people my than first
water been call who oil its now find long down day did get come made may part over new sound take only little work know
place year live me back give most very after thing our just name good sentence man think say great where help through much
before line right too mean old any same tell boy follow came want show also around form three small set put end does
another well large must big even such because turn here why ask went men read need land different home us move try kind
hand picture again change off play spell air away animal house point page letter mother answer found study still learn
should America world answer, question, however, because, therefore, example: first, second, finally. café"""
WORDS = tuple(_TEXT.split())


def make_graded_log(path: Path, rows: int, *, distinct: bool = False) -> None:
    """Writes the log in the format of the suffix, .parquet or .jsonl; rewards from 0 to 1 have 3 digits, or 12, so that
    nearly all differ (ours rounds to 12)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".jsonl":
        with path.open("wb") as file:
            for piece in _pieces(rows, distinct):
                piece.write_ndjson(file)
        return
    schema = pa.schema({"prompt": pa.string(), "response": pa.string(), "reward": pa.float64()})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for piece in _pieces(rows, distinct):
            writer.write_table(piece.to_arrow().cast(schema))


def cached_log(folder: Path, kind: str, rows: int, *, distinct: bool = False) -> Path:
    """The log in `folder`, made when it is not there yet."""
    path = folder / f"log-{rows}{'-distinct' if distinct else ''}.{kind}"
    if not path.exists():
        part = folder / f"part-{path.name}"
        make_graded_log(part, rows, distinct=distinct)
        part.rename(path)
    return path


def _pieces(rows: int, distinct: bool) -> Any:
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    words = [WORDS[at] for at in rng.choice(len(WORDS), POOL, p=shares / shares.sum())]
    starts = np.fromiter(itertools.accumulate((len(word) + 1 for word in words), initial=0), np.int64, POOL + 1)
    pool = " ".join(words)

    def texts(spans: Any) -> list[str]:
        first, after = starts[spans[0]].tolist(), (starts[spans[1]] - 1).tolist()
        return [pool[a:b] for a, b in zip(first, after, strict=True)]

    def spans(height: int) -> Any:
        first = rng.integers(0, POOL - LONGEST, height)
        return np.stack([first, first + rng.integers(SHORTEST, LONGEST, height)])

    prompts = spans(max(1, rows // RESPONSES))
    for start in range(0, rows, PIECE):
        height = min(PIECE, rows - start)
        asked = prompts[:, rng.integers(0, prompts.shape[1], height)]
        reward = rng.beta(2, 2, height)
        yield pl.DataFrame(
            {
                "prompt": texts(asked),
                "response": texts(spans(height)),
                "reward": reward.round(12 if distinct else 3),
            }
        )
