"""The reward itself as a goal: a small network makes one soft token of it, which stands where a goal token would.

    reward --standardised--> z --Linear(1, 64), GELU, Linear(64, H)--> the embedding at the place of `<|reward|>`

`<|reward|>` is a special token of the tokenizer, but no row of the embedding: its id only marks a position, so the matrix
neither grows nor gets a gradient. The network is float32 and stands on the peft model as its part `reward_embedding`, so that
optimizer, data parallelism and checkpoints treat its parameters as those of the adapter. It begins as LoRA does, as nothing:
its last layer gives the mean row of the vocabulary for every reward, which is also what a reference without the adapter sees.

    adapter/reward_embedding.safetensors    first.weight, first.bias, second.weight, second.bias (float32), and
                                            mean and deviation (float64), which are not trained

Shape letters: T tokens, H hidden size, V vocabulary, M rewards, X any leading dimensions. Source: GCSL (arXiv 2605.16345,
appendix C.2), which has a reward-embedding layer and says no more of it; sizes, start and standardisation are our choice.
"""

# ruff: noqa: N803, N815 (names of tensors end in their shape letters)

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import DataError
from gcsl_train.errors import reason
from gcsl_train.goal_tokens import GoalTokens
from gcsl_train.goals import REWARD_TOKEN, Asked, GoalBook
from gcsl_train.shards import Example, read_rewards
from gcsl_train.spread import whole

FILE = "reward_embedding.safetensors"
NUMBER = "reward"  # of a row, and so of a pack: its reward, standardised
_WIDTH = 64


@dataclass(frozen=True, slots=True)
class Scale:
    """What rewards are standardised with: their mean, and their deviation, which is above 0."""

    mean: float
    deviation: float

    def standardised(self, reward: float) -> float:
        """How many deviations a reward (in the unit of the `reward` column) is above the mean."""
        return (reward - self.mean) / self.deviation


class RewardEmbedding(nn.Module):
    """Standardised rewards (M) to soft tokens (M, H), in float32 whatever the model computes in.

    `start_H` is what every reward reads as before training.
    """

    start_H: Tensor

    def __init__(self, size: int, scale: Scale) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Linear(1, _WIDTH, dtype=torch.float32)
        self.second = nn.Linear(_WIDTH, size, dtype=torch.float32)
        self.register_buffer("start_H", torch.zeros(size), persistent=False)

    @property
    def size(self) -> int:
        """H."""
        return self.second.out_features

    def forward(self, rewards_M: Tensor) -> Tensor:
        """Soft tokens, (M, H)."""
        with torch.autocast(rewards_M.device.type, enabled=False):
            return self.second(F.gelu(self.first(rewards_M.float()[:, None])))

    def of(self, reward: float) -> Tensor:
        """The soft token (H) of one reward, in the unit of the `reward` column."""
        return self(torch.tensor([self.scale.standardised(reward)], device=self.second.weight.device))[0]

    def tensors(self) -> dict[str, Tensor]:
        """What the file holds (see above), on the CPU; all ranks ask together."""
        own = {name: whole(t.detach()).cpu().contiguous().clone() for name, t in sorted(self.state_dict().items())}
        # As tensors, not as metadata: safetensors writes that in an order of its own each time.
        return own | {name: torch.tensor(number, dtype=torch.float64) for name, number in asdict(self.scale).items()}


def scale_of(folder: str | Path, manifest: Manifest) -> Scale:
    """Mean and deviation of the train split: those of the manifest's fit, or of the rows where it has none.

    The deviation is that of a sample; where all rewards are equal it is 1.
    """
    if manifest.fit.deviation is not None:
        return Scale(manifest.fit.mean, manifest.fit.deviation.value)
    rewards = read_rewards(folder, manifest)
    deviation = float(np.std(rewards, ddof=1)) if len(rewards) > 1 else 0.0
    return Scale(manifest.fit.mean, deviation if 0 < deviation < math.inf else 1.0)


