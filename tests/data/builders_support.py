"""Random records for the builders' tests, and what the builders do, in plain Python."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import strategies as st

from gcsl_data.columns import MESSAGES
from gcsl_data.stages.builders.built import REASONS, Built

Record = dict[str, Any]
LABELS = ("source", "row", "part")


def make_records(
    rewards: Sequence[float], *, prompts: str = "", groups: str = "", responses: Sequence[str] = ()
) -> list[Record]:
    """One record a reward; `prompts` and `groups` are a letter for each, by default all the same one."""
    count = len(rewards)
    return [
        {"prompt": prompt, "response": response, "reward": float(reward), "group": group, "source": "log.jsonl",
         "row": number, "part": 0}
        for number, (reward, prompt, group, response) in enumerate(
            zip(rewards, prompts or "p" * count, groups or "g" * count, responses or [f"r{i}" for i in range(count)],
                strict=True), start=1)
    ]  # fmt: skip


def frame(records: Sequence[Record], *, chat: bool = False) -> pl.LazyFrame:
    prompt = MESSAGES if chat else pl.String()
    rows = [{**r, "prompt": [{"role": "user", "content": r["prompt"]}]} for r in records] if chat else records
    schema: dict[str, Any] = {"prompt": prompt, "response": pl.String, "reward": pl.Float64, "group": pl.String}
    return pl.LazyFrame(rows, schema={**schema, "source": pl.String, "row": pl.Int64, "part": pl.Int32})


def collected(built: Built) -> tuple[list[Record], dict[str, int]]:
    """Rows and the counts by reason, by the engine that datasets are made with."""
    dropped = built.dropped.collect(engine="streaming")
    assert set(dropped["reason"]) <= set(REASONS)
    assert dropped["reason"].is_sorted()
    assert all(n > 0 for n in dropped["records"])
    return built.rows.collect(engine="streaming").to_dicts(), dict(dropped.iter_rows())


def used(rows: Sequence[Record]) -> set[tuple[Any, ...]]:
    """The records that stand in rows: by their own labels, and as rejected ones."""
    found = {tuple(row[name] for name in LABELS) for row in rows}
    for row in rows:
        rejected = [row.get(f"rejected_{name}") for name in LABELS]
        if isinstance(rejected[0], list):
            found |= set(zip(*rejected, strict=True))
        elif rejected[0] is not None:
            found.add(tuple(rejected))
    return found


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """Up to 14 records of two groups and two prompts, with many equal rewards and some equal responses."""
    count = draw(st.integers(0, 14))
    letters = st.text("ab", min_size=count, max_size=count)
    rewards = draw(st.lists(st.integers(0, 5).map(lambda i: i / 10), min_size=count, max_size=count))
    responses = draw(st.lists(st.sampled_from(["x", "y", "z", "ü\n", "w"]), min_size=count, max_size=count))
    return make_records(rewards, prompts=draw(letters), groups=draw(letters), responses=responses)


def units(records: Sequence[Record]) -> list[list[Record]]:
    """Records of the same group and prompt, in log order, the units by their first record."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record["group"], record["prompt"]), []).append(record)
    return list(found.values())


def gap(chosen: Record, rejected: Record) -> float:
    return float(f"{chosen['reward'] - rejected['reward']:.12g}")
