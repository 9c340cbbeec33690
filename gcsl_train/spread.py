"""Tensors of which each rank holds a part: brought together, and spread again. Plain tensors pass through."""

from torch import Tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on every rank; ranks must ask together."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor spread as a parameter is, on its device."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    on_device = tensor.to(parameter.device)
    if not isinstance(parameter, DTensor):
        return on_device
    return distribute_tensor(on_device, parameter.device_mesh, parameter.placements)
