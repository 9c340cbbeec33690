"""The forward passes that a loss asks for: the one that learns, the reference's, and those that a statistic is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcsl_train.collate import Batch, collate, mismatched_packs
from gcsl_train.head import TokenScores
from gcsl_train.loss import Loss, Scored, State, Statistic
from gcsl_train.plan import Pack
from gcsl_train.policy import Policy
from gcsl_train.table import TokenTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """One run's loss, its data and its policy; a pack goes in, what the loss is given of it comes out."""

    loss: Loss
    table: TokenTable
    policy: Policy
    capacity: int
    device: torch.device

    def learning(self, model: Any, pack: Pack, state: State) -> tuple[Scored, TokenScores]:
        """A pack through `model` (the policy as accelerate wrapped it), with gradients."""
        batch = self._batch(pack)
        if self.loss.reference == "goal-free":
            hidden_SH = self.policy.reference_hidden(collate(self.table, pack, "bare").to(self.device))
            scores, divergence = model(batch, hidden_SH)
            return Scored(batch=batch, logp_S=scores.logp_S, divergence=divergence, state=state), scores
        reference_S = self._reference(batch)
        scores, _ = model(batch)
        return Scored(batch=batch, logp_S=scores.logp_S, reference_S=reference_S, state=state), scores

    @torch.no_grad()
    def sums(self, statistic: Statistic, pack: Pack) -> Tensor:
        """What a statistic adds up of one pack (float64, on the CPU), without gradients."""
        packs: Sequence[Pack] = (pack,)
        if statistic.mismatched:
            packs = mismatched_packs(self.table, pack, capacity=self.capacity)
        batches = [self._batch(part, mismatched=statistic.mismatched) for part in packs]
        parts = [
            Scored(batch=batch, logp_S=self.policy(batch).tokens.logp_S, reference_S=self._reference(batch))
            for batch in batches
        ]
        return torch.stack([statistic.sums(part).cpu() for part in parts]).sum(dim=0)

    def _batch(self, pack: Pack, *, mismatched: bool = False) -> Batch:
        return collate(self.table, pack, "mismatched" if mismatched else "own").to(self.device)

    def _reference(self, batch: Batch) -> Tensor | None:
        return self.policy.reference_logp(batch) if self.loss.reference == "same-prompt" else None
