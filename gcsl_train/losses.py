"""The training losses: plain functions on per-token log-probabilities, written out in one table.

A loss returns a **sum**; the loop divides it by the normaliser counted over the whole optimizer step, all packs and all
ranks, so neither packing nor accumulation nor the number of ranks changes it. To add a loss, write the function and one
line in `LOSSES`.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gcsl_data.dataset.manifest import Kind
from gcsl_data.errors import UsageError
from gcsl_train.errors import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What the loop has to know: the kind of dataset it takes, whether it needs a reference pass, what divides it."""

    total: Callable[[Tensor, Tensor], Tensor]
    kind: Kind
    needs_reference: bool
    normaliser: Literal["tokens"]


def sft(logp_S: Tensor, weights_S: Tensor) -> Tensor:
    """Minus the weighted sum of log-probabilities (float32 scalar); an empty pack gives 0 with a gradient of 0.

    The normaliser is the number of supervised tokens, not the sum of weights: a row of weight 2 counts as two rows would.
    Source: GCSL (arXiv 2605.16345), the next-token objective on relabelled examples.
    """
    return -(weights_S * logp_S).sum()


LOSSES: dict[str, Loss] = {
    "sft": Loss(total=sft, kind="examples", needs_reference=False, normaliser="tokens"),
}


def choose(name: str, kind: str) -> Loss:
    """The loss of that name for a dataset of that kind. Raises UsageError (2) for an unknown name or another kind."""
    loss = LOSSES.get(name)
    if loss is None:
        raise UsageError("GT0201", f"unknown loss {name!r}; {nearest(name, list(LOSSES))}")
    if loss.kind != kind:
        raise UsageError("GT0202", f"loss {name!r} takes datasets of kind {loss.kind!r}, this one is {kind!r}")
    return loss
