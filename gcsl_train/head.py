"""Per-token log-probabilities out of the language-model head, in chunks, without ever holding all logits.

Every loss starts from these numbers, so the model never computes a loss itself. Only supervised positions are passed in;
rows are taken `chunk` at a time and logits are accumulated in float32. The gradient of a log-probability with respect to its
hidden state does not depend on the loss, so it is computed while the logits are there (S x H numbers, kept instead of S x V),
and the backward pass only scales it. A frozen head gets no V x H gradient; one that is trained has its logits made again.

Shape letters: S supervised positions, C rows of one chunk, H hidden size, V vocabulary.
"""

# ruff: noqa: N803, N815 (names of tensors end in their shape letters)

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gcsl_train import rows
from gcsl_train.config import Kernels

_CHUNKS = {"cpu": 128}  # rows whose logits stay near the cores; a GPU wants larger products
_CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitRule:
    """What a model family does to its raw scores: `cap * tanh(scale * score / cap)`; no cap when None."""

    scale: float = 1.0
    softcap: float | None = None


class TokenScores(NamedTuple):
    """Log-probability of each target, entropy of each prediction (no gradient), and whether the target came first."""

    logp_S: Tensor
    entropy_S: Tensor
    top1_S: Tensor


def token_logprobs(
    hidden_SH: Tensor,
    weight_VH: Tensor,
    targets_S: Tensor,
    *,
    bias_V: Tensor | None = None,
    rule: LogitRule | None = None,
    chunk: int | None = None,
    kernels: Kernels = "torch",
) -> TokenScores:
    """log p(target) for each row of `hidden_SH`, with gradients for hidden, weight and bias where they ask for one.

    `hidden_SH` and `weight_VH` share a floating dtype, `targets_S` is int64; the answers are float32 (top1: bool), never
    reduced. S may be 0. The softmax runs over the whole vocabulary. Gradients can be taken once, not of each other.
    """
    chosen = chunk or rows_at_once(hidden_SH.device)
    with torch.autocast(hidden_SH.device.type, enabled=False):  # it would round the scores to 16 bit
        parts = _TokenLogprobs.apply(
            hidden_SH, weight_VH, bias_V, targets_S, rule or LogitRule(), chosen, rows.choose(kernels)
        )
    logp_S, entropy_S, top1_S = parts  # type: ignore[misc]
    return TokenScores(logp_S, entropy_S, top1_S)


def rows_at_once(device: torch.device) -> int:
    """How many rows of logits are made at a time."""
    return _CHUNKS.get(device.type, _CHUNK)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_SH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        targets_S: Tensor,
        rule: LogitRule,
        chunk: int,
        score: rows.Score,
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = hidden_SH.shape[0]
        logp_S = torch.empty(count, dtype=torch.float32, device=hidden_SH.device)
        entropy_S = torch.empty_like(logp_S)
        top1_S = torch.empty(count, dtype=torch.bool, device=hidden_SH.device)
        need_hidden, need_weight, need_bias = ctx.needs_input_grad[:3]
        slope_SH = torch.empty_like(hidden_SH, dtype=torch.float32) if need_hidden else None
        product = Product(weight_VH)
        for at in range(0, count, chunk):
            part = slice(at, at + chunk)
            scores_CV = product.scores(hidden_SH[part], bias_V)
            found = score(scores_CV, targets_S[part], rule.scale, rule.softcap, need_hidden)
            logp_S[part], entropy_S[part], top1_S[part] = found.logp_C, found.entropy_C, found.top1_C
            if slope_SH is not None and found.slope_CV is not None:
                slope_SH[part] = product.back(found.slope_CV)
        ctx.mark_non_differentiable(entropy_S, top1_S)
        ctx.rule, ctx.chunk = rule, chunk
        ctx.save_for_backward(
            slope_SH, *((hidden_SH, weight_VH, bias_V, targets_S) if need_weight or need_bias else ())
        )
        return logp_S, entropy_S, top1_S

    @staticmethod
    @once_differentiable  # the slope was made without a graph, so a gradient of this gradient would be wrong
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        grad_logp_S = grads[0]
        slope_SH, *head = ctx.saved_tensors
        grad_hidden_SH = None if slope_SH is None else slope_SH * grad_logp_S[:, None]
        grad_weight_VH, grad_bias_V = _head_gradients(ctx, grad_logp_S, *head) if head else (None, None)
        return grad_hidden_SH, grad_weight_VH, grad_bias_V, None, None, None, None


