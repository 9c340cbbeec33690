"""Goals as special tokens: rows of the embedding that are trained beside the adapter, never targets and never answers.

The kept goals of a dataset of tokens (`<|goal_3|>`) become special tokens of the tokenizer, lowest first, with ids after
those of all others. peft trains, saves and merges their rows (`trainable_token_indices`). Its forward, however, copies the
whole matrix and makes a gradient as large, so during training `embed` reads the same rows without either.

Shape letters: T tokens of the pack, K goals, H hidden size, V vocabulary, C some columns of the embedding.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gcsl_data.dataset.goal import Placement
from gcsl_data.errors import UsageError
from gcsl_train.goals import GoalBook

_COLUMNS = 256  # of the embedding, widened to float32 at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalTokens:
    """The goals of a dataset as tokens of one tokenizer: texts and ids, lowest goal first, and where prompts hold them.

    A `soft` one has no row of the embedding: what the model reads at its place is made of a number (reward_embedding.py).
    """

    texts: tuple[str, ...]
    ids: tuple[int, ...]
    placement: Placement
    soft: bool = False

    @property
    def first(self) -> int:
        """The lowest of their ids; what stands below is the model's own vocabulary."""
        return min(self.ids)

    @property
    def rows(self) -> int:
        """How many rows an embedding must have to hold them."""
        return max(self.ids) + 1


def add(tokenizer: Any, book: GoalBook) -> GoalTokens | None:
    """Make the kept goals special tokens of the tokenizer; None, and no change, where goals are sentences or there are none.

    Raises UsageError (2) for a tokenizer that has one already, and for one that numbers them among its own.
    """
    from tokenizers import AddedToken

    if not book.tokens:
        return None
    vocabulary = tokenizer.get_vocab()
    if known := [text for text in book.tokens if text in vocabulary]:
        raise UsageError(
            "GT0222",
            f"this model's tokenizer has {known[0]} already (was it made by merge?); train on its base model, "
            "or write goals as sentences (--formulation gcsl-bey-nl)",
        )
    tokenizer.add_tokens(
        [AddedToken(text, special=True, normalized=False) for text in book.tokens], special_tokens=True
    )
    ids = tokenizer.convert_tokens_to_ids(list(book.tokens))
    first = max(vocabulary.values()) + 1
    if ids != list(range(first, first + len(ids))):
        raise UsageError(
            "GT0223",
            f"this model's tokenizer numbers new tokens {', '.join(map(str, ids))}, not from {first} on; "
            "choose another --model, or write goals as sentences (--formulation gcsl-bey-nl)",
        )
    return GoalTokens(texts=book.tokens, ids=tuple(ids), placement=book.placement, soft=book.embedded is not None)


def find(tokenizer: Any, book: GoalBook) -> GoalTokens | None:
    """The goals as tokens that the tokenizer has, as that of a merged model does; None unless it has them all.

    A soft token is never merged.
    """
    added = {token.content: token_id for token_id, token in tokenizer.added_tokens_decoder.items()}
    if not book.tokens or book.embedded or not added.keys() >= set(book.tokens):
        return None
    return GoalTokens(texts=book.tokens, ids=tuple(added[text] for text in book.tokens), placement=book.placement)


@torch.no_grad()
def make_room(model: Any, tokens: GoalTokens) -> None:
    """See that embedding and head have a row for every goal; spare rows are used before new ones are made.

    A head of its own gets the mean of its rows: the score of that is the mean of all scores, and so never the highest.
    """
    if model.get_input_embeddings().weight.shape[0] < tokens.rows:
        model.resize_token_embeddings(tokens.rows, mean_resizing=False)
    head = model.get_output_embeddings()
    if head is not None and head.weight is not model.get_input_embeddings().weight:
        head.weight[list(tokens.ids)] = (
            head.weight[: tokens.first].mean(dim=0, dtype=torch.float32).to(head.weight.dtype)
        )


@torch.no_grad()
def initialise(model: Any, tokens: GoalTokens, *, seed: int) -> None:
    """Draw the goals' rows from N(mean, standard deviation) of each dimension over the model's own vocabulary.

    The seed alone decides the draw. Source: Quark (arXiv 2205.13636), which starts its reward tokens this way.
    """
    weight_VH = model.get_input_embeddings().weight
    spread = [_spread(part.float()) for part in weight_VH[: tokens.first].split(_COLUMNS, dim=1)]
    mean_H, std_H = (torch.cat(parts) for parts in zip(*spread, strict=True))
    noise_KH = torch.randn(len(tokens.ids), weight_VH.shape[1], generator=torch.Generator().manual_seed(seed))
    weight_VH[list(tokens.ids)] = (mean_H + std_H * noise_KH.to(weight_VH.device)).to(weight_VH.dtype)


def _spread(part_VC: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column; torch.std_mean is several times slower down the columns on a CPU."""
    mean_C = part_VC.mean(dim=0)
    return mean_C, ((part_VC - mean_C).square_().sum(dim=0) / (len(part_VC) - 1)).sqrt()


def embed(table: Any, tokens: GoalTokens, ids_1T: Tensor) -> Tensor:
    """Input embeddings (1, T, H): the frozen rows of ordinary ids, the trained rows of goals.

    `table` is the input embedding as peft wrapped it. Only the K x H rows get a gradient.
    """
    frozen = plain(table)
    rows_KH = trained_rows(table)
    own_1TH = frozen(ids_1T)
    goal_1T = ids_1T - tokens.first
    is_goal_1T = (goal_1T >= 0) & (goal_1T < len(tokens.ids))
    goals_1TH = F.embedding(goal_1T.clamp(0, len(tokens.ids) - 1), rows_KH)
    scale = getattr(frozen, "embed_scale", 1.0)  # Gemma's embedding multiplies what it looks up
    return torch.where(is_goal_1T[..., None], (goals_1TH * scale).to(own_1TH.dtype), own_1TH)


def trained_rows(table: Any) -> Tensor:
    """The parameter (K, H) that peft trains, out of the input embedding as peft wrapped it."""
    return table.token_adapter.trainable_tokens_delta["default"]


def plain(module: Any) -> Any:
    """An embedding or a head without the wrapper that peft puts around it (around a tied head, too)."""
    adapter = getattr(module, "token_adapter", None)
    return module if adapter is None else adapter.get_base_layer()


def fold(peft_model: Any) -> Any:
    """The same model with the trained rows written into its matrices, so that answering does not copy them per token."""
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer

    for module in peft_model.modules():
        if isinstance(module, TrainableTokensLayer):
            module.merge()
    return peft_model
