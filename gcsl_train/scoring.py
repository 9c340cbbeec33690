"""Records scored under goals: how likely a model finds each answer when it is asked for this goal, that one, or none.

Each record (its prompt without a goal, its answer) is scored once under every goal of the model, and under none. A model that
listens to its goals finds good answers likelier under a high goal than under a low one: the difference is the goal-swap gap.
Needs no sampling, so it is exact and cheap.

Answers are told apart by level: how many thresholds they reach. Where goals are rewards it is the quarter of the records that
their reward stands in, 4 the best.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gcsl_data.dataset.goal import Message, remove
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import DataError, TrainingError
from gcsl_train import reward_embedding
from gcsl_train.collate import collate
from gcsl_train.evaluation import Evaluation, Goal, Score, Swap
from gcsl_train.goals import Asked, GoalBook
from gcsl_train.plan import for_rank, plan
from gcsl_train.reward_embedding import NUMBER, Scale
from gcsl_train.shards import Example, read_examples
from gcsl_train.table import TokenTable, tokenise
from gcsl_train.tokens import Encoder

_QUARTERS = 4
Losses = Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a split: the prompt without its goal, the answer, its level, and its reward where that is a number."""

    id: str
    prompt: str | list[Message]
    answer: str | list[Message]
    level: int
    reward: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a model is asked: records that fit under every goal, and their tokens under each. `sign` times a reward is the
    log's; `dropped` counts records that were too long."""

    split: str
    records: tuple[Record, ...]
    dropped: int
    asked: tuple[Asked, ...]
    tables: Mapping[int | float | None, TokenTable]
    capacity: int
    sign: int


def questions(
    records: Sequence[Record],
    book: GoalBook,
    encoder: Encoder,
    *,
    split: str,
    capacity: int,
    scale: Scale | None,
    with_goals: bool,
) -> Questions:
    """The questions to ask of these records; `with_goals` False asks for nothing only. Raises DataError (65) if none fits."""
    asked = (Asked(None, None), *(_goals(book) if with_goals else ()))
    tables = {goal.key: _table(records, goal, book, encoder, capacity, scale) for goal in asked}
    fitting = set.intersection(*(set(table.names) for table in tables.values()))
    kept = [record for record in records if record.id in fitting]
    if not kept:
        raise DataError("GT6511", f"no record of {split} fits in {capacity} tokens under each goal; raise --max-length")
    return Questions(
        split=split,
        records=tuple(_by_quarter(kept) if book.embedded else kept),
        dropped=len(records) - len(kept),
        asked=asked,
        tables=tables,
        capacity=capacity,
        sign=book.embedded.sign if book.embedded else 1,
    )


@torch.no_grad()
def losses(asked: Questions, goal: Asked, model: Any, device: torch.device, accelerator: Any = None) -> Losses:
    """Of each record the sum of -log p over the tokens of its answer, and how many those are, under one goal.

    With an accelerator, ranks share the work and each gets all of it. Raises TrainingError (70) for what is no number.
    """
    table = asked.tables[goal.key]
    packs = plan(table.lengths, seed=0, epoch=0, capacity=asked.capacity)
    if accelerator is not None:
        packs = for_rank(packs, accelerator.process_index, accelerator.num_processes)
    sums_D = torch.zeros(len(table.names), dtype=torch.float64)
    for pack in packs:
        batch = collate(table, pack).to(device)
        logp_S = model(batch).tokens.logp_S.double()
        sums_N = logp_S.new_zeros(len(batch.cu_seqlens_N) - 1).index_add(0, batch.document_S, logp_S)
        sums_D[table.documents_of(pack)] = sums_N[: len(batch.names_N)].cpu()
    if accelerator is not None:
        sums_D = accelerator.reduce(sums_D.to(device), reduction="sum").cpu()
    counts_D = table.documents.lengths - np.maximum(table.prompt_lengths, 1)
    found = {n: (-float(s), int(c)) for n, s, c in zip(table.names, sums_D, counts_D, strict=True)}
    for name, (total, _) in found.items():
        if not math.isfinite(total):
            raise TrainingError(
                "GT7002",
                f"the loss of row {name} is {total}: the model's numbers overflow; give --dtype float32, or train again",
            )
    return found


