"""Per-token log-probabilities out of the language-model head, in chunks, without ever holding all logits.

Every loss starts from these numbers, so the model never computes a loss itself. Only supervised positions are passed in;
rows are taken `chunk` at a time, logits are accumulated in float32, and the backward pass computes them again instead of
keeping them. A frozen head gets no V x H gradient. The price is one extra matrix product per row in the backward pass.

Shape letters: S supervised positions, C rows of one chunk, H hidden size, V vocabulary.
"""

# ruff: noqa: N803, N815 (names of tensors end in their shape letters)

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK = 512


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
    chunk: int = CHUNK,
) -> TokenScores:
    """log p(target) for each row of `hidden_SH`, with gradients for hidden, weight and bias where they ask for one.

    `hidden_SH` and `weight_VH` share a floating dtype, `targets_S` is int64; the answers are float32 (top1: bool), never
    reduced. S may be 0. The softmax runs over the whole vocabulary.
    """
    if rule is None:
        rule = LogitRule()
    logp_S, entropy_S, top1_S = _TokenLogprobs.apply(hidden_SH, weight_VH, bias_V, targets_S, rule, chunk)  # type: ignore[misc]
    return TokenScores(logp_S, entropy_S, top1_S)


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
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(hidden_SH, weight_VH, bias_V, targets_S)
        ctx.rule, ctx.chunk = rule, chunk
        rows = hidden_SH.shape[0]
        logp_S = torch.empty(rows, dtype=torch.float32, device=hidden_SH.device)
        entropy_S = torch.empty_like(logp_S)
        top1_S = torch.empty(rows, dtype=torch.bool, device=hidden_SH.device)
        product = Product(weight_VH)
        for at in range(0, rows, chunk):
            part = slice(at, at + chunk)
            logits_CV = shaped(product.scores(hidden_SH[part], bias_V), rule)
            lse_C = torch.logsumexp(logits_CV, dim=-1)
            targets_C1 = targets_S[part, None]
            logp_S[part] = logits_CV.gather(1, targets_C1).squeeze(1) - lse_C
            top1_S[part] = logits_CV.argmax(dim=-1) == targets_S[part]
            probs_CV = torch.exp(logits_CV - lse_C[:, None])
            entropy_S[part] = lse_C - (probs_CV * logits_CV).sum(dim=-1)
        ctx.mark_non_differentiable(entropy_S, top1_S)
        return logp_S, entropy_S, top1_S

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_logp_S = grads[0]
        hidden_SH, weight_VH, bias_V, targets_S = ctx.saved_tensors
        rule: LogitRule = ctx.rule
        need_hidden, need_weight, need_bias = ctx.needs_input_grad[:3]
        grad_hidden_SH = torch.zeros_like(hidden_SH) if need_hidden else None
        grad_weight_VH = torch.zeros_like(weight_VH, dtype=torch.float32) if need_weight else None
        grad_bias_V = torch.zeros_like(bias_V, dtype=torch.float32) if need_bias else None
        product = Product(weight_VH)
        for at in range(0, hidden_SH.shape[0], ctx.chunk):
            part = slice(at, at + ctx.chunk)
            logits_CV = shaped(product.scores(hidden_SH[part], bias_V), rule)
            # d logp / d logit = onehot(target) - softmax
            grad_CV = -torch.softmax(logits_CV, dim=-1)
            grad_CV[torch.arange(grad_CV.shape[0], device=grad_CV.device), targets_S[part]] += 1.0
            grad_CV *= grad_logp_S[part, None]
            grad_CV = unshaped(grad_CV, logits_CV, rule)
            if grad_hidden_SH is not None:
                grad_hidden_SH[part] = product.back(grad_CV)
            if grad_weight_VH is not None:
                grad_weight_VH += grad_CV.t() @ hidden_SH[part].float()
            if grad_bias_V is not None:
                grad_bias_V += grad_CV.sum(dim=0)
        weight_grad = None if grad_weight_VH is None else grad_weight_VH.to(weight_VH.dtype)
        bias_grad = None if grad_bias_V is None else grad_bias_V.to(bias_V.dtype)
        return grad_hidden_SH, weight_grad, bias_grad, None, None, None


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
        if self.narrow:
            return torch.mm(grad_CV.to(self.weight_VH.dtype), self.weight_VH, out_dtype=torch.float32)
        return grad_CV @ self.weight_VH


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
