"""One pack as tensors: token ids in a row, where each document ends, and which positions predict what.

The shift by one happens here and nowhere else. A pack can be seen in three ways, which all have the same documents in the
same order:

    own         each prompt as it stands in the dataset, with its answer
    bare        the prompt without its goal, with the same answer: what a goal-free reference sees
    mismatched  the prompt with the answer to another one: what a divergence is estimated from

Shape letters: T tokens of the pack, N documents, S supervised tokens.
"""

# ruff: noqa: N815 (names of tensors end in their shape letters)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gcsl_train.plan import Pack
from gcsl_train.table import TokenTable

View = Literal["own", "bare", "mismatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A pack. Position `at_S[i]` of the row predicts `targets_S[i]`, a completion token of document `document_S[i]`.

    The first token of a document is never a target, prompts never are, and there is no padding. `item_N` is the item of the
    pack that a document belongs to, `first_N` whether it is that item's first, `names_N` the ids of their rows.
    """

    ids_1T: Tensor
    positions_1T: Tensor
    cu_seqlens_N: Tensor
    longest: int
    at_S: Tensor
    targets_S: Tensor
    document_S: Tensor
    item_N: Tensor
    first_N: Tensor
    numbers_N: dict[str, Tensor]
    names_N: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same pack on a device."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return Batch(**{name: _moved(value, device) for name, value in fields.items()})


def collate(table: TokenTable, pack: Pack, view: View = "own") -> Batch:
    """The tensors of one pack of items; ids and positions int64, `cu_seqlens_N` (N+1) int32, numbers float32.

    An empty pack becomes one token without a target, so that a rank with nothing to do still takes part in the step.
    """
    documents = table.documents_of(pack)
    parts = [_prompt_and_answer(table, document, view) for document in documents]
    rows = [np.concatenate(part) for part in parts] or [np.zeros(1, dtype=np.int32)]
    starts = [max(len(prompt), 1) for prompt, _ in parts] or [1]
    lengths = [len(row) for row in rows]
    ends = np.cumsum(lengths)
    at = [np.arange(end - n + first, end) - 1 for end, n, first in zip(ends, lengths, starts, strict=True)]
    item_N = np.repeat(np.arange(len(pack)), [len(table.members(item)) for item in pack])
    return Batch(
        ids_1T=torch.from_numpy(np.concatenate(rows).astype(np.int64))[None],
        positions_1T=torch.from_numpy(np.concatenate([np.arange(n, dtype=np.int64) for n in lengths]))[None],
        cu_seqlens_N=torch.from_numpy(np.concatenate([[0], ends]).astype(np.int32)),
        longest=max(lengths),
        at_S=torch.from_numpy(np.concatenate(at).astype(np.int64)),
        targets_S=torch.from_numpy(np.concatenate([r[s:] for r, s in zip(rows, starts, strict=True)]).astype(np.int64)),
        document_S=torch.from_numpy(np.repeat(np.arange(len(at)), [len(a) for a in at])),
        item_N=torch.from_numpy(item_N),
        first_N=torch.from_numpy(np.diff(item_N, prepend=-1) != 0),
        numbers_N={name: torch.from_numpy(column[documents]) for name, column in table.numbers.items()},
        names_N=tuple(table.names[document] for document in documents),
    )


def mismatched_packs(table: TokenTable, pack: Sequence[int], *, capacity: int) -> list[Pack]:
    """The items of a pack in as many packs as their mismatched documents need; those that fit in none are left out.

    There is always one pack, if only an empty one.
    """
    packs: list[list[int]] = [[]]
    space = capacity
    for item in pack:
        size = sum(len(part) for part in _prompt_and_answer(table, int(table.items[item]), "mismatched"))
        if size > capacity:
            continue
        if size > space:
            packs.append([])
            space = capacity
        packs[-1].append(item)
        space -= size
    return [tuple(items) for items in packs]


def _prompt_and_answer(table: TokenTable, document: int, view: View) -> tuple[np.ndarray, np.ndarray]:
    if view == "own":
        return table.prompt(document), table.answer(document)
    if view == "bare":
        assert table.bare is not None, "the table was made without prompts without goals"
        return table.bare[document], table.answer(document)
    return table.prompt(document), table.answer(int(table.partners[document]))


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, dict):
        return {name: _moved(inner, device) for name, inner in value.items()}
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
