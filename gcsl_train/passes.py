"""The forward passes that a loss asks for: the one that learns, the reference's, and those that a statistic is made from."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gcsl_train.collate import Batch, View, collate, mismatched_packs
from gcsl_train.head import TokenScores
from gcsl_train.loss import Loss, Scored, State, Statistic
from gcsl_train.plan import Pack
from gcsl_train.policy import Policy
from gcsl_train.reference import Stored
from gcsl_train.table import TokenTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """One run's loss, its data and its policy; a pack goes in, what the loss is given of it comes out."""

    loss: Loss
    table: TokenTable
    policy: Policy
    capacity: int
    device: torch.device
    stored: Stored | None = None

    def learning(self, model: Any, pack: Pack, state: State) -> tuple[Scored, TokenScores]:
        """A pack through `model` (the policy as accelerate wrapped it), with gradients."""
        batch = collate(self.table, pack).to(self.device)
        if self.loss.reference == "goal-free":
            hidden_SH = self.policy.reference_hidden(collate(self.table, pack, "bare").to(self.device))
            scores, divergence = model(batch, hidden_SH)
            return Scored(batch=batch, logp_S=scores.logp_S, divergence=divergence, state=state), scores
        reference_S = self._reference(batch, pack, "own")
        scores, _ = model(batch)
        return Scored(batch=batch, logp_S=scores.logp_S, reference_S=reference_S, state=state), scores

    @torch.no_grad()
    def sums(self, statistic: Statistic, pack: Pack) -> Tensor:
        """What a statistic adds up of one pack (float64, on the CPU), without gradients."""
        view: View = "mismatched" if statistic.mismatched else "own"
        packs = mismatched_packs(self.table, pack, capacity=self.capacity) if statistic.mismatched else [pack]
        parts = []
        for part in packs:
            batch = collate(self.table, part, view).to(self.device)
            logp_S, reference_S = self.policy(batch).tokens.logp_S, self._reference(batch, part, view)
            parts.append(statistic.sums(Scored(batch=batch, logp_S=logp_S, reference_S=reference_S)))
        return torch.stack(parts).sum(dim=0)

    def _reference(self, batch: Batch, pack: Pack, view: View) -> Tensor | None:
        if self.loss.reference != "same-prompt":
            return None
        if self.stored is None:
            return self.policy.reference_logp(batch)
        return self.stored.of(self.table.documents_of(pack), view).to(self.device)
