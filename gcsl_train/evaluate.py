"""How likely a model finds the answers of a dataset when it is asked for this goal or that: loss by goal, and the goal swap.

Each record of a split (its prompt without a goal, its answer) is scored once under every goal of the model, and under none.
A model that listens to its goals finds good answers likelier under a high goal than under a low one: the difference is the
goal-swap gap. Needs no sampling, so it is exact and cheap.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gcsl_data.dataset.goal import Message, remove
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import DataError, UsageError
from gcsl_train import attention, serving
from gcsl_train import goals as goal_books
from gcsl_train.collate import collate
from gcsl_train.goals import Asked, GoalBook
from gcsl_train.meter import Say
from gcsl_train.plan import plan
from gcsl_train.policy import Policy, verify
from gcsl_train.runfolder import RunFolder
from gcsl_train.shards import Example, read_examples, read_manifest
from gcsl_train.table import TokenTable, tokenise
from gcsl_train.tokens import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a split: the prompt without its goal, the answer, and how many thresholds the answer reaches."""

    id: str
    prompt: str | list[Message]
    answer: str | list[Message]
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The loss of some records under one goal (None: under no goal): mean of -log p over the tokens of their answers."""

    asked: int | None
    level: int
    records: int
    tokens: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """The same answers, those of the highest level, under the lowest and the highest goal; `gap` is lowest minus highest."""

    level: int
    records: int
    lowest: float
    highest: float
    gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The loss of one goal over the records that reach it; `index` is None for records under no goal, all of them."""

    index: int | None
    text: str | None
    records: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model makes of a split. `scores` has every goal and level, `goals` the loss by goal; no swap below two goals."""

    split: str
    records: int
    dropped: int
    scores: tuple[Score, ...]
    goals: tuple[Goal, ...]
    swap: Swap | None


def evaluate(
    *,
    run: str | None,
    model: str | None,
    data: str,
    split: str,
    max_length: int,
    limit: int | None,
    dtype: str,
    say: Say,
) -> Evaluation:
    """Score the records of a split of `data` under the goals of a run, or of the dataset itself with an untrained model.

    `data` is of kind "examples"; `limit` takes its first so many records. Raises the errors of gcsl_data.errors.
    """
    manifest = read_manifest(data)
    if manifest.kind != "examples":
        name = Path(data).name
        raise UsageError("GT0229", f"evaluate scores records of kind 'examples', {name} is of kind {manifest.kind!r}")
    folder = RunFolder(Path(run)) if run is not None else None
    if folder:
        folder.check_here()
    elif model is None:
        raise UsageError(
            "GT0219", "evaluate takes RUN (and --model for a local base), or --model MODEL, and --data DIR"
        )
    book = goal_books.read(folder.goals) if folder else goal_books.from_manifest(manifest)
    source = serving.base(folder, model)
    records = list(itertools.islice(records_of(data, manifest, split), limit))
    encoder = serving.open_encoder(source, folder, book, asks=False, say=say)
    knows_goals = not book.tokens or encoder.goals is not None
    asked = [Asked(None, None), *(Asked(index, text) for index, text in book.kept.items() if knows_goals)]
    tables = {goal.index: _table(records, goal, book, encoder, max_length) for goal in asked}
    fitting = set.intersection(*(set(table.names) for table in tables.values()))
    kept = [record for record in records if record.id in fitting]
    if not kept:
        raise DataError(
            "GT6511", f"no record of {split} fits in {max_length} tokens under each goal; raise --max-length"
        )
    device = serving.device()
    numbers = serving.numbers(dtype, device)
    lm = serving.open_model(source, folder, encoder, dtype=numbers, attention=attention.register())
    policy = Policy(lm.to(device), compute=numbers, goals=encoder.goals if folder else None).eval()
    verify(policy)
    losses = {}
    for index, table in tables.items():
        losses[index] = _losses(table, policy, device, max_length)
        say(f"{len(kept)} records under {'no goal' if index is None else f'goal {index}'}")
    return summary(kept, losses, asked, split=split, dropped=len(records) - len(kept))


def records_of(folder: str, manifest: Manifest, split: str) -> Iterator[Record]:
    """The records behind the rows of a split, each once, in the order of their first rows."""
    seen = set()
    for row in read_examples(folder, manifest, split=split, with_records=True):
        if row.place in seen:
            continue
        seen.add(row.place)
        prompt = remove(row.prompt, row.goal, manifest.placement)
        yield Record(id=row.id, prompt=prompt, answer=row.answers[0], level=row.level or 0)


def summary(
    records: Sequence[Record],
    losses: Mapping[int | None, Mapping[str, tuple[float, int]]],
    asked: Sequence[Asked],
    *,
    split: str,
    dropped: int,
) -> Evaluation:
    """The losses of single records (sum and tokens, by goal and id) brought together."""

    def score(index: int | None, chosen: Sequence[Record]) -> tuple[int, float]:
        found = [losses[index][record.id] for record in chosen]
        tokens = sum(count for _, count in found)
        return tokens, sum(total for total, _ in found) / tokens

    levels = sorted({record.level for record in records})
    by_level = {level: [record for record in records if record.level == level] for level in levels}
    scores = [
        Score(asked=goal.index, level=level, records=len(chosen), tokens=tokens, loss=loss)
        for goal in asked
        for level, chosen in by_level.items()
        for tokens, loss in [score(goal.index, chosen)]
    ]
    goals = []
    for goal in asked:
        reaching = [record for record in records if goal.index is None or record.level >= goal.index]
        if reaching:
            goals.append(
                Goal(index=goal.index, text=goal.text, records=len(reaching), loss=score(goal.index, reaching)[1])
            )
    kept = [goal.index for goal in asked if goal.index is not None]
    best = by_level[levels[-1]]
    swap = None
    if len(kept) > 1:
        lowest, highest = (score(index, best)[1] for index in (min(kept), max(kept)))
        swap = Swap(level=levels[-1], records=len(best), lowest=lowest, highest=highest, gap=lowest - highest)
    return Evaluation(
        split=split, records=len(records), dropped=dropped, scores=tuple(scores), goals=tuple(goals), swap=swap
    )


def _table(records: Sequence[Record], asked: Asked, book: GoalBook, encoder: Encoder, capacity: int) -> TokenTable:
    rows = (
        Example(record.id, book.place(record.prompt, asked), (record.answer,), {"weight": 1.0}, asked.text)
        for record in records
    )
    return tokenise(rows, encoder, capacity=capacity)


@torch.no_grad()
def _losses(table: TokenTable, policy: Policy, device: torch.device, capacity: int) -> dict[str, tuple[float, int]]:
    """Of each record the sum of -log p over the tokens of its answer, and how many those are."""
    found: dict[str, tuple[float, int]] = {}
    for pack in plan(table.lengths, seed=0, epoch=0, capacity=capacity):
        batch = collate(table, pack).to(device)
        logp_S = policy(batch).tokens.logp_S.double()
        sums_N = logp_S.new_zeros(len(batch.names_N)).index_add(0, batch.document_S, logp_S).cpu().numpy()
        counts_N = np.bincount(batch.document_S.cpu().numpy(), minlength=len(batch.names_N))
        for name, total, count in zip(batch.names_N, sums_N, counts_N, strict=True):
            found[name] = (-float(total), int(count))
    return found


def as_text(found: Evaluation) -> str:
    """The evaluation as a table for people: a row for each level of answers, best first, a column for each goal asked for."""
    asked = list(dict.fromkeys(score.asked for score in found.scores))
    levels = sorted({score.level for score in found.scores}, reverse=True)
    by_place = {(score.level, score.asked): score for score in found.scores}
    heads = ["none" if index is None else f"goal {index}" for index in asked]
    lines = [f"{'answers':<10}{'records':>8}" + "".join(f"{head:>10}" for head in heads)]
    for level in levels:
        row = [by_place[level, index] for index in asked]
        lines.append(f"{f'level {level}':<10}{row[0].records:>8}" + "".join(f"{score.loss:>10.4f}" for score in row))
    text = f"loss of {found.records} records of {found.split}, by what the answers are and what was asked for"
    text += f" ({found.dropped} too long)\n" if found.dropped else "\n"
    text += "\n".join(lines) + "\n"
    if found.swap:
        s = found.swap
        under = f"the loss {s.lowest:.4f} under the lowest goal, {s.highest:.4f} under the highest"
        text += f"goal swap  {s.gap:+.4f}: the {s.records} answers of level {s.level} have {under}\n"
    return text


def as_json(found: Evaluation) -> str:
    """The evaluation as one JSON object."""
    return json.dumps(dataclasses.asdict(found), ensure_ascii=False)
