"""The divergence between two predictions over the whole vocabulary, token by token, without ever holding all logits.

As in `head.py`, rows are taken a chunk at a time, and the backward pass computes the logits again instead of keeping them.
Both directions come out, since they cost nothing beside the logits; the gradient is that of the ones a loss uses.

Shape letters: S supervised positions, C rows of one chunk, H hidden size, V vocabulary.
"""

# ruff: noqa: N803, N815 (names of tensors end in their shape letters)

from typing import Any, NamedTuple

import torch
from torch import Tensor

from gcsl_train.head import LogitRule, Product, rows_at_once, shaped, unshaped


class Divergence(NamedTuple):
    """KL(model || reference) and KL(reference || model) of each supervised token, in nats."""

    forward_S: Tensor
    backward_S: Tensor


def token_divergence(
    hidden_SH: Tensor,
    reference_SH: Tensor,
    weight_VH: Tensor,
    *,
    bias_V: Tensor | None = None,
    rule: LogitRule | None = None,
    chunk: int | None = None,
) -> Divergence:
    """Both divergences between what the frozen head makes of two hidden states, with a gradient for the first alone.

    The hidden states and the weight share a floating dtype; the answers are float32. S may be 0.
    """
    chosen = chunk or rows_at_once(hidden_SH.device)
    return Divergence(*_Divergence.apply(hidden_SH, reference_SH, weight_VH, bias_V, rule or LogitRule(), chosen))  # type: ignore[misc]


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_SH: Tensor,
        reference_SH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        rule: LogitRule,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(hidden_SH, reference_SH, weight_VH, bias_V)
        ctx.rule, ctx.chunk = rule, chunk
        ctx.set_materialize_grads(False)  # a direction that no loss uses costs nothing
        forward_S = torch.empty(hidden_SH.shape[0], dtype=torch.float32, device=hidden_SH.device)
        backward_S = torch.empty_like(forward_S)
        product = Product(weight_VH)
        for at in range(0, hidden_SH.shape[0], chunk):
            part = slice(at, at + chunk)
            logp_CV = _log_softmax(product, hidden_SH[part], bias_V, rule)
            logq_CV = _log_softmax(product, reference_SH[part], bias_V, rule)
            gap_CV = logp_CV - logq_CV
            forward_S[part] = (logp_CV.exp() * gap_CV).sum(dim=-1)
            backward_S[part] = -(logq_CV.exp() * gap_CV).sum(dim=-1)
        return forward_S, backward_S

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_forward_S, grad_backward_S = grads
        hidden_SH, reference_SH, weight_VH, bias_V = ctx.saved_tensors
        grad_hidden_SH = torch.zeros_like(hidden_SH)
        product = Product(weight_VH)
        for at in range(0, hidden_SH.shape[0], ctx.chunk):
            part = slice(at, at + ctx.chunk)
            logits_CV = shaped(product.scores(hidden_SH[part], bias_V), ctx.rule)
            logp_CV = torch.log_softmax(logits_CV, dim=-1)
            logq_CV = _log_softmax(product, reference_SH[part], bias_V, ctx.rule)
            p_CV = logp_CV.exp()
            grad_CV = torch.zeros_like(logp_CV)
            if grad_forward_S is not None:  # d KL(p || q) / d logit = p (log p - log q - KL)
                gap_CV = logp_CV - logq_CV
                inner_CV = p_CV * (gap_CV - (p_CV * gap_CV).sum(dim=-1, keepdim=True))
                grad_CV += inner_CV * grad_forward_S[part, None]
            if grad_backward_S is not None:  # d KL(q || p) / d logit = p - q
                grad_CV += (p_CV - logq_CV.exp()) * grad_backward_S[part, None]
            grad_hidden_SH[part] = product.back(unshaped(grad_CV, logits_CV, ctx.rule))
        return grad_hidden_SH, None, None, None, None, None


def _log_softmax(product: Product, hidden_CH: Tensor, bias_V: Tensor | None, rule: LogitRule) -> Tensor:
    return torch.log_softmax(shaped(product.scores(hidden_CH, bias_V), rule), dim=-1)
