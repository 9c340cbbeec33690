"""The expansion as research code often has it: lists of dicts in memory, JSON lines out.

    python lists.py LOG OUT SCRATCH DIGITS

Records are sorted by reward and cut into bins by their rank, as in Quark, so equal rewards at an edge may part.
"""

import json
import sys
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

BINS = 5


def main(log: str, out: str, _scratch: str, digits: str) -> None:
    rows = _read(Path(log))
    mean = sum(row["reward"] for row in rows) / len(rows)
    order = sorted(range(len(rows)), key=lambda at: rows[at]["reward"])
    size = len(rows) // BINS
    first = [0, *(len(rows) - (BINS - k + 1) * size for k in range(2, BINS + 1))]
    edges = [rows[order[place]]["reward"] for place in first]
    step = Decimal(1).scaleb(-int(digits))
    goals = {}
    for k, edge in enumerate(edges, start=1):
        if edge > mean:
            number = Decimal(repr(edge)).quantize(step, rounding=ROUND_FLOOR)
            goals[k] = float(number), f"Generate a response with a score of at least {number}."
    examples = []
    for rank, at in enumerate(order):
        row, level = rows[at], sum(rank >= place for place in first)
        for k, (threshold, goal) in goals.items():
            if k <= level:
                examples.append(
                    {
                        "id": f"{at}-{k}",
                        "prompt": [{"role": "user", "content": f"{goal}\n\n{row['prompt']}"}],
                        "completion": [{"role": "assistant", "content": row["response"]}],
                        "goal": goal,
                        "goal_index": k,
                        "threshold": threshold,
                        "level": level,
                        "reward": row["reward"],
                    }
                )
    with Path(out).open("w") as file:
        for example in examples:
            file.write(json.dumps(example) + "\n")


def _read(log: Path) -> list[dict]:
    if log.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(log).to_pylist()
    with log.open() as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main(*sys.argv[1:])
