"""What a run reads before it has a model: the tokenizer, the items of a split, and what validation asks of it."""

import itertools
from collections.abc import Iterable, Iterator

from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import DataError
from gcsl_train import goal_tokens, reward_embedding
from gcsl_train import model as models
from gcsl_train.config import Config
from gcsl_train.goals import embeds_reward, from_manifest
from gcsl_train.objective import Objective
from gcsl_train.plan import count_steps
from gcsl_train.resume import plan_arguments
from gcsl_train.reward_embedding import Scale
from gcsl_train.say import Say
from gcsl_train.scoring import Questions, questions, records_of
from gcsl_train.shards import SPLIT, Example, read_examples
from gcsl_train.table import TokenTable, tokenise
from gcsl_train.tokens import Encoder
from gcsl_train.validation import SPLIT as VALIDATION

_MANY = 0.1  # a share of examples that nobody would leave out knowingly


def load_encoder(manifest: Manifest, source: models.Source, *, say: Say) -> Encoder:
    """This model's tokenizer for the dataset, with the goals that are special tokens added to it."""
    say(f"loading the tokenizer of {source.name} ...")
    tokenizer = models.load_tokenizer(source)
    return Encoder(tokenizer, manifest.format, goals=goal_tokens.add(tokenizer, from_manifest(manifest)))


def load_scale(config: Config, manifest: Manifest) -> Scale | None:
    """What rewards are standardised with, where the dataset wants them embedded."""
    return reward_embedding.scale_of(config.data.dataset, manifest) if embeds_reward(manifest) else None


def load_table(
    config: Config,
    manifest: Manifest,
    encoder: Encoder,
    chosen: Objective,
    scale: Scale | None,
    *,
    split: str = SPLIT,
    limit: int | None = None,
) -> TokenTable:
    """The tokens of a split, or of its first rows, as items of its kind; also without goals where the loss wants that.

    A group in which the limit falls is taken whole. Raises DataError (65), which names a split that is not the trained one.
    """
    bare = manifest.placement if chosen.loss.reference == "goal-free" else None
    rows = read_examples(config.data.dataset, manifest, split=split)
    if limit is not None:
        rows = _first(rows, limit)
    if scale is not None:
        rows = reward_embedding.placed(rows, from_manifest(manifest), scale)
    try:
        return tokenise(rows, encoder, capacity=config.data.max_length, bare=bare)
    except DataError as error:
        if split == SPLIT:
            raise
        raise DataError(error.code, f"split {split!r}, its first {limit} rows: {error.message}") from None


def load_validation(
    config: Config, manifest: Manifest, encoder: Encoder, chosen: Objective, scale: Scale | None
) -> tuple[TokenTable, Questions | None] | None:
    """Items and records of the validation split, where the run wants it scored. Raises DataError (65) where there is none."""
    run, data = config.run, config.data
    if run.evaluate_every is None:
        return None
    limit = run.evaluate_records
    table = load_table(config, manifest, encoder, chosen, scale, split=VALIDATION, limit=limit)
    if manifest.kind != "examples":
        return table, None
    records = list(itertools.islice(records_of(data.dataset, manifest, VALIDATION), limit))
    book, capacity = from_manifest(manifest), data.max_length
    asked = questions(records, book, encoder, split=VALIDATION, capacity=capacity, scale=scale, with_goals=True)
    return table, asked


def _first(rows: Iterable[Example], limit: int) -> Iterator[Example]:
    """The first so many rows, and what is left of the group that they end in: without it, advantages do not cancel out."""
    group = None
    for number, row in enumerate(rows):
        if number >= limit and (row.group is None or row.group != group):
            return
        group = row.group
        yield row


def left_out(table: TokenTable, what: str = "examples") -> str | None:
    """A word where more is too long than anybody would leave out knowingly."""
    share = table.dropped / (table.examples + table.dropped)
    if share <= _MANY:
        return None
    return (
        f"warning: {share:.0%} of the {what} are left out; raise --max-length (the longest has {table.longest_seen:,})"
    )


def total_steps(config: Config, table: TokenTable) -> int:
    """How many optimizer steps the run takes."""
    return config.run.max_steps or count_steps(table.lengths, epochs=config.run.epochs, **plan_arguments(config))
