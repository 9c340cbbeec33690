"""The command that scores a split of a dataset under the goals of a run, or of an untrained model (see scoring.py)."""

import itertools
from pathlib import Path

from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import UsageError, shown
from gcsl_train import attention, reward_embedding, serving
from gcsl_train import goals as goal_books
from gcsl_train.evaluation import Evaluation, name_of
from gcsl_train.goals import GoalBook
from gcsl_train.policy import Policy, verify
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.scoring import logged, losses, questions, records_of, summary
from gcsl_train.shards import read_manifest


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
        raise UsageError(
            "GT0232",
            f"evaluate scores records of kind 'examples', {Path(data).name} is of kind {manifest.kind!r}; expand the same "
            "log with --formulation gcsl-nl for it, which has all records",
        )
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
    scale = reward_embedding.read(folder.adapter / reward_embedding.FILE).scale if folder and book.embedded else None
    asked = questions(records, book, encoder, split=split, capacity=max_length, scale=scale, with_goals=knows_goals)
    device = serving.device()
    numbers = serving.numbers(dtype, device)
    path = attention.choose("auto", device=device, dtype=numbers)
    lm = serving.open_model(source, folder, encoder, dtype=numbers, attention=attention.register(path))
    policy = Policy(lm.to(device), compute=numbers, goals=encoder.goals if folder else None).eval()
    verify(policy)
    found = {}
    for goal in asked.asked:
        found[goal.key] = losses(asked, goal, policy, device)
        say(f"{len(asked.records)} records, asked for {name_of(goal.index, logged(goal, asked.sign))}")
    return summary(asked, found)


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
