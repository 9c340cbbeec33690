"""Processes and devices, through accelerate: as many processes as were asked for, or a clear refusal."""

import gc
import os
from typing import Any

import torch

from gcsl_data.errors import UsageError
from gcsl_train import sharding, zero_settings

HOW_ON_CPU = "on a CPU use `ACCELERATE_USE_CPU=true torchrun --standalone --nproc_per_node 2 -m gcsl_train ...`"


def start(**options: Any) -> Any:
    """The Accelerator of this process, with further options for it.

    Raises UsageError (2) when the launcher's world is not the one we run in.

    `accelerate launch --cpu --num_processes 2` starts one process and says nothing; it does leave a rendezvous address
    behind without a world size, which is how it is recognised here.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, DistributedType

    world = int(os.environ.get("WORLD_SIZE", "1"))
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1", "yes")
    if on_cpu and "WORLD_SIZE" not in os.environ and "MASTER_ADDR" in os.environ:
        raise UsageError(
            "GT0211", f"several processes were asked for but only one was started; {HOW_ON_CPU} (or unset MASTER_ADDR)"
        )
    if sharded := sharding.asked():
        # Each rank reads the whole model and keeps its part; transformers would read it on the first rank only.
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    with zero_settings.hidden():
        accelerator = Accelerator(
            cpu=world > 1 and not torch.accelerator.is_available(),
            mixed_precision="no",
            gradient_accumulation_steps=1,
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
            **options,
        )
    if accelerator.num_processes != world:
        raise UsageError(
            "GT0212", f"{world} processes were started but each would train alone; {HOW_ON_CPU}, or give each one a GPU"
        )
    plain = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
    if accelerator.distributed_type not in (*plain, *([DistributedType.FSDP] if sharded else [])):
        kind = accelerator.distributed_type.value
        raise UsageError(
            "GT0213",
            f"{kind} is not supported; run on one device, with data parallelism, or sharded (FSDP2, DeepSpeed)",
        )
    return accelerator


def finish(accelerator: Any) -> None:
    """Leave the process group in an order that does not abort the interpreter; drop all models and optimizers before."""
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    gc.collect()
    accelerator.end_training()
