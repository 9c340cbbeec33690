"""The reference's log-probabilities of every answer, computed once instead of at each step.

    RUN/reference.safetensors    one float32 per supervised token for each view that the loss needs (see `collate.py`),
                                 and the SHA-256 of these, of the documents, and of what else they were made from

Documents stand in the order of the token table. A resumed run reads the file; one that is missing or damaged is made again.

Shape letters: D documents of the table, S supervised tokens of a pack.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from gcsl_train.collate import View, collate, mismatched_packs
from gcsl_train.errors import reason
from gcsl_train.files import write_bytes
from gcsl_train.loss import Loss
from gcsl_train.plan import Pack, for_rank, plan
from gcsl_train.policy import Policy
from gcsl_train.say import Say
from gcsl_train.table import TokenTable

_DIGEST = "sha256"


@dataclass(frozen=True, slots=True)
class Stored:
    """Log-probabilities end to end (float32, on the CPU), and where those of each document begin (D+1), by view."""

    values: dict[str, Tensor]
    offsets: dict[str, np.ndarray]

    def of(self, documents: Sequence[int], view: View) -> Tensor:
        """Those of some documents, (S,), as `collate` puts their tokens."""
        values, offsets = self.values[view], self.offsets[view]
        return torch.cat([values[:0], *(values[offsets[d] : offsets[d + 1]] for d in documents)])

    def write(self, path: Path, table: TokenTable, fingerprint: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all; `fingerprint` is that of the run."""
        write_bytes(path, save({**self.values, _DIGEST: _digest(self.values, table, fingerprint)}))


def views(loss: Loss) -> list[View]:
    """The views of which a loss needs the reference."""
    return ["own", "mismatched"] if loss.statistic is not None and loss.statistic.mismatched else ["own"]


def read(path: Path, table: TokenTable, loss: Loss, fingerprint: Mapping[str, Any], *, say: Say) -> Stored | None:
    """What a run before this one stored; None, with a word, where that cannot be used."""
    offsets: dict[str, np.ndarray] = {view: _offsets(table, view) for view in views(loss)}
    try:
        found = load_file(path)
        values: dict[str, Tensor] = {view: found[view] for view in offsets}
        fits = all(values[view].shape == (int(offsets[view][-1]),) for view in offsets)
        if not fits or not torch.equal(found[_DIGEST], _digest(values, table, fingerprint)):
            raise ValueError("it is damaged, or of other answers")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        say(f"warning: {path} cannot be used ({reason(error)}); the reference is computed again")
        return None
    return Stored(values, offsets)


def compute(table: TokenTable, policy: Policy, loss: Loss, *, capacity: int, accelerator: Any) -> Stored:
    """One pass over all items without the adapter, shared among the ranks; every rank gets all of it."""
    values, offsets = dict[str, Tensor](), dict[str, np.ndarray]()
    for view in views(loss):
        offsets[view] = _offsets(table, view)
        values[view] = torch.zeros(int(offsets[view][-1]))
        for pack in for_rank(_packs(table, view, capacity), accelerator.process_index, accelerator.num_processes):
            batch = collate(table, pack, view).to(accelerator.device)
            logp_S, document_S = policy.reference_logp(batch).cpu(), batch.document_S.cpu()
            for number, document in enumerate(table.documents_of(pack)):
                start, end = offsets[view][document : document + 2]
                values[view][start:end] = logp_S[document_S == number]
        values[view] = accelerator.reduce(values[view].to(accelerator.device), reduction="sum").cpu()
    return Stored(values, offsets)


def _digest(values: Mapping[str, Tensor], table: TokenTable, fingerprint: Mapping[str, Any]) -> Tensor:
    """The SHA-256 (32 bytes) of log-probabilities and of all that they depend on."""
    made_from = {name: fingerprint[name] for name in ("dataset_id", "model_sha256", "dtype", "capacity")}
    digest = hashlib.sha256(json.dumps(made_from).encode())
    for array in (table.documents.ids, table.documents.offsets, table.prompt_lengths):
        digest.update(np.ascontiguousarray(array).data)
    for view in sorted(values):
        digest.update(view.encode())
        digest.update(values[view].contiguous().numpy().data)
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def _packs(table: TokenTable, view: View, capacity: int) -> list[Pack]:
    if view == "mismatched":
        return mismatched_packs(table, range(len(table.items) - 1), capacity=capacity)
    return plan(table.lengths, seed=0, epoch=0, capacity=capacity)


def _offsets(table: TokenTable, view: View) -> np.ndarray:
    """Where the supervised tokens of each document begin."""
    answers = table.documents.lengths - table.prompt_lengths
    if view == "mismatched":
        answers = answers[table.partners]
    # Without a prompt the first token of an answer is not supervised.
    return np.cumsum([0, *(answers - (table.prompt_lengths == 0))])
