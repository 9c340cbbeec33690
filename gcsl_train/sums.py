"""What one step adds up, first over its packs and then over ranks."""

from dataclasses import dataclass, field
from typing import Any

import torch

from gcsl_train.head import TokenScores
from gcsl_train.loss import Outcome


@dataclass(slots=True)
class Sums:
    """Sums over the supervised tokens of a step; `own` is what the loss reports of its own.

    `stop` is the number of the signal that asked a rank to stop, else 0.
    """

    loss: float = 0.0
    entropy: float = 0.0
    correct: float = 0.0
    stop: float = 0.0
    own: dict[str, float] = field(default_factory=dict)

    def add(self, outcome: Outcome, scores: TokenScores) -> None:
        """Add one pack."""
        self.loss += float(outcome.total.detach())
        self.entropy += float(scores.entropy_S.sum())
        self.correct += float(scores.top1_S.sum())
        for name, value in outcome.metrics.items():
            self.own[name] = self.own.get(name, 0.0) + float(value)

    def over_ranks(self, accelerator: Any) -> "Sums":
        """The same of all ranks; a loss reports the same names on each, so the order of values says which is which."""
        if accelerator.num_processes == 1:
            return self
        device = accelerator.device
        values = torch.tensor(
            [self.loss, self.entropy, self.correct, *self.own.values()], dtype=torch.float64, device=device
        )
        # Several ranks stop for one signal: the largest number is asked for separately from the sums.
        stop = torch.tensor([self.stop], dtype=torch.float64, device=device)
        loss, entropy, correct, *own = accelerator.reduce(values, reduction="sum").tolist()
        stop_number = float(accelerator.gather(stop).max())
        return Sums(loss, entropy, correct, stop_number, dict(zip(self.own, own, strict=True)))
