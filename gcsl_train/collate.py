"""One pack as tensors: token ids in a row, where each document ends, and which positions predict what.

The shift by one happens here and nowhere else. Shape letters: T tokens of the pack, N documents, S supervised tokens.
"""

# ruff: noqa: N815 (names of tensors end in their shape letters)

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcsl_train.plan import Pack
from gcsl_train.table import TokenTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A pack. Position `at_S[i]` of the row predicts `targets_S[i]`, a completion token of document `document_S[i]`.

    The first token of a document is never a target, prompts never are, and there is no padding.
    """

    ids_1T: Tensor
    positions_1T: Tensor
    cu_seqlens_N: Tensor
    longest: int
    at_S: Tensor
    targets_S: Tensor
    weights_S: Tensor
    document_S: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same pack on a device."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in fields.items()
        }
        return Batch(**moved)


def collate(table: TokenTable, pack: Pack) -> Batch:
    """The tensors of one pack; ids and positions int64, `cu_seqlens_N` (N+1) int32, weights float32.

    An empty pack becomes one token without a target, so that a rank with nothing to do still takes part in the step.
    """
    documents = [table.document(member) for member in pack] or [np.zeros(1, dtype=np.int32)]
    starts = [table.first_target(member) for member in pack] or [1]
    lengths = [len(ids) for ids in documents]
    ends = np.cumsum(lengths)
    at = [np.arange(end - n + first, end) - 1 for end, n, first in zip(ends, lengths, starts, strict=True)]
    targets = [ids[first:] for ids, first in zip(documents, starts, strict=True)]
    weights = [np.full(len(t), table.weights[m], dtype=np.float32) for t, m in zip(targets, pack, strict=False)]
    return Batch(
        ids_1T=torch.from_numpy(np.concatenate(documents).astype(np.int64))[None],
        positions_1T=torch.from_numpy(np.concatenate([np.arange(n, dtype=np.int64) for n in lengths]))[None],
        cu_seqlens_N=torch.from_numpy(np.concatenate([[0], ends]).astype(np.int32)),
        longest=max(lengths),
        at_S=torch.from_numpy(np.concatenate(at).astype(np.int64)),
        targets_S=torch.from_numpy(np.concatenate(targets).astype(np.int64)),
        weights_S=torch.from_numpy(np.concatenate(weights) if weights else np.zeros(0, dtype=np.float32)),
        document_S=torch.from_numpy(np.repeat(np.arange(len(targets)), [len(t) for t in targets])),
    )
