"""Token tables and scored packs by hand: what the trainer's tests of packs and losses are made from."""

import numpy as np
import torch

from gcsl_train.collate import collate
from gcsl_train.loss import Scored
from gcsl_train.table import Flat, TokenTable


def flat(lists):
    return Flat(
        ids=np.asarray([i for ids in lists for i in ids], dtype=np.int32), offsets=np.cumsum([0, *map(len, lists)])
    )


def table(*documents, items=None, bare=None, **numbers):
    """Documents as (prompt ids, answer ids); `items` says how many of them make each item (default: 1)."""
    counts = items or [1] * len(documents)
    assert sum(counts) == len(documents)
    columns = {"weight": [1.0] * len(documents), **numbers}
    return TokenTable(
        documents=flat([(*p, *a) for p, a in documents]),
        prompt_lengths=np.asarray([len(p) for p, _ in documents], dtype=np.int64),
        items=np.cumsum([0, *counts]),
        numbers={name: np.asarray(column, dtype=np.float32) for name, column in columns.items()},
        names=tuple(map(str, range(len(documents)))),
        examples=len(counts),
        dropped=0,
        longest_seen=max(len(p) + len(a) for p, a in documents),
        filtered={},
        bare=None if bare is None else flat(bare),
    )


def scored(*answers, reference=None, items=None, state=(), divergence=None, dtype=torch.float32, **numbers):
    """A pack whose answers have these log-probabilities (and these under the reference), as a loss is given it."""
    counts = items or [1] * len(answers)
    pack = table(*[([1], [2] * len(a)) for a in answers], items=counts, **numbers)
    batch = collate(pack, tuple(range(len(counts))))
    flattened = [value for answer in answers for value in answer]
    return Scored(
        batch=batch,
        logp_S=torch.tensor(flattened, dtype=dtype, requires_grad=True),
        reference_S=None if reference is None else torch.tensor([v for a in reference for v in a], dtype=dtype),
        divergence=divergence,
        state=state,
    )
