"""What a loss is: what it is given of one pack, what it gives back, and what it declares of its needs. `losses.py` has them.

Shape letters: S supervised tokens, N documents of the pack, I its items, R documents that are not the first of their item.
"""

# ruff: noqa: N802, N803, N815 (names of tensors end in their shape letters)

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gcsl_data.dataset.manifest import Kind
from gcsl_train.collate import Batch
from gcsl_train.divergence import Divergence

State = tuple[float, ...]


class Outcome(NamedTuple):
    """The loss of a pack (a float32 scalar) and other numbers worth a line in the metrics: sums, which the loop divides by
    the normaliser of the whole step."""

    total: Tensor
    metrics: Mapping[str, Tensor] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One pack with its log-probabilities, which have a gradient, and those of the reference, which have none.

    `divergence` is there for a loss that declares `reference="goal-free"`, `reference_S` for `reference="same-prompt"`, and
    `state` for one that declares a `statistic`. The documents of an item follow each other; in pairs and with several
    negatives the first is the chosen one.
    """

    batch: Batch
    logp_S: Tensor
    reference_S: Tensor | None = None
    divergence: Divergence | None = None
    state: tuple[float, ...] = ()

    @property
    def ratio_S(self) -> Tensor:
        """log p(token) under the model minus that under the reference. Raises ValueError without a reference."""
        if self.reference_S is None:
            raise ValueError("this loss was given no log-probabilities of a reference; declare reference='same-prompt'")
        return self.logp_S - self.reference_S

    def number_S(self, name: str) -> Tensor:
        """A number of the rows, for each supervised token."""
        return self.number_N(name)[self.batch.document_S]

    def number_N(self, name: str) -> Tensor:
        """A number of the rows, for each document."""
        return self.batch.numbers_N[name]

    def number_I(self, name: str) -> Tensor:
        """A number of the rows, for each item: that of its first document."""
        return self.number_N(name)[self.batch.first_N]

    def sum_N(self, values_S: Tensor) -> Tensor:
        """The sum of each document."""
        return values_S.new_zeros(len(self.batch.item_N)).index_add(0, self.batch.document_S, values_S)

    def mean_N(self, values_S: Tensor) -> Tensor:
        """The mean of each document over its supervised tokens; each has at least one."""
        return self.sum_N(values_S) / self.sum_N(torch.ones_like(values_S))

    def lead_R(self, values_N: Tensor) -> Tensor:
        """The lead of an item's first document over each of its others: chosen minus rejected."""
        first_I, rest_N = values_N[self.batch.first_N], ~self.batch.first_N
        return first_I[self.batch.item_N[rest_N]] - values_N[rest_N]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """What a step must know of all its packs before it can learn from one: `sums` of each, added up over packs and ranks
    (a few float64 on the CPU).

    `carry` makes of the state of the step before (empty at first) and of these sums the `Scored.state` of this one,
    which checkpoints keep. With `mismatched`, each prompt is scored with the answer to another one.
    """

    sums: Callable[[Scored], Tensor]
    carry: Callable[[State, Sequence[float]], State]
    mismatched: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loop has to know: the kind of dataset it takes, what divides it, and which passes it asks for.

    `reference` is the model without its adapter: on the same prompts, for log-probabilities of the same tokens, or on prompts
    without their goals, for a divergence over the whole vocabulary. `smoothing` says of a loss on pairs that it reads theirs,
    or (False) that it has none; `ordered` names two settings of which the first is not to be above the second.
    """

    total: Callable[..., Outcome]
    kind: Kind
    normaliser: Literal["tokens", "items"] = "tokens"
    reference: Literal["none", "same-prompt", "goal-free"] = "none"
    statistic: Statistic | None = None
    smoothing: bool | None = None
    ordered: tuple[str, str] | None = None

    @property
    def passes(self) -> int:
        """How many times a pack goes through the model in a step: to learn, for the reference, for a statistic of both."""
        reference = self.reference != "none"
        return 1 + reference + (1 + reference if self.statistic else 0)

    @property
    def settings(self) -> Mapping[str, inspect.Parameter]:
        """The settings that it takes, by name."""
        parameters = inspect.signature(self.total).parameters
        return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
