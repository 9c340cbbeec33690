"""Document attention through torch's flex attention: one kernel over a whole pack, which skips what no query sees.

All that a mask says here is the first key that each query sees: it sees the keys from there to itself, which is causal
attention inside a document, under a sliding window too. The table of blocks follows from those T numbers, so that nothing of
T x T is made. Compiled, the scores are not held either; not compiled (on a CPU, where torch has no backward pass of it) flex
attention does hold all T x T of them.

Packs are filled up to one length, since torch compiles a kernel for each length: the filling is one more document behind the
others, and is cut off. Shape letters as in attention.py, and R blocks of queries, C blocks of keys.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

from gcsl_data.errors import one_line
from gcsl_train.errors import unfit_attention

BLOCK = 128  # tokens; torch's own size of a block
_SMALLEST_HEAD = 16  # of its CUDA kernels

# The masks of each pack that is in use, by length and window: all layers with one window share one mask.
_masks: Any = WeakTensorKeyDictionary()


def missing(device: torch.device) -> str | None:
    """What training through flex attention wants and a device does not have; None where it has all."""
    if device.type != "cuda":
        return f"torch's flex attention has no backward pass on a {device.type.upper()}"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "it takes a GPU since Ampere (compute capability 8.0)"
    if find_spec("triton") is None:
        return "it takes Triton, which is not here"
    return None


def attend(
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    cu_seqlens_N: Tensor,
    *,
    scaling: float | None,
    window: int | None,
    room: int = 0,
) -> Tensor:
    """Causal attention inside each document, (B, T, H, D); packs of up to `room` tokens share one compiled kernel.

    Raises UsageError (2) for what flex attention does not take: gradients on a CPU, heads that its kernels do not have.
    """
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException
    from torch.nn.attention.flex_attention import flex_attention

    head_size, tokens = query_BHTD.shape[-1], query_BHTD.shape[2]
    if query_BHTD.is_cuda and head_size < _SMALLEST_HEAD:
        raise unfit_attention(
            "flex", f"it takes heads of {_SMALLEST_HEAD} numbers and more, and the model has {head_size}"
        )
    length = -(-max(tokens, room) // BLOCK) * BLOCK
    inputs = [F.pad(x, (0, 0, 0, length - tokens)).contiguous() for x in (query_BHTD, key_BKTD, value_BKTD)]
    grouped = query_BHTD.shape[1] != key_BKTD.shape[1]
    kernel: Any = _compiled() if query_BHTD.is_cuda else flex_attention
    try:
        out_BHTD = kernel(*inputs, block_mask=mask_of(cu_seqlens_N, length, window), scale=scaling, enable_gqa=grouped)
    except (NotImplementedError, ValueError, TorchDynamoException, FailOnRecompileLimitHit) as error:
        raise unfit_attention("flex", f"torch says {one_line(str(error), limit=200)}") from error
    return out_BHTD[:, :, :tokens].transpose(1, 2).contiguous()


def mask_of(cu_seqlens_N: Tensor, length: int, window: int | None) -> Any:
    """The BlockMask of a pack that is filled up to `length` tokens; made once for each window, as long as the pack lives."""
    made = _masks.setdefault(cu_seqlens_N, {})
    if (length, window) not in made:
        made[length, window] = block_mask(first_keys(cu_seqlens_N, length, window))
    return made[length, window]


def first_keys(cu_seqlens_N: Tensor, length: int, window: int | None) -> Tensor:
    """The first key that each of `length` queries sees, (T,) int32: that of its document, or of its window."""
    at_T = torch.arange(length, dtype=torch.int32, device=cu_seqlens_N.device)
    start_T = cu_seqlens_N[torch.searchsorted(cu_seqlens_N, at_T, right=True) - 1]
    return start_T if window is None else torch.maximum(start_T, at_T - (window - 1))


def block_mask(first_T: Tensor) -> Any:
    """The BlockMask under which each query sees the keys from `first_T` to itself; T is a multiple of `BLOCK`.

    `first_T` never falls, so what a block of queries sees lies between two ends: nothing before the first key of its first
    query, and all of what lies behind the first key of its last one.
    """
    from torch.nn.attention.flex_attention import BlockMask

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key >= first_T[query]) & (key <= query)

    length = first_T.shape[0]
    at_C = torch.arange(length // BLOCK, device=first_T.device)
    at_R1, first_R1, last_R1 = at_C[:, None], first_T[::BLOCK, None], first_T[BLOCK - 1 :: BLOCK, None]
    seen_RC = (at_C >= first_R1 // BLOCK) & (at_C <= at_R1)
    whole_RC = (at_C * BLOCK >= last_R1) & (at_C < at_R1)
    blocks = (*_listed(seen_RC & ~whole_RC), *_listed(whole_RC))
    return BlockMask.from_kv_blocks(*blocks, BLOCK_SIZE=BLOCK, mask_mod=sees, seq_lengths=(length, length))


def _listed(blocks_RC: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of keys each block of queries has, (1, 1, R), and which: those come first, (1, 1, R, C)."""
    order_RC = torch.argsort(blocks_RC.int(), dim=-1, descending=True, stable=True)
    return blocks_RC.sum(dim=-1, dtype=torch.int32)[None, None], order_RC.int()[None, None]


@functools.cache
def _compiled() -> Callable[..., Tensor]:
    """Flex attention as a kernel, made once. `fullgraph`: an error is better than all scores held in silence."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False, fullgraph=True)
