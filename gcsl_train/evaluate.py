"""How likely a model finds the answers of a dataset when it is asked for this goal or that: loss by goal, and the goal swap.

Each record of a split (its prompt without a goal, its answer) is scored once under every goal of the model, and under none.
A model that listens to its goals finds good answers likelier under a high goal than under a low one: the difference is the
goal-swap gap. Needs no sampling, so it is exact and cheap.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gcsl_data.dataset.goal import Message, remove
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import DataError, TrainingError, UsageError, shown
from gcsl_train import attention, reward_embedding, serving
from gcsl_train import goals as goal_books
from gcsl_train.collate import collate
from gcsl_train.evaluation import Evaluation, Goal, Score, Swap, name_of
from gcsl_train.goals import Asked, GoalBook
from gcsl_train.meter import Say
from gcsl_train.plan import plan
from gcsl_train.policy import Policy, verify
from gcsl_train.reward_embedding import Scale
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
    _check_sizes(max_length, limit)
    manifest = read_manifest(data)
    if manifest.kind != "examples":
        name = Path(data).name
        raise UsageError("GT0232", f"evaluate scores records of kind 'examples', {name} is of kind {manifest.kind!r}")
    folder = RunFolder(Path(run)) if run is not None else None
    if folder:
        folder.check_here()
    elif model is None:
        raise UsageError(
            "GT0219", "evaluate takes RUN (and --model for a local base), or --model MODEL, and --data DIR"
        )
    book = goal_books.read(folder.goals) if folder else goal_books.from_manifest(manifest)
    if warning := _other_goals(book, manifest):
        say(warning)
    source = serving.base(folder, model)
    records = list(itertools.islice(records_of(data, manifest, split), limit))
    encoder = serving.open_encoder(source, folder, book, asks=False, say=say)
    knows_goals = not book.tokens or encoder.goals is not None
    asked = [Asked(None, None), *(_goals(book) if knows_goals else ())]
    scale = reward_embedding.read(folder.adapter / reward_embedding.FILE).scale if folder and book.embedded else None
    tables = {goal.key: _table(records, goal, book, encoder, max_length, scale) for goal in asked}
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
    sign = book.embedded.sign if book.embedded else 1
    for goal in asked:
        losses[goal.key] = _losses(tables[goal.key], policy, device, max_length)
        _check_finite(losses[goal.key])
        say(f"{len(kept)} records, asked for {name_of(goal.index, logged(goal, sign))}")
    return summary(kept, losses, asked, split=split, dropped=len(records) - len(kept), sign=sign)


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
        yield Record(id=row.id, prompt=prompt, answer=row.answers[0], level=row.level or 0)


def summary(
    records: Sequence[Record],
    losses: Mapping[int | float | None, Mapping[str, tuple[float, int]]],
    asked: Sequence[Asked],
    *,
    split: str,
    dropped: int,
    sign: int = 1,
) -> Evaluation:
    """The losses of single records (sum and tokens, by goal and id) brought together; `sign` times a reward is the log's."""

    def score(key: int | float | None, chosen: Sequence[Record]) -> tuple[int, float]:
        found = [losses[key][record.id] for record in chosen]
        tokens = sum(count for _, count in found)
        return tokens, sum(total for total, _ in found) / tokens

    levels = sorted({record.level for record in records})
    by_level = {level: [record for record in records if record.level == level] for level in levels}
    scores = [
        Score(asked=goal.index, level=level, records=len(chosen), tokens=tokens, loss=loss, reward=logged(goal, sign))
        for goal in asked
        for level, chosen in by_level.items()
        for tokens, loss in [score(goal.key, chosen)]
    ]
    goals = []
    for goal in asked:
        reaching = [record for record in records if goal.index is None or record.level >= goal.index]
        if reaching:
            text = goal.text if goal.reward is None else None
            loss = score(goal.key, reaching)[1]
            goals.append(Goal(index=goal.index, text=text, records=len(reaching), loss=loss, reward=logged(goal, sign)))
    kept = [goal.index for goal in asked if goal.index is not None]
    best = by_level[levels[-1]]
    swap = None
    if len(kept) > 1:
        lowest, highest = (score(index, best)[1] for index in (min(kept), max(kept)))
        swap = Swap(level=levels[-1], records=len(best), lowest=lowest, highest=highest, gap=lowest - highest)
    return Evaluation(
        split=split, records=len(records), dropped=dropped, scores=tuple(scores), goals=tuple(goals), swap=swap
    )


def logged(goal: Asked, sign: int) -> float | None:
    """The reward that a goal asks for, in the log's own unit."""
    return None if goal.reward is None else sign * goal.reward + 0.0


def _check_sizes(max_length: int, limit: int | None) -> None:
    if max_length < 2:
        raise UsageError("GT0203", f"--max-length must be at least 2, found {shown(max_length)}")
    if limit is not None and not 1 <= limit < 2**63:
        raise UsageError("GT0203", f"--limit must be from 1 to 2^63 - 1, found {shown(limit)}")


def _other_goals(book: GoalBook, manifest: Manifest) -> str | None:
    """What to say when levels are counted in other thresholds than the goals that are asked for."""
    asked = {goal["index"]: (goal.get("threshold"), goal.get("comparator")) for goal in book.goals}
    if not book.kept or asked == {goal.index: (goal.threshold, goal.comparator) for goal in manifest.goals}:
        return None
    return "warning: the dataset has other thresholds than the run's goals; levels are the dataset's, goals the run's"


def _check_finite(losses: Mapping[str, tuple[float, int]]) -> None:
    """Raises TrainingError (70) for a loss that is no number, which a mean would only hide."""
    for name, (total, _) in losses.items():
        if not math.isfinite(total):
            raise TrainingError(
                "GT7002",
                f"the loss of row {name} is {total}: the model's numbers overflow; give --dtype float32, or train again",
            )


def _goals(book: GoalBook) -> list[Asked]:
    """The goals to score under: those that were kept, or the highest where goals are rewards."""
    if book.embedded:
        return [book.ask("highest")]
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