def placed(rows: Iterable[Example], book: GoalBook, scale: Scale) -> Iterator[Example]:
    """The rows of a dataset with `<|reward|>` in their prompts and their standardised rewards among their numbers."""
    for row in rows:
        yield place(row, row.numbers[NUMBER], book, scale)


def place(row: Example, reward: float, book: GoalBook, scale: Scale) -> Example:
    """One row with `<|reward|>` in its prompt, standing for this reward. Raises DataError (65) naming the row."""
    try:
        prompt = book.place(row.prompt, Asked(None, REWARD_TOKEN, reward))
    except DataError as error:
        raise DataError(error.code, f"row {row.id}: {error.message}") from None
    numbers = {**row.numbers, NUMBER: scale.standardised(reward)}
    return replace(row, prompt=prompt, goal=REWARD_TOKEN, numbers=numbers)


@torch.no_grad()
def fresh(model: Any, tokens: GoalTokens, scale: Scale, *, seed: int) -> RewardEmbedding:
    """An untrained network for a model; the seed alone decides its first layer, the second gives the mean row."""
    draw = torch.Generator().manual_seed(seed)
    start_H = _mean_row(model, tokens)
    found = RewardEmbedding(len(start_H), scale)
    for parameter in found.first.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=draw))
    found.second.weight.zero_()
    found.second.bias.copy_(start_H)
    found.start_H.copy_(start_H)
    return found


def read(path: Path) -> RewardEmbedding:
    """The network in a file. Raises DataError (65) for a file that is missing, damaged, or holds anything else."""
    try:
        tensors = load_file(path)
        scale = Scale(mean=tensors.pop("mean").item(), deviation=tensors.pop("deviation").item())
        if not (math.isfinite(scale.mean) and 0 < scale.deviation < math.inf):
            raise ValueError(f"rewards cannot be standardised with {scale.mean} and {scale.deviation}")
        found = RewardEmbedding(len(tensors["second.bias"]), scale)
        if not all(t.dtype == torch.float32 and torch.isfinite(t).all() for t in tensors.values()):
            raise ValueError("a value in it is not a finite float32")
        found.load_state_dict(tensors)
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError) as error:
        raise DataError("GT6534", f"{path} is no reward embedding ({reason(error)}); train it again") from None
    return found


def attach(model: Any, embedding: RewardEmbedding) -> Any:
    """Make the network a part of a peft model; gives the model."""
    model.reward_embedding = embedding
    return model


def of(model: Any) -> RewardEmbedding | None:
    """The network of a model, if it has one."""
    return getattr(model, "reward_embedding", None)


def embed(table: Any, tokens: GoalTokens, ids_XT: Tensor, soft_XTH: Tensor) -> Tensor:
    """Input embeddings (X, T, H): the model's own, and at the place of `<|reward|>` the soft token given for it."""
    is_soft_XT = ids_XT == tokens.first
    own_XTH = table(torch.where(is_soft_XT, 0, ids_XT))  # no row stands for it
    return torch.where(is_soft_XT[..., None], soft_XTH.to(own_XTH.dtype), own_XTH)


def per_token(embedding: RewardEmbedding, rewards_N: Tensor, cu_seqlens_N: Tensor, tokens: int) -> Tensor:
    """For each token of a pack the soft token (T, H) of the document that it stands in.

    A pack without documents still takes part, with a reward of 0 that nothing reads: each rank owes a gradient, if only of 0.
    """
    soft_MH = embedding(F.pad(rewards_N, (0, 1)))
    at_T = torch.arange(tokens, device=cu_seqlens_N.device, dtype=cu_seqlens_N.dtype)
    return F.embedding(torch.searchsorted(cu_seqlens_N[1:], at_T, right=True), soft_MH)


def _mean_row(model: Any, tokens: GoalTokens) -> Tensor:
    """The mean of the vocabulary's rows (H), in float32, as the body sees it."""
    table = model.get_input_embeddings()
    scale = getattr(table, "embed_scale", 1.0)  # Gemma's embedding multiplies what it looks up
    return table.weight[: tokens.first].mean(dim=0, dtype=torch.float32) * scale
