"""The expansion as a plain script of Hugging Face datasets.

python hf_datasets.py LOG OUT SCRATCH DIGITS [PROCESSES]
"""

import sys
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import numpy as np
from datasets import load_dataset

BINS = 5


def main(log: str, out: str, scratch: str, digits: str, processes: str = "1") -> None:
    kind = "parquet" if Path(log).suffix == ".parquet" else "json"
    rows = load_dataset(kind, data_files=log, split="train", cache_dir=scratch)
    rewards = np.sort(rows.with_format("numpy", dtype=np.float64)["reward"][:])  # else float32
    size = len(rewards) // BINS
    edges = [float(rewards[0]), *(float(rewards[len(rewards) - (BINS - k + 1) * size]) for k in range(2, BINS + 1))]
    mean = float(rewards.mean())
    step = Decimal(1).scaleb(-int(digits))
    printed = [str(Decimal(repr(edge)).quantize(step, rounding=ROUND_FLOOR)) for edge in edges]
    thresholds = [float(number) for number in printed]
    goals = {
        k: (threshold, f"Generate a response with a score of at least {number}.")
        for k, (edge, threshold, number) in enumerate(zip(edges, thresholds, printed, strict=True), start=1)
        if edge > mean
    }

    def expand(batch: dict[str, list[Any]], positions: list[int]) -> dict[str, list[Any]]:
        made: dict[str, list[Any]] = {
            name: []
            for name in ("id", "prompt", "completion", "goal", "goal_index", "threshold", "level", "reward")
        }  # fmt: skip
        columns = zip(positions, batch["prompt"], batch["response"], batch["reward"], strict=True)
        for position, prompt, response, reward in columns:
            level = sum(reward >= threshold for threshold in thresholds)
            for k, (threshold, goal) in goals.items():
                if reward < threshold:
                    continue
                made["id"].append(f"{position}-{k}")
                made["prompt"].append([{"role": "user", "content": f"{goal}\n\n{prompt}"}])
                made["completion"].append([{"role": "assistant", "content": response}])
                made["goal"].append(goal)
                made["goal_index"].append(k)
                made["threshold"].append(threshold)
                made["level"].append(level)
                made["reward"].append(reward)
        return made

    workers = int(processes) if int(processes) > 1 else None
    expanded = rows.map(expand, batched=True, with_indices=True, remove_columns=rows.column_names, num_proc=workers)
    expanded.save_to_disk(out, num_proc=workers)


if __name__ == "__main__":
    main(*sys.argv[1:])
