"""All examples of a split as one flat array of token ids: what the plan, the packs and the counts are made from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gcsl_data.errors import DataError
from gcsl_train.shards import Example
from gcsl_train.tokens import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """Examples 0..N-1 that fit in a pack: `ids` end to end, `offsets` (N+1), prompt lengths, weights and row ids.

    `dropped` counts the examples that were longer than the capacity; nothing is ever cut.
    """

    ids: np.ndarray
    offsets: np.ndarray
    prompt_lengths: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]
    dropped: int
    longest_seen: int

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, prompt and completion together."""
        return np.diff(self.offsets)

    @property
    def supervised(self) -> np.ndarray:
        """Supervised tokens of each example: the completion's."""
        return self.lengths - np.maximum(self.prompt_lengths, 1)

    def document(self, member: int) -> np.ndarray:
        """The token ids of one example (int32)."""
        return self.ids[self.offsets[member] : self.offsets[member + 1]]

    def first_target(self, member: int) -> int:
        """Where the completion starts; never 0, because nothing precedes the first token to predict it from."""
        return max(int(self.prompt_lengths[member]), 1)


def tokenise(examples: Iterable[Example], encoder: Encoder, *, capacity: int) -> TokenTable:
    """Encode every example and keep those of at most `capacity` tokens.

    Raises DataError (65) when a row cannot be encoded (it names the row) and when no example is left.
    """
    documents: list[np.ndarray] = []
    prompt_lengths, weights, names = [], [], []
    dropped, longest = 0, 0
    for example in examples:
        try:
            prompt, answer = encoder.prompt(example.prompt, example.goal), encoder.completion(example.completion)
        except DataError as error:
            raise DataError(error.code, f"row {example.id}: {error.message}") from None
        size = len(prompt) + len(answer)
        longest = max(longest, size)
        if size > capacity or size < 2:
            dropped += 1
            continue
        documents.append(np.asarray(prompt + answer, dtype=np.int32))
        prompt_lengths.append(len(prompt))
        weights.append(example.weight)
        names.append(example.id)
    if not documents:
        raise DataError(
            "GT6511",
            f"no example fits in {capacity} tokens ({dropped} dropped, the longest has {longest}); raise --max-length",
        )
    return TokenTable(
        ids=np.concatenate(documents),
        offsets=np.cumsum([0, *(len(d) for d in documents)]),
        prompt_lengths=np.asarray(prompt_lengths, dtype=np.int64),
        weights=np.asarray(weights, dtype=np.float32),
        names=tuple(names),
        dropped=dropped,
        longest_seen=longest,
    )
