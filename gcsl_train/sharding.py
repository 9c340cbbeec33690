"""The weights of the model spread over all ranks, for models that one device cannot hold with what training keeps.

Asked for in accelerate's own way (a config file with `distributed_type: FSDP` or DEEPSPEED, or ACCELERATE_USE_FSDP=true for
processes on CPUs). DeepSpeed's half is in zero.py; with FSDP2 each decoder layer is gathered when it is needed, the rest as
one group. Numbers are those of plain data parallelism. All ranks must run the same passes, so a rank that has fewer packs
runs empty ones.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from torch import nn

from gcsl_data.errors import UsageError
from gcsl_train import zero, zero_settings
from gcsl_train.config import Config
from gcsl_train.loss import Loss
from gcsl_train.policy import Policy

# What runs a pass besides `forward`; each gathers the weights as that does.
_PASSES = ("reference_logp", "reference_hidden", "check")


def asked() -> bool:
    """Whether the launcher asks for sharding. Raises UsageError (2) for the first version of FSDP."""
    if zero_settings.asked():
        return True
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() not in ("true", "1", "yes"):
        return False
    if os.environ.get("FSDP_VERSION", "2") != "2":
        raise UsageError("GT0245", "fsdp_version 1 keeps adapters and base in one dtype; set fsdp_version: 2")
    return True


def check(config: Config, loss: Loss) -> None:
    """Raise UsageError (2) for what cannot be sharded."""
    if not asked():
        return
    if zero_settings.asked():
        zero_settings.check()
    if config.model.quantize != "none":
        raise UsageError("GT0246", "a model in four bits cannot be sharded; use plain data parallelism (MULTI_GPU)")
    if loss.statistic is not None and loss.statistic.mismatched:
        raise UsageError(
            "GT0246",
            f"loss {config.loss.name!r} takes passes that differ between ranks, so it cannot be sharded; use plain data "
            "parallelism (MULTI_GPU)",
        )
    if "RANK" not in os.environ:
        raise UsageError(
            "GT0256",
            "sharding is asked for, but no processes were started; use accelerate launch --config_file, or torchrun "
            "--nproc_per_node N (1 is possible)",
        )


def means() -> str:
    """By what the weights are spread, for people."""
    return "DeepSpeed" if zero_settings.asked() else "FSDP2"


def reshards() -> bool:
    """Whether a layer is spread again between its forward and its backward pass, as accelerate's config says."""
    return os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() in ("true", "1", "full_shard")


def shard(policy: Policy, accelerator: Any) -> Policy:
    """Spread the parameters over the ranks, in place; the same model comes back. Optimizers are made after this."""
    if zero_settings.asked():
        return zero.shard(policy, accelerator.device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    kinds = set(policy.causal_lm._no_split_modules or ())
    for layer in [m for m in policy.modules() if type(m).__name__ in kinds]:
        fully_shard(layer, mesh=mesh, reshard_after_forward=reshards())
    # The embedding and a tied head stand in the outermost group; it stays gathered until the backward pass has used it.
    fully_shard(policy, mesh=mesh, reshard_after_forward=False)
    for name in _PASSES:
        register_fsdp_forward_method(policy, name)
    return policy


def settle(model: nn.Module) -> None:
    """Spread again what a pass without gradients left gathered, so that parameters are those that the optimizer moves."""
    from torch.distributed.fsdp import FSDPModule

    if isinstance(model, FSDPModule):
        model.reshard()


@contextlib.contextmanager
def gradients(model: nn.Module, accelerator: Any, *, cross: bool) -> Iterator[None]:
    """Whether gradients of this backward pass cross ranks (the last of a step does), sharded or not."""
    from torch.distributed.fsdp import FSDPModule

    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(cross)
        yield
    elif zero.is_sharded(model):
        yield
        zero.after_backward(model, accelerator, cross=cross)
    else:
        with contextlib.nullcontext() if cross else accelerator.no_sync(model):
            yield
