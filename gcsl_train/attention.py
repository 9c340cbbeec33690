"""Attention confined to each document of a pack, registered with transformers under a name of its own.

A pack is one row of T tokens that holds several documents. transformers can isolate them by looking at `position_ids`, but
stops looking as soon as a KV cache exists, which is its default. Here isolation does not depend on masks, caches or batch
shape: the attention function itself reads the cumulative document lengths from the forward's keyword arguments.

Three paths give the same numbers: `sdpa`, causal attention per document (everywhere; the reference), `varlen`, flash
attention for variable lengths (CUDA, 16 bit), and `flex`, torch's flex attention (`flex.py`, CUDA). `auto` is varlen for each
layer that it can take, and sdpa for the others. Shape letters: B batch (always 1), H query heads, K key and value heads, T
tokens of the pack, L tokens of one document, D head size, N documents.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

import functools
import inspect
import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gcsl_train import flex
from gcsl_train.config import Attention
from gcsl_train.errors import unfit_attention, unsupported_model

NAME = "gcsl_documents"
_LARGEST_HEAD = 256  # of flash attention
_DROPOUTS = ("attention_dropout", "attn_pdrop", "attn_dropout")  # what families call it in their configs


def choose(asked: Attention, *, device: torch.device, dtype: torch.dtype) -> Attention:
    """The path of a run, chosen once: what was asked for, but sdpa for auto where nothing else can be.

    Raises UsageError (2) where what was asked for cannot train on this device in this dtype.
    """
    if asked == "sdpa":
        return asked
    missing = flex.missing(device) if asked == "flex" else _varlen_missing(device, dtype)
    if missing and asked != "auto":
        raise unfit_attention(asked, missing)
    return "sdpa" if missing else asked


def check_dropout(path: Attention, config: Any) -> None:
    """Raise UsageError (2) when a model's attention drops some of what it sees while it trains, and the path cannot."""
    text = config.get_text_config()
    dropout = max(float(getattr(text, name, None) or 0.0) for name in _DROPOUTS)
    if path in ("varlen", "flex") and dropout > 0:
        raise unfit_attention(path, _no_dropout(dropout))


def register(path: Attention = "sdpa", *, room: int = 0) -> str:
    """Make a path a legal `attn_implementation` for transformers; gives its name. Doing it twice does no harm.

    `room` is how many tokens a pack may have: flex fills all packs up to it, to compile one kernel for them.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    name = NAME if path == "sdpa" else f"{NAME}_{path}"  # transformers takes a name with sdpa in it for its own
    AttentionInterface.register(name, functools.partial(document_attention, path=path, room=room))
    AttentionMaskInterface.register(name, _no_mask)
    return name


def document_attention(
    module: torch.nn.Module,
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    attention_mask: Tensor | None,
    *,
    path: Attention = "sdpa",
    room: int = 0,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each document; output is (B, T, H, D) as transformers expects.

    `cu_seq_lens_q` (N+1, int32) holds 0, the end of the first document, ... , T. Raises ValueError without it or for more
    than one row, and UsageError for families whose attention has parts that are not computed here (score caps, sinks), or
    that a path other than auto cannot take.
    """
    if cu_seq_lens_q is None or max_length_q is None or query_BHTD.shape[0] != 1:
        raise ValueError("document attention takes one pack with cu_seq_lens_q and max_length_q")
    if key_BKTD.shape[2] != query_BHTD.shape[2]:
        raise ValueError("document attention cannot continue from a cache; generate with sdpa")
    for name in ("softcap", "s_aux"):
        if other.get(name) is not None:
            raise unsupported_model(f"its attention uses {name}")
    options: dict[str, Any] = {"scaling": scaling, "window": sliding_window}
    if path == "flex":
        if dropout > 0:
            raise unfit_attention(path, _no_dropout(dropout))
        return flex.attend(query_BHTD, key_BKTD, value_BKTD, cu_seq_lens_q, room=room, **options), None
    if path != "sdpa":
        if (reason := _varlen_refuses(query_BHTD, dropout)) is None:
            return _varlen(query_BHTD, key_BKTD, value_BKTD, cu_seq_lens_q, max_length_q, **options), None
        if path == "varlen":
            raise unfit_attention(path, reason)
    return _per_document(query_BHTD, key_BKTD, value_BKTD, cu_seq_lens_q.tolist(), dropout=dropout, **options), None


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


def _varlen_missing(device: torch.device, dtype: torch.dtype) -> str | None:
    """What torch's `varlen_attn` wants and a run does not have; None where it has all."""
    if device.type != "cuda":
        return f"it takes CUDA, and the device of this run is {device.type}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "it takes a GPU since Ampere (compute capability 8.0)"
    if not _varlen_keywords():
        return f"it takes torch 2.11, and this is {torch.__version__}"
    return _not_16_bit(dtype)


def _varlen_refuses(query_BHTD: Tensor, dropout: float) -> str | None:
    """What of a layer `varlen_attn` does not take; None where it takes it."""
    if (head_size := query_BHTD.shape[-1]) > _LARGEST_HEAD:
        return f"it takes heads of up to {_LARGEST_HEAD} numbers, and the model has {head_size}"
    return _no_dropout(dropout) if dropout > 0 else _not_16_bit(query_BHTD.dtype)


def _not_16_bit(dtype: torch.dtype) -> str | None:
    if dtype in (torch.bfloat16, torch.float16):
        return None
    return f"it takes bfloat16 or float16, not {str(dtype).removeprefix('torch.')}"


def _no_dropout(dropout: float) -> str:
    return f"it has no dropout, and the model's attention has {dropout}"


@functools.cache
def _varlen_keywords() -> frozenset[str]:
    """The keywords of this torch's `varlen_attn`; empty when it has none, or lacks a scale."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return frozenset()
    names = frozenset(inspect.signature(varlen_attn).parameters)
    return names if {"scale", "window_size"} <= names else frozenset()


def _varlen(
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    cu_seqlens_N: Tensor,
    longest: int,
    *,
    scaling: float | None,
    window: int | None,
) -> Tensor:
    """The same through `varlen_attn`; torch before 2.12 wants keys and values repeated to the query heads."""
    from torch.nn.attention.varlen import varlen_attn

    query_THD, key_TKD, value_TKD = (x[0].transpose(0, 1).contiguous() for x in (query_BHTD, key_BKTD, value_BKTD))
    groups = query_THD.shape[1] // key_TKD.shape[1]
    options: dict[str, Any] = {"scale": scaling, "window_size": (-1 if window is None else window - 1, 0)}
    if groups > 1 and "enable_gqa" in _varlen_keywords():
        options["enable_gqa"] = True
    elif groups > 1:
        key_TKD, value_TKD = key_TKD.repeat_interleave(groups, dim=1), value_TKD.repeat_interleave(groups, dim=1)
    out_THD = varlen_attn(query_THD, key_TKD, value_TKD, cu_seqlens_N, cu_seqlens_N, longest, longest, **options)
    assert isinstance(out_THD, Tensor)
    return out_THD.unsqueeze(0)
