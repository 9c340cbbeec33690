"""How much arithmetic a step is, and how much of a GPU's it uses: model FLOPs and their utilisation (MFU).

Counted is what the mathematics of LoRA training asks for, once: a forward pass, the gradient of activations, the gradient of
adapter weights. The weight gradient of a frozen base is not computed and not counted (so 4 per weight and token, not 6), nor
is anything that is computed twice (checkpointed activations), nor a reference's forward pass. A layer of W
weights takes 2 W FLOPs per token and pass. Peaks are dense 16-bit figures of the makers' data sheets.
"""

# ruff: noqa: N803 (names of arrays end in their shape letters)

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")

_ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")  # other layers have no pairs of query and key


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A kind of GPU: dense bfloat16 FLOP/s at best, and its memory in bytes."""

    flops_per_s: float
    memory: int


# A device is of the first kind whose words all stand in its name, so kinds of more words come first.
GPUS: dict[str, Gpu] = {
    "B200": Gpu(flops_per_s=2250e12, memory=180 * 10**9),
    "GH200": Gpu(flops_per_s=989.4e12, memory=96 * 10**9),
    "H200": Gpu(flops_per_s=989.4e12, memory=141 * 10**9),
    "H100 PCIe": Gpu(flops_per_s=756e12, memory=80 * 10**9),
    "H100": Gpu(flops_per_s=989.4e12, memory=80 * 10**9),
    "A100 40GB": Gpu(flops_per_s=312e12, memory=40 * 10**9),
    "A100": Gpu(flops_per_s=312e12, memory=80 * 10**9),
    "L40S": Gpu(flops_per_s=362e12, memory=48 * 10**9),
    "L4": Gpu(flops_per_s=121e12, memory=24 * 10**9),
    "A10": Gpu(flops_per_s=125e12, memory=24 * 10**9),
    "RTX 5090": Gpu(flops_per_s=209.5e12, memory=32 * 10**9),
    "RTX 4090": Gpu(flops_per_s=165.2e12, memory=24 * 10**9),
    "RTX 3090": Gpu(flops_per_s=71e12, memory=24 * 10**9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a model multiplies with: weights of the body, of the head and of the adapter; `windows` has, for each attention
    layer, how many keys a query sees at most (None: all before it), `width` the numbers of all query heads together."""

    body: int
    head: int
    adapter: int
    width: int
    windows: tuple[int | None, ...]

    def step(self, lengths: Iterable[int] | np.ndarray, supervised: int) -> float:
        """FLOPs of learning from documents of these lengths, of whose tokens so many are supervised."""
        lengths_N = np.fromiter(lengths, dtype=np.float64)
        tokens = float(lengths_N.sum())
        matmuls = (4 * self.body + 6 * self.adapter) * tokens + 4 * self.head * supervised
        # Two products forward (queries with keys, weights with values), two gradients of each backward.
        attention = sum(12 * self.width * keys_seen(lengths_N, window) for window in self.windows)
        return matmuls + attention

    def forward(self, lengths: Iterable[int] | np.ndarray, supervised: int) -> float:
        """FLOPs of only scoring them: a third of attention's, and half of all others'."""
        lengths_N = np.fromiter(lengths, dtype=np.float64)
        matmuls = 2 * (self.body + self.adapter) * float(lengths_N.sum()) + 2 * self.head * supervised
        return matmuls + sum(4 * self.width * keys_seen(lengths_N, window) for window in self.windows)


def costs(model: Any, head: nn.Module) -> Costs | None:
    """What `model` (a transformers model, with or without a PEFT adapter) multiplies with; `head` is its output layer.

    None for mixtures of experts, whose weights are not all used for each token.
    """
    config = model.config.get_text_config()
    if any((getattr(config, name, None) or 0) > 1 for name in _EXPERTS):
        return None
    adapter = sum(p.numel() for n, p in model.named_parameters() if ".lora_A." in n or ".lora_B." in n)
    layers = [m for n, m in model.named_modules() if ".lora_" not in n and m is not head]
    return Costs(
        body=sum(map(_weights, layers)),
        head=_weights(head),
        adapter=adapter,
        width=_attention_width(config),
        windows=_windows(config),
    )


def keys_seen(lengths_N: np.ndarray, window: int | None) -> float:
    """Pairs of a query and a key that it sees, over causal documents: s (s + 1) / 2 each, fewer with a sliding window."""
    within_N = lengths_N if window is None else np.minimum(lengths_N, window)
    return float((within_N * (within_N + 1) / 2 + (lengths_N - within_N) * within_N).sum())


def gpu_kind(name: str) -> str | None:
    """Which of `GPUS` stands in a device's name ("NVIDIA H200"), whatever the case; None when it is none of them.

    Whole words count: an L40 is no L4, and an RTX A1000 no A100.
    """
    words = set(name.casefold().replace("-", " ").split())
    return next((kind for kind in GPUS if words.issuperset(kind.casefold().split())), None)


def peak(device: torch.device, dtype: torch.dtype) -> float | None:
    """FLOP/s that the device reaches at best in this dtype; None on a CPU, an unknown GPU, and in float32."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return None
    kind = gpu_kind(torch.cuda.get_device_name(device))
    return GPUS[kind].flops_per_s if kind else None


def _weights(module: nn.Module) -> int:
    """Weights of a layer that multiplies by a matrix; 0 for all others."""
    if isinstance(module, nn.Linear):  # features, not elements: a 4-bit layer packs two weights in one
        return module.in_features * module.out_features
    return module.weight.numel() if isinstance(module, Conv1D) else 0


def _attention_width(config: Any) -> int:
    heads = config.num_attention_heads
    return heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)


def _windows(config: Any) -> tuple[int | None, ...]:
    """The sliding window of each attention layer, as transformers' configs say it: by layer, or one for all."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return (window,) * config.num_hidden_layers
    return tuple(window if kind == "sliding_attention" else None for kind in kinds if kind in _ATTENTION)
