"""What a loss is told of each row of logits, and the slope of its log-probability: plain, or compiled into one kernel.

Both are the same function. Compiled, torch makes Triton kernels of it on CUDA and C++ on a CPU, so that logits are read a few
times instead of ten; it takes a compiler and some seconds at the first step. Shape letters: C rows, V vocabulary.
"""

# ruff: noqa: N803, N815 (names of tensors end in their shape letters)

import functools
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from gcsl_data.errors import UsageError
from gcsl_train.config import Kernels


class Rows(NamedTuple):
    """Log p(target), entropy in nats, whether the target came first, and d log p(target) / d raw score where asked for."""

    logp_C: Tensor
    entropy_C: Tensor
    top1_C: Tensor
    slope_CV: Tensor | None


Score = Callable[[Tensor, Tensor, float, float | None, bool], Rows]


def score(scores_CV: Tensor, targets_C: Tensor, scale: float, softcap: float | None, with_slope: bool) -> Rows:
    """Rows of raw float32 scores, which are overwritten; logits are `softcap * tanh(scale * score / softcap)`."""
    logits_CV = scores_CV if scale == 1.0 else scores_CV * scale
    slope_of_shape_CV = None
    if softcap is not None:
        logits_CV = softcap * torch.tanh(logits_CV / softcap)
        slope_of_shape_CV = 1.0 - (logits_CV / softcap) ** 2
    targets_C1 = targets_C[:, None]
    largest_C1, first_C1 = logits_CV.max(dim=-1, keepdim=True)
    logits_CV -= largest_C1  # in place, as below: the time goes into memory, not into arithmetic
    at_target_C = logits_CV.gather(1, targets_C1).squeeze(1)
    p_CV = logits_CV.exp()
    sum_C = p_CV.sum(dim=-1)
    lse_C = sum_C.log()
    entropy_C = lse_C - torch.linalg.vecdot(p_CV, logits_CV) / sum_C
    slope_CV = None
    if with_slope:  # onehot(target) - softmax, times how scores become logits
        slope_CV = p_CV.mul_((-1 / sum_C)[:, None])
        slope_CV.scatter_add_(1, targets_C1, torch.ones_like(at_target_C)[:, None])
        if slope_of_shape_CV is not None:
            slope_CV *= slope_of_shape_CV
        if scale != 1.0:
            slope_CV *= scale
    return Rows(at_target_C - lse_C, entropy_C, (first_C1 == targets_C1).squeeze(1), slope_CV)


def check(kernels: Kernels) -> None:
    """Raise UsageError (2) where kernels are to be compiled and there is nothing to compile them with."""
    if kernels == "torch":
        return
    if torch.cuda.is_available():
        found, missing = find_spec("triton") is not None, "Triton"
    else:
        compiler = os.environ.get("CXX", "g++")
        found, missing = shutil.which(compiler) is not None, f"a C++ compiler ({compiler})"
    if not found:
        raise UsageError("GT0249", f"model.kernels compiled needs {missing}, which is not here; leave it at torch")


@functools.cache
def choose(kernels: Kernels) -> Score:
    """The function for a kind of kernels, made once."""
    return score if kernels == "torch" else torch.compile(score, dynamic=True)