def records_of(folder: str, manifest: Manifest, split: str) -> Iterator[Record]:
    """The records behind the rows of a split, each once, in the order of their first rows."""
    places, names = set(), set()
    for row in read_examples(folder, manifest, split=split, with_records=True):
        if row.place in places:
            continue
        if row.id in names:
            raise DataError("GT6537", f"{split} has the id {row.id} for several records; build the dataset again")
        places.add(row.place)
        names.add(row.id)
        try:
            prompt = remove(row.prompt, row.goal, manifest.placement)
        except ValueError as error:
            raise DataError("GT6528", f"row {row.id}: {error}; build the dataset again") from None
        yield Record(
            id=row.id, prompt=prompt, answer=row.answers[0], level=row.level or 0, reward=row.numbers.get(NUMBER)
        )


def summary(asked: Questions, found: Mapping[int | float | None, Losses]) -> Evaluation:
    """The losses of single records, by goal, brought together."""

    def score(key: int | float | None, chosen: Sequence[Record]) -> tuple[int, float]:
        own = [found[key][record.id] for record in chosen]
        tokens = sum(count for _, count in own)
        return tokens, sum(total for total, _ in own) / tokens

    levels = sorted({record.level for record in asked.records})
    by_level = {level: [record for record in asked.records if record.level == level] for level in levels}
    scores = [
        Score(
            asked=goal.index,
            level=level,
            records=len(chosen),
            tokens=tokens,
            loss=loss,
            reward=logged(goal, asked.sign),
        )
        for goal in asked.asked
        for level, chosen in by_level.items()
        for tokens, loss in [score(goal.key, chosen)]
    ]
    goals = []
    for goal in asked.asked:
        reaching = [record for record in asked.records if goal.index is None or record.level >= goal.index]
        if reaching:
            text = goal.text if goal.reward is None else None
            loss = score(goal.key, reaching)[1]
            goals.append(
                Goal(index=goal.index, text=text, records=len(reaching), loss=loss, reward=logged(goal, asked.sign))
            )
    swap = None
    kept = sorted(goal.key for goal in asked.asked if goal.key is not None)
    best = by_level[levels[-1]]
    if len(kept) > 1 and levels[-1] > 0:  # where no level was counted, no answers are known to be the best
        lowest, highest = (score(key, best)[1] for key in (kept[0], kept[-1]))
        swap = Swap(level=levels[-1], records=len(best), lowest=lowest, highest=highest, gap=lowest - highest)
    return Evaluation(
        split=asked.split,
        records=len(asked.records),
        dropped=asked.dropped,
        scores=tuple(scores),
        goals=tuple(goals),
        swap=swap,
    )


def logged(goal: Asked, sign: int) -> float | None:
    """The reward that a goal asks for, in the log's own unit."""
    return None if goal.reward is None else sign * goal.reward + 0.0


def _by_quarter(records: Sequence[Record]) -> list[Record]:
    """Records with the quarter of their rewards as level, equal rewards in one; as they are where some have no reward."""
    rewards = [record.reward for record in records if record.reward is not None]
    if len(rewards) < len(records):
        return list(records)
    ordered = np.sort(rewards)
    levels = 1 + np.searchsorted(ordered, rewards) * _QUARTERS // len(ordered)
    return [dataclasses.replace(record, level=int(level)) for record, level in zip(records, levels, strict=True)]


def _goals(book: GoalBook) -> list[Asked]:
    """The goals to score under: those that were kept; where they are rewards the lowest that was trained, and the highest."""
    if book.embedded:
        rewards = sorted({book.embedded.minimum, book.embedded.inference})
        return [Asked(None, reward_embedding.REWARD_TOKEN, reward) for reward in rewards]
    return [Asked(index, text) for index, text in book.kept.items()]


def _table(
    records: Sequence[Record], asked: Asked, book: GoalBook, encoder: Encoder, capacity: int, scale: Scale | None
) -> TokenTable:
    rows = (_row(record, asked, book, scale) for record in records)
    return tokenise(rows, encoder, capacity=capacity)


def _row(record: Record, asked: Asked, book: GoalBook, scale: Scale | None) -> Example:
    bare = Example(record.id, record.prompt, (record.answer,), {"weight": 1.0})
    if asked.reward is not None and scale is not None:
        return reward_embedding.place(bare, asked.reward, book, scale)
    return dataclasses.replace(bare, prompt=book.place(record.prompt, asked), goal=asked.text)
