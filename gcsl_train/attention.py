"""Attention confined to each document of a pack, registered with transformers under a name of its own.

A pack is one row of T tokens that holds several documents. transformers can isolate them by looking at `position_ids`, but
stops looking as soon as a KV cache exists, which is its default. Here isolation does not depend on masks, caches or batch
shape: the attention function itself reads the cumulative document lengths from the forward's keyword arguments.

Two paths give the same numbers: flash attention for variable lengths (CUDA, 16-bit) and causal attention per document
(everywhere else; the reference). Shape letters: B batch (always 1), H query heads, K key and value heads, T tokens of the
pack, L tokens of one document, D head size, N documents.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

import functools
import inspect
import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gcsl_train.errors import unsupported_model

NAME = "gcsl_documents"


def register() -> str:
    """Make `NAME` a legal `attn_implementation` for transformers; gives the name. Doing it twice does no harm."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, document_attention)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def document_attention(
    module: torch.nn.Module,
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each document; output is (B, T, H, D) as transformers expects.

    `cu_seq_lens_q` (N+1, int32) holds 0, the end of the first document, ... , T. Raises ValueError without it or for more
    than one row, and UsageError for families whose attention has parts that are not computed here (score caps, sinks).
    """
    if cu_seq_lens_q is None or max_length_q is None or query_BHTD.shape[0] != 1:
        raise ValueError("document attention takes one pack with cu_seq_lens_q and max_length_q")
    if key_BKTD.shape[2] != query_BHTD.shape[2]:
        raise ValueError("document attention cannot continue from a cache; generate with sdpa")
    for name in ("softcap", "s_aux"):
        if other.get(name) is not None:
            raise unsupported_model(f"its attention uses {name}")
    options = {"scaling": scaling, "dropout": dropout, "window": sliding_window}
    if _fits_flash(query_BHTD, dropout):
        return _flash(query_BHTD, key_BKTD, value_BKTD, cu_seq_lens_q, max_length_q, **options), None
    return _per_document(query_BHTD, key_BKTD, value_BKTD, cu_seq_lens_q.tolist(), **options), None


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """What transformers gets when it asks for a mask: none, the attention function isolates by itself."""
    return


def _per_document(
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    ends: list[int],
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> Tensor:
    """One causal scaled-dot-product attention per document: plain, exact, differentiable on every device."""
    groups = query_BHTD.shape[1] // key_BKTD.shape[1]
    key_BHTD = key_BKTD.repeat_interleave(groups, dim=1) if groups > 1 else key_BKTD
    value_BHTD = value_BKTD.repeat_interleave(groups, dim=1) if groups > 1 else value_BKTD
    outputs = []
    for start, end in itertools.pairwise(ends):
        length = end - start
        mask_LL = _band(length, window, query_BHTD.device) if window is not None and length > window else None
        outputs.append(
            F.scaled_dot_product_attention(
                query_BHTD[:, :, start:end],
                key_BHTD[:, :, start:end],
                value_BHTD[:, :, start:end],
                attn_mask=mask_LL,
                is_causal=mask_LL is None,
                dropout_p=dropout,
                scale=scaling,
            )
        )
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous()


def _band(length: int, window: int, device: torch.device) -> Tensor:
    """Which keys a query sees under a sliding window: itself and the `window - 1` before it. (L, L) bool."""
    at = torch.arange(length, device=device)
    distance_LL = at[:, None] - at[None, :]
    return (distance_LL >= 0) & (distance_LL < window)


def _fits_flash(query_BHTD: Tensor, dropout: float) -> bool:
    """Whether torch's variable-length flash attention can take this: CUDA since Ampere, 16 bit, no dropout."""
    return (
        query_BHTD.is_cuda
        and query_BHTD.dtype in (torch.bfloat16, torch.float16)
        and query_BHTD.shape[-1] <= 256
        and dropout == 0.0
        and bool(_flash_keywords())
        and torch.cuda.get_device_capability(query_BHTD.device) >= (8, 0)
    )


@functools.cache
def _flash_keywords() -> frozenset[str]:
    """The keywords of this torch's `varlen_attn`; empty when it has none, or lacks a scale."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return frozenset()
    names = frozenset(inspect.signature(varlen_attn).parameters)
    return names if {"scale", "window_size"} <= names else frozenset()


def _flash(
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    cu_seqlens_N: Tensor,
    longest: int,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
) -> Tensor:
    """The same through `varlen_attn`; torch before 2.12 wants keys and values repeated to the query heads."""
    from torch.nn.attention.varlen import varlen_attn

    query_THD, key_TKD, value_TKD = (x[0].transpose(0, 1).contiguous() for x in (query_BHTD, key_BKTD, value_BKTD))
    groups = query_THD.shape[1] // key_TKD.shape[1]
    options: dict[str, Any] = {"scale": scaling, "window_size": (-1 if window is None else window - 1, 0)}
    if groups > 1 and "enable_gqa" in _flash_keywords():
        options["enable_gqa"] = True
    elif groups > 1:
        key_TKD, value_TKD = key_TKD.repeat_interleave(groups, dim=1), value_TKD.repeat_interleave(groups, dim=1)
    out_THD = varlen_attn(query_THD, key_TKD, value_TKD, cu_seqlens_N, cu_seqlens_N, longest, longest, **options)
    assert isinstance(out_THD, Tensor)
    return out_THD.unsqueeze(0)