def _head_gradients(
    ctx: Any, grad_logp_S: Tensor, hidden_SH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, targets_S: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of a trained head, in float32 until the end."""
    _, need_weight, need_bias = ctx.needs_input_grad[:3]
    grad_weight_VH = torch.zeros_like(weight_VH, dtype=torch.float32) if need_weight else None
    grad_bias_V = torch.zeros_like(bias_V, dtype=torch.float32) if need_bias and bias_V is not None else None
    product = Product(weight_VH)
    for at in range(0, hidden_SH.shape[0], ctx.chunk):
        part = slice(at, at + ctx.chunk)
        scores_CV = product.scores(hidden_SH[part], bias_V)
        slope_CV = rows.score(scores_CV, targets_S[part], ctx.rule.scale, ctx.rule.softcap, True).slope_CV
        assert slope_CV is not None
        grad_CV = slope_CV * grad_logp_S[part, None]
        if grad_weight_VH is not None:
            grad_weight_VH += grad_CV.t() @ hidden_SH[part].float()
        if grad_bias_V is not None:
            grad_bias_V += grad_CV.sum(dim=0)
    weight_grad = None if grad_weight_VH is None else grad_weight_VH.to(weight_VH.dtype)
    return weight_grad, None if grad_bias_V is None or bias_V is None else grad_bias_V.to(bias_V.dtype)


class Product:
    """Products with the head's weight that come out in float32, whatever the weight's dtype.

    CUDA multiplies 16-bit matrices into a float32 result; elsewhere the weight is widened once per call.
    """

    def __init__(self, weight_VH: Tensor) -> None:
        self.narrow = weight_VH.is_cuda and weight_VH.dtype in (torch.bfloat16, torch.float16)
        self.weight_VH = weight_VH if self.narrow else weight_VH.float()

    def scores(self, hidden_CH: Tensor, bias_V: Tensor | None) -> Tensor:
        """Raw scores of each row."""
        if self.narrow:
            scores_CV = torch.mm(hidden_CH, self.weight_VH.t(), out_dtype=torch.float32)
        else:
            scores_CV = hidden_CH.float() @ self.weight_VH.t()
        return scores_CV if bias_V is None else scores_CV + bias_V.float()

    def back(self, grad_CV: Tensor) -> Tensor:
        """The gradient of the hidden states out of that of the raw scores."""
        if not self.narrow:
            return grad_CV @ self.weight_VH
        lift = 1024.0 if self.weight_VH.dtype == torch.float16 else 1.0  # or unlikely words would vanish
        return torch.mm((grad_CV * lift).to(self.weight_VH.dtype), self.weight_VH, out_dtype=torch.float32) / lift


def shaped(scores_CV: Tensor, rule: LogitRule) -> Tensor:
    """Logits: raw scores as the family shapes them."""
    if rule.scale != 1.0:
        scores_CV = scores_CV * rule.scale
    return scores_CV if rule.softcap is None else rule.softcap * torch.tanh(scores_CV / rule.softcap)


def unshaped(grad_CV: Tensor, logits_CV: Tensor, rule: LogitRule) -> Tensor:
    """The gradient of raw scores out of that of the logits."""
    if rule.softcap is not None:
        grad_CV = grad_CV * (1.0 - (logits_CV / rule.softcap) ** 2)
    return grad_CV if rule.scale == 1.0 else grad_CV * rule.scale
