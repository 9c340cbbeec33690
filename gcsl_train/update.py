"""The optimizer's half of a step: gradients are clipped, the adapter is moved; between the two a run may stop."""

from dataclasses import dataclass

import torch

from gcsl_train.config import Optim
from gcsl_train.schedule import rate
from gcsl_train.spread import whole

# float16 gradients below 6e-8 vanish; this factor is taken out again before clipping. Other dtypes do not need it.
_LOSS_FACTORS = {torch.float16: 1024.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What moves an adapter whose forward passes compute in `compute`, in a run of `total` steps."""

    optimizer: torch.optim.Optimizer
    settings: Optim
    total: int
    compute: torch.dtype

    @property
    def loss_factor(self) -> float:
        """What each loss is multiplied with before its backward pass."""
        return _LOSS_FACTORS.get(self.compute, 1.0)

    def clip(self) -> float:
        """Takes the factor out of the gradients and clips them; gives the 2-norm that all of them had."""
        parameters = self.optimizer.param_groups[0]["params"]
        for parameter in parameters:
            parameter.grad /= self.loss_factor
        return float(whole(torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)))

    def move(self, step: int) -> float:
        """Moves the adapter at the rate of this step (from 1), which it gives, and lets go of the gradients."""
        of = self.settings
        lr = rate(step, total=self.total, peak=of.learning_rate, warmup=of.warmup, schedule=of.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return lr
