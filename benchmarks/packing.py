"""How full packs are, how long it takes to plan them, and how fast a dataset becomes tensors.

    python benchmarks/packing.py

Lengths are drawn as in the logs that they are named after; `next-fit` opens a new pack when a document does not fit, as
simple loaders do; `padded` are batches of eight in random order. The loader reads the shipped log, repeated, with
the tokenizer of SmolLM2.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gcsl_train.collate import collate
from gcsl_train.model import find, load_tokenizer
from gcsl_train.plan import plan
from gcsl_train.shards import read_examples, read_manifest
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

ROOT = Path(__file__).resolve().parents[1]
CAPACITY, COUNT, COPIES = 4096, 100_000, 60


def main() -> None:
    draw = np.random.default_rng(0)
    shapes = {
        "chat: lognormal, median 350": draw.lognormal(np.log(350), 0.9, COUNT),
        "toxicity: 150 +- 50": draw.normal(150, 50, COUNT),
        "code: lognormal, median 900": draw.lognormal(np.log(900), 0.6, COUNT),
    }
    print(f"{'lengths, packs of ' + str(CAPACITY):<32}{'ours':>9}{'next-fit':>10}{'padded':>9}{'seconds':>10}")
    for name, drawn in shapes.items():
        lengths = np.clip(drawn.round(), 2, CAPACITY).astype(np.int64)
        since = time.perf_counter()
        packs = plan(lengths, seed=0, epoch=0, capacity=CAPACITY)
        seconds = time.perf_counter() - since
        order = draw.permutation(COUNT)
        filled = [lengths.sum() / (count * CAPACITY) for count in (len(packs), next_fit(lengths[order]))]
        batches = lengths[order].reshape(-1, 8)
        padded = lengths.sum() / (8 * batches.max(axis=1)).sum()
        print(f"{name:<32}{filled[0]:>9.2%}{filled[1]:>10.1%}{padded:>9.1%}{seconds:>10.2f}")
    loader()


def next_fit(lengths: np.ndarray) -> int:
    """How many packs it takes when only the last one is open."""
    packs, space = 0, 0
    for length in lengths.tolist():
        if length > space:
            packs, space = packs + 1, CAPACITY
        space -= length
    return packs


def loader() -> None:
    """Tokens per second of reading shards, of encoding, and of making the tensors of packs."""
    import polars as pl

    found = subprocess.run(
        [sys.executable, ROOT / "scripts" / "find_smollm2.py"], check=True, capture_output=True, text=True
    )
    tokenizer = load_tokenizer(find(found.stdout.strip()))
    with tempfile.TemporaryDirectory() as folder:
        log = pl.read_parquet(ROOT / "examples" / "code_efficiency" / "logs.parquet")
        copies = [log.with_columns(pl.col("prompt") + f"\n# {number}") for number in range(COPIES)]
        pl.concat(copies).write_parquet(f"{folder}/log.parquet")
        words = ["-m", "gcsl_data", "expand", f"{folder}/log.parquet", "--template", "code.j2", "-o", f"{folder}/data"]
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        manifest = read_manifest(f"{folder}/data")
        rows, read = timed(lambda: list(read_examples(f"{folder}/data", manifest)))
        encoder = Encoder(tokenizer, manifest.format, goals=None)
        table, encode = timed(lambda: tokenise(rows, encoder, capacity=CAPACITY))
        packs, planned = timed(lambda: plan(table.lengths, seed=0, epoch=0, capacity=CAPACITY))
        _, collated = timed(lambda: [collate(table, pack) for pack in packs])
    tokens = int(table.lengths.sum())
    print(f"\n{len(rows):,} rows, {tokens:,} tokens, one thread")
    for name, seconds in {
        "read and check shards": read,
        "encode": encode,
        "plan": planned,
        "tensors of packs": collated,
    }.items():
        print(f"{name:<24}{seconds:>8.2f} s{tokens / seconds:>16,.0f} tokens/s")


def timed(work):
    """What the work gives, and the seconds it took."""
    since = time.perf_counter()
    return work(), time.perf_counter() - since


if __name__ == "__main__":
    main()
