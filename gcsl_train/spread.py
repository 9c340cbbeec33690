"""Tensors of which each rank holds a part: brought together, and spread again. Plain tensors pass through.

A part is a DTensor (FSDP2), or a parameter of DeepSpeed's, whose own data is empty while it is not in use.
"""

import contextlib
from collections.abc import Iterator

from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on every rank; ranks must ask together."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@contextlib.contextmanager
def gathered(*parameters: Tensor | None) -> Iterator[None]:
    """Inside, parameters that DeepSpeed holds are whole, on every rank; what is taken out of them there stays valid.

    Ranks must come together. Others are left as they are: FSDP2 has the weights of a pass at hand while it runs.
    """
    cut = [parameter for parameter in parameters if hasattr(parameter, "ds_id")]
    if not cut:
        yield
        return
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters(cut):
        yield


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor spread as a parameter is, on its device."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    on_device = tensor.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return on_device
    return distribute_tensor(on_device, parameter.device_mesh, parameter.placements)
