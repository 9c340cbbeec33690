"""The contestants of fit.py: thresholds and mean of one column of rewards, in a process of its own.

    python fitters.py NAME FILE       prints JSON: edges (hex), mean, and for ours the seconds of its steps

The edges of K bins are order statistics: with s ascending and b = N // K, s[0] and s[N - (K-k+1) b] for k = 2..K.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

BINS = 5
Found = tuple[list[float], float, dict[str, float]]


def positions(total: int) -> list[int]:
    """0-based places of the edges among the ascending rewards."""
    return [0, *(total - (BINS - k + 1) * (total // BINS) for k in range(2, BINS + 1))]


def ours(path: str) -> Found:
    """The path of `expand` from records to the fit with its goals chosen."""
    import polars as pl

    from gcsl_data.census import take_census
    from gcsl_data.engines.local import LocalEngine
    from gcsl_data.recipe import BinsStage
    from gcsl_data.stages.fitting import fit_rewards
    from gcsl_data.stages.goal_filter import choose_goals
    from gcsl_data.stages.thresholds import thresholds_of

    spent: dict[str, float] = {}

    def step(name: str, started: float) -> float:
        spent[name] = time.perf_counter() - started
        print(f"{name} {spent[name]:.1f} s", file=sys.stderr, flush=True)
        return time.perf_counter()

    now = time.perf_counter()
    names = dict.fromkeys(("log", "source"), pl.lit("log.parquet")) | {"split": pl.lit("train")}
    records = pl.scan_parquet(path, row_index_name="row").with_columns(**names, reject=pl.lit(None, pl.String))
    census = take_census(records, LocalEngine([]))
    now = step("counting", now)
    counted = census.rewards("train")
    now = step("putting in order", now)
    stage = BinsStage(count=BINS)
    edges = thresholds_of(counted, stage, labels=(), direction="higher")
    fit = fit_rewards(counted, edges, stage, direction="higher", form="threshold", comparator=">=", split="train")
    fit, _ = choose_goals(fit, "mean", None)
    step("fitting", now)
    return [threshold.edge for threshold in fit.thresholds], fit.mean, spent


def numpy_sort(path: str) -> Found:
    import numpy as np

    rewards = np.sort(_column(path))
    return rewards[positions(len(rewards))].tolist(), float(rewards.mean()), {}


def numpy_partition(path: str) -> Found:
    import numpy as np

    rewards = _column(path)
    places = positions(len(rewards))
    return np.partition(rewards, places)[places].tolist(), float(rewards.mean()), {}


def polars_quantile(path: str) -> Found:
    import polars as pl

    scanned = pl.scan_parquet(path)
    total = scanned.select(pl.len()).collect().item()
    reward = pl.col("reward")
    edges = [reward.quantile(at / (total - 1), "nearest").alias(str(at)) for at in positions(total)]
    *found, mean = scanned.select(*edges, reward.mean()).collect(engine="streaming").row(0)
    return found, mean, {}


def duckdb_quantile(path: str) -> Found:
    import duckdb

    [(total,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
    shares = [(at + 0.5) / total for at in positions(total)]
    [(edges, mean)] = duckdb.sql(f"SELECT quantile_disc(reward, {shares}), avg(reward) FROM '{path}'").fetchall()
    return edges, mean, {}


def _column(path: str) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=["reward"])["reward"].to_numpy()


FITTERS: dict[str, Callable[[str], Found]] = {
    "gcsl-data's fit": ours,
    "numpy.sort": numpy_sort,
    "numpy.partition": numpy_partition,
    "Polars quantile, streaming": polars_quantile,
    "DuckDB quantile_disc": duckdb_quantile,
}

if __name__ == "__main__":
    edges, mean, steps = FITTERS[sys.argv[1]](sys.argv[2])
    print(json.dumps({"edges": [edge.hex() for edge in edges], "mean": mean, "steps": steps}))
