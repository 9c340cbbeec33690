"""The frozen weights spread over all ranks by DeepSpeed (ZeRO stage 3), in the memory of the host where that is asked for.

Asked for in accelerate's own way (a config file with `distributed_type: DEEPSPEED`). What LoRA needs of DeepSpeed is its
partition: each frozen parameter is cut into as many parts as there are ranks, and a decoder layer is put together when its
forward or its backward pass begins. The engine, which would own the step and wants one dtype, is not used. The adapter stays
whole on each rank, as in plain data parallelism, and its gradients cross ranks once per step.

DeepSpeed can also learn the order of the modules and fetch ahead. That is left off, which costs speed: passes with and
without an adapter, with and without a backward pass, and a head whose weight is used outside of its module break the order.
"""

import logging
import os
import sys
from typing import Any

import torch
from torch import nn

from gcsl_train import zero_settings
from gcsl_train.policy import Policy

_TRAINED = "trained"
_HELD = "held_by_deepspeed"


def shard(policy: Policy, device: torch.device) -> Policy:
    """Spread the frozen parameters over the ranks, in place; the same model comes back, on the device."""
    deepspeed = _load(device)
    from deepspeed.runtime.config import DeepSpeedConfig
    from deepspeed.runtime.zero.parameter_offload import DeepSpeedZeRoOffload
    from deepspeed.utils import set_z3_leaf_modules

    # The processes are there already; this tells DeepSpeed of them.
    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)
    for buffer in policy.buffers():
        buffer.data = buffer.data.to(device)
    kinds = set(policy.causal_lm._no_split_modules or ())
    # A layer is put together as one: what its parts use of each other is there, whatever the adapter, and so are all experts.
    set_z3_leaf_modules(policy, [type(m) for m in policy.modules() if type(m).__name__ in kinds], False)
    settings = zero_settings.read()
    offload = {"device": settings.device, "pin_memory": settings.pin_memory}
    config = {
        "train_micro_batch_size_per_gpu": 1,  # of no meaning here, but asked for
        "zero_optimization": {"stage": 3, "offload_param": offload},
    }
    zero = DeepSpeedZeRoOffload(
        policy.model,
        timers=None,
        ds_config=config,
        param_persistence_threshold=0,
        offload_param_config=DeepSpeedConfig(config).zero_config.offload_param,
    )
    zero.fwd_pre_hook.remove()  # it begins to learn the order of modules
    _keep_whole([p for p in policy.parameters() if p.requires_grad])
    setattr(policy, _HELD, zero)
    return policy


def is_sharded(model: nn.Module) -> bool:
    """Whether DeepSpeed holds the model's parameters."""
    return hasattr(model, _HELD)


def after_backward(model: Any, accelerator: Any, *, cross: bool) -> None:
    """Let go of what a backward pass has left whole; where gradients `cross` ranks, give each rank their mean."""
    from deepspeed.runtime.zero import parameter_offload

    # The first layer's input has no gradient, so DeepSpeed does not see the end of its backward pass.
    getattr(model, _HELD).release_backward_leftovers()
    # A layer that is computed again is left as soon as enough of it is known, without a word to DeepSpeed's stack.
    del parameter_offload.FWD_MODULE_STACK[1:]
    if cross:
        grads = [p.grad for p in model.parameters() if p.requires_grad]
        mean = accelerator.reduce(torch.cat([grad.reshape(-1) for grad in grads]), reduction="mean")
        for grad, part in zip(grads, mean.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(part.view_as(grad))


def _keep_whole(trained: list[Any]) -> None:
    """Have DeepSpeed keep its hands off the adapter: each rank has all of it for good, and moves it in place.

    A parameter that a module is working with is never let go: DeepSpeed passes over it, and raises an error where anything
    else would empty it. Its parts are thrown away, so no older value can come back.
    """
    trained[0].all_gather(param_list=trained)
    for parameter in trained:
        parameter.ds_active_sub_modules.add(_TRAINED)
        parameter.ds_tensor = None


def _load(device: torch.device) -> Any:
    """DeepSpeed, for the device that the run is on; what it has to say goes to standard error, as all talk does."""
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    import deepspeed

    for handler in logging.getLogger("DeepSpeed").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    # For processes on CPUs it would compile a sum over shared memory on the spot, which only its inference uses.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
