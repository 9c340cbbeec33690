"""All items of a split as one flat array of token ids: what the plan, the packs and the counts are made from.

A document is a prompt and one answer to it. An item is what stands in one pack whole: an example, a labelled response, a
pair, a chosen response with its negatives, a group. Shape letters: D documents, I items.
"""

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gcsl_data.dataset.goal import Placement, remove
from gcsl_data.errors import DataError
from gcsl_train.shards import Example
from gcsl_train.tokens import Encoder

Answer = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """Lists of token ids end to end: `ids` (int32), and where each begins and ends in `offsets`."""

    ids: np.ndarray
    offsets: np.ndarray

    def __getitem__(self, number: int) -> np.ndarray:
        return self.ids[self.offsets[number] : self.offsets[number + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """How many ids each list has."""
        return np.diff(self.offsets)


@dataclass(frozen=True, kw_only=True)
class TokenTable:
    """Items 0..I-1 that fit in a pack, made of documents 0..D-1 that stand in the order of their items.

    `items` (I+1) says where the documents of each begin and end; `numbers` has what losses read of each document (float32),
    `names` the id of its row; `bare` its prompt without the goal, where a loss asked for that. `examples` and `dropped` count
    rows: those that are here, and those that were longer than the capacity (nothing is ever cut); `filtered` those of groups
    that teach nothing, by reason.
    """

    documents: Flat
    prompt_lengths: np.ndarray
    items: np.ndarray
    numbers: dict[str, np.ndarray]
    names: tuple[str, ...]
    examples: int
    dropped: int
    longest_seen: int
    filtered: dict[str, int]
    bare: Flat | None = None

    @functools.cached_property
    def partners(self) -> np.ndarray:
        """Of each document the one before it (the last is before the first) that has another prompt, where there is one."""
        prompts = [self.prompt(document).tobytes() for document in range(len(self.names))]
        other = next((d for d in reversed(range(len(prompts))) if prompts[d] != prompts[0]), None)
        if other is None:
            return np.roll(np.arange(len(prompts)), 1)
        partners = [other]
        for document in range(1, len(prompts)):
            same = prompts[document] == prompts[document - 1]
            partners.append(partners[-1] if same else document - 1)
        return np.asarray(partners)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each item, prompts and answers of all its documents together."""
        return np.add.reduceat(self.documents.lengths, self.items[:-1])

    @property
    def supervised(self) -> np.ndarray:
        """Supervised tokens of each item: those of its answers."""
        return np.add.reduceat(self.documents.lengths - np.maximum(self.prompt_lengths, 1), self.items[:-1])

    def highest_id(self, below: int | None) -> int:
        """The highest token id of all documents; with `below`, of those that are lower."""
        ids = self.documents.ids
        return int((ids if below is None else ids[ids < below]).max(initial=0))

    def sha256(self) -> str:
        """Of all token ids and where prompts and answers end: what a tokenizer and its chat template made of the rows."""
        parts = (self.documents.ids, self.documents.offsets, self.prompt_lengths)
        return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()

    def members(self, item: int) -> range:
        """The documents of an item."""
        return range(int(self.items[item]), int(self.items[item + 1]))

    def documents_of(self, pack: Sequence[int]) -> list[int]:
        """The documents of some items, in their order."""
        return [document for item in pack for document in self.members(item)]

    def names_of(self, pack: Sequence[int]) -> list[str]:
        """The ids of the rows of some items, each once."""
        return list(dict.fromkeys(self.names[document] for document in self.documents_of(pack)))

    def prompt(self, document: int) -> np.ndarray:
        """The token ids of a document's prompt."""
        return self.documents[document][: self.prompt_lengths[document]]

    def answer(self, document: int) -> np.ndarray:
        """The token ids of a document's answer."""
        return self.documents[document][self.prompt_lengths[document] :]


def tokenise(
    examples: Iterable[Example], encoder: Encoder, *, capacity: int, bare: Placement | None = None
) -> TokenTable:
    """Encode every example and keep the items of at most `capacity` tokens; with `bare`, prompts without goals as well.

    Raises DataError (65) when a row cannot be encoded (it names the row) and when no item is left.
    """
    parts = _Parts()
    for rows in _items(examples):
        if reason := _teaches_nothing(rows):
            parts.filtered[reason] += len(rows)
            continue
        encoded = [(row, _encoded(row, encoder)) for row in rows]
        sizes = [len(prompt) + len(answer) for _, answers in encoded for prompt, answer in answers]
        parts.longest = max(parts.longest, sum(sizes))
        if sum(sizes) > capacity or min(sizes) < 2:
            parts.dropped += len(rows)
            continue
        for row, answers in encoded:
            parts.add(row, answers, None if bare is None else _bare(row, encoder, bare))
        parts.end_item(len(rows))
    if not parts.documents:
        raise _nothing_left(parts, capacity)
    return parts.table(with_bare=bare is not None)


class _Parts:
    """A table while it grows."""

    def __init__(self) -> None:
        self.documents: list[np.ndarray] = []
        self.bare: list[np.ndarray] = []
        self.prompt_lengths: list[int] = []
        self.items: list[int] = [0]
        self.numbers: list[dict[str, float]] = []
        self.names: list[str] = []
        self.examples = self.dropped = self.longest = 0
        self.filtered: Counter[str] = Counter()

    def add(self, row: Example, answers: list[Answer], bare: list[int] | None) -> None:
        for prompt, answer in answers:
            self.documents.append(np.asarray(prompt + answer, dtype=np.int32))
            self.prompt_lengths.append(len(prompt))
            self.numbers.append(dict(row.numbers))
            self.names.append(row.id)
            if bare is not None:
                self.bare.append(np.asarray(bare, dtype=np.int32))

    def end_item(self, rows: int) -> None:
        self.items.append(len(self.documents))
        self.examples += rows

    def table(self, *, with_bare: bool) -> TokenTable:
        names = self.numbers[0]
        return TokenTable(
            documents=_flat(self.documents),
            prompt_lengths=np.asarray(self.prompt_lengths, dtype=np.int64),
            items=np.asarray(self.items, dtype=np.int64),
            numbers={name: np.asarray([n[name] for n in self.numbers], dtype=np.float32) for name in names},
            names=tuple(self.names),
            examples=self.examples,
            dropped=self.dropped,
            longest_seen=self.longest,
            filtered=dict(self.filtered),
            bare=_flat(self.bare) if with_bare else None,
        )


def _nothing_left(parts: _Parts, capacity: int) -> DataError:
    reasons = [f"{n} {reason}" for reason, n in parts.filtered.items()]
    if parts.dropped:
        left_out = ", ".join([f"{parts.dropped} dropped", *reasons])
        return DataError(
            "GT6511",
            f"no example fits in {capacity} tokens ({left_out}, the longest has {parts.longest}); raise --max-length",
        )
    found = f"all of its rows are left out ({', '.join(reasons)})" if reasons else "it has no rows"
    return DataError("GT6536", f"nothing is left of this split: {found}; build the dataset again")


def _flat(lists: list[np.ndarray]) -> Flat:
    return Flat(ids=np.concatenate(lists), offsets=np.cumsum([0, *(len(ids) for ids in lists)]))


def _items(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Rows that are one item: each for itself, or neighbours of one group. Raises DataError (65) for a torn group."""
    seen: set[str] = set()
    for key, rows in itertools.groupby(enumerate(examples), key=lambda e: e[0] if e[1].group is None else e[1].group):
        item = [row for _, row in rows]
        if isinstance(key, str):
            if key in seen:
                raise DataError(
                    "GT6532", f"row {item[0].id}: its group {key} does not stand together; build the dataset again"
                )
            seen.add(key)
        yield item


def _teaches_nothing(rows: list[Example]) -> str | None:
    """Why a group is left out: a single response has nothing to be compared with, equal rewards make no advantage."""
    if rows[0].group is None:
        return None
    if len(rows) == 1:
        return "group_of_one"
    return None if any(row.numbers["advantage"] for row in rows) else "equal_rewards"


def _encoded(row: Example, encoder: Encoder) -> list[Answer]:
    try:
        prompt = encoder.prompt(row.prompt, row.goal)
        return [(prompt, encoder.completion(answer)) for answer in row.answers]
    except DataError as error:
        raise DataError(error.code, f"row {row.id}: {error.message}") from None


def _bare(row: Example, encoder: Encoder, placement: Placement) -> list[int]:
    """The ids of the prompt without its goal, as the reference is to see it."""
    try:
        ids = encoder.prompt(remove(row.prompt, row.goal, placement))
    except ValueError as error:
        raise DataError("GT6528", f"row {row.id}: {error}; build the dataset again") from None
    except DataError as error:
        raise DataError(error.code, f"row {row.id}: {error.message}") from None
    if not ids:
        raise DataError("GT6533", f"row {row.id}: its prompt is empty without the goal; drop the row")
    return ids
