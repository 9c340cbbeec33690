"""Splits: that no prompt stands in two, and that their rewards are alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gcsl_data.audit.sections.drift import shift
from gcsl_data.dataset.manifest import Split


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One split; `psi` and `ks` compare its rewards with the train split's, null for train itself and for an empty one."""

    name: str
    records: int
    examples: int
    share: float
    psi: float | None
    ks: float | None


@dataclass(frozen=True, slots=True)
class Splits:
    """`overlap` counts prompts that stand in more than one split; `psi` and `ks` are the largest over the splits."""

    overlap: int
    psi: float | None
    ks: float | None
    rows: tuple[SplitRow, ...]


def splits_section(facts: pl.DataFrame, splits: Sequence[Split]) -> Splits:
    """Overlap is counted over the facts' prompts; records and examples are those of the manifest."""
    names = facts.group_by("prompt").agg(pl.col("split").n_unique())["split"]
    rewards = {split.name: facts.filter(pl.col("split") == split.name)["reward"] for split in splits}
    train, total = rewards[splits[0].name], sum(split.records for split in splits)
    rows = []
    for split in splits:
        is_compared = split is not splits[0] and len(rewards[split.name]) and len(train)
        found = shift(rewards[split.name], train) if is_compared else None
        rows.append(
            SplitRow(
                name=split.name,
                records=split.records,
                examples=split.examples,
                share=split.records / total,
                psi=found.psi if found else None,
                ks=found.ks if found else None,
            )
        )
    compared = [row for row in rows if row.psi is not None]
    return Splits(
        overlap=int((names > 1).sum()),
        psi=max((row.psi for row in compared if row.psi is not None), default=None),
        ks=max((row.ks for row in compared if row.ks is not None), default=None),
        rows=tuple(rows),
    )
