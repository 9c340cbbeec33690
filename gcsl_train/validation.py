"""What a run makes of a validation split while it trains: the value of its own loss, the loss by goal, and the goal swap."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from gcsl_data.errors import TrainingError
from gcsl_train import scoring
from gcsl_train.evaluation import Evaluation
from gcsl_train.loss import State
from gcsl_train.objective import Objective
from gcsl_train.passes import Passes
from gcsl_train.plan import for_rank, plan
from gcsl_train.scoring import Questions

SPLIT = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of evaluations.jsonl. `loss` is that of the run, over the split; `own` what the loss reports besides.

    `goals` has the loss by goal and the goal-swap gap, where the records have goals to ask for.
    """

    step: int
    loss: float
    own: dict[str, float]
    goals: Evaluation | None

    def as_json(self) -> dict[str, Any]:
        """The line; numbers that a tracker can draw are at its top."""
        line: dict[str, Any] = {"step": self.step, "validation_loss": self.loss}
        line |= {f"validation_{name}": value for name, value in self.own.items()}
        if self.goals is None:
            return line
        for goal in self.goals.goals:
            asked = goal.index if goal.reward is None else f"reward_{goal.reward:g}"
            line[f"validation_loss_goal_{'none' if asked is None else asked}"] = goal.loss
        return line if self.goals.swap is None else line | {"goal_swap": self.goals.swap.gap}

    def as_line(self) -> str:
        """The line for people."""
        swap = f"  goal swap {self.goals.swap.shown}" if self.goals and self.goals.swap else ""
        return f"step {self.step}: validation loss {self.loss:.4f}{swap}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The split, ready to be asked about; `passes` has its items, `questions` its records (None: not of that kind)."""

    objective: Objective
    passes: Passes
    questions: Questions | None

    @torch.no_grad()
    def ask(self, model: Any, state: State, *, step: int, accelerator: Any) -> Finding:
        """Score the split as it is learned now, shared among the ranks; the model is left as it was.

        Raises TrainingError (70) for what is no number.
        """
        was_training = model.training
        model.eval()
        try:
            loss, own = self._loss(model, state, accelerator)
            for name, value in {"loss": loss, **own}.items():
                if not math.isfinite(value):
                    raise TrainingError(
                        "GT7003",
                        f"step {step}: the validation {name} is {value}, the model's numbers overflow; "
                        "start again with a lower --learning-rate",
                    )
            return Finding(step=step, loss=loss, own=own, goals=self._goals(model, accelerator))
        finally:
            model.train(was_training)

    def _loss(self, model: Any, state: State, accelerator: Any) -> tuple[float, dict[str, float]]:
        table = self.passes.table
        packs = plan(table.lengths, seed=0, epoch=0, capacity=self.passes.capacity)
        total, own = 0.0, dict[str, float]()
        for pack in for_rank(packs, accelerator.process_index, accelerator.num_processes):
            scored, _ = self.passes.learning(model, pack, state)
            outcome = self.objective.total(scored)
            total += float(outcome.total)
            for name, value in outcome.metrics.items():
                own[name] = own.get(name, 0.0) + float(value)
        values = torch.tensor([total, *own.values()], dtype=torch.float64, device=accelerator.device)
        total, *rest = accelerator.reduce(values, reduction="sum").tolist()
        divisor = int(table.supervised.sum()) if self.objective.loss.normaliser == "tokens" else len(table.lengths)
        return total / divisor, {name: value / divisor for name, value in zip(own, rest, strict=True)}

    def _goals(self, model: Any, accelerator: Any) -> Evaluation | None:
        if self.questions is None:
            return None
        asked = self.questions
        found = {g.key: scoring.losses(asked, g, model, accelerator.device, accelerator) for g in asked.asked}
        return scoring.summary(asked, found)
