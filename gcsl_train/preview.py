"""The dry run: what a training run would do and take. No weights are loaded, only the tokenizer and the model's plan.

The time follows from the FLOPs of the data and from what the GPU reaches at best; how much of that is reached (the MFU) is
assumed, not known: 40 % is what well-made LoRA training reaches on an H100, less is usual.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from gcsl_data.errors import UsageError
from gcsl_train import model as models
from gcsl_train import objective
from gcsl_train.config import Config
from gcsl_train.errors import nearest
from gcsl_train.estimate import Estimate, estimate
from gcsl_train.flops import GPUS, gpu_kind
from gcsl_train.loading import left_out, load_encoder, load_scale, load_table, total_steps
from gcsl_train.plan import plan
from gcsl_train.resume import plan_arguments
from gcsl_train.say import Say
from gcsl_train.shards import read_manifest

_ITEMS = {"pairs": "pair", "multi-negative": "set", "groups": "group"}


def preview(config: Config, *, gpu: str | None, mfu: float, say: Say) -> dict[str, Any]:
    """Counts of the run that `config` describes: examples, tokens and packs of the first epoch, and steps in all.

    Memory is in bytes for each device; with the name of a GPU the time is there too. Raises UsageError (2) for one unknown.
    """
    kind = None if gpu is None else find_gpu(gpu)
    if not 0 < mfu <= 1:
        raise UsageError("GT0203", f"--mfu must be above 0 and at most 1, found {mfu}")
    manifest = read_manifest(config.data.dataset)
    chosen = objective.choose(config.loss, manifest.kind, store_reference=config.run.store_reference)
    source = models.find(config.model.name)
    models.check_quantize(source, config.model.quantize)
    encoder = load_encoder(manifest, source, say=say)
    table = load_table(config, manifest, encoder, chosen, load_scale(config, manifest))
    if warning := chosen.warning(table.numbers):
        say(warning)
    if warning := left_out(table):
        say(warning)
    arguments = plan_arguments(config)
    packs = plan(
        table.lengths, seed=config.run.seed, epoch=0, capacity=config.data.max_length, window=arguments["window"]
    )
    tokens, steps = int(table.lengths.sum()), total_steps(config, table)
    supervised = int(table.supervised.sum())
    epoch_steps = -(-len(packs) // config.run.packs_per_step)
    device = torch.device("cuda" if kind else "cpu")
    say("laying out the model without its weights ...")
    dtype = models.pick_dtype(config.model.dtype, device)
    takes = estimate(
        config,
        source,
        device=device,
        dtype=dtype,
        supervised=-(-config.data.max_length * supervised // tokens),
        goals=encoder.goals,
    )
    epoch_flops = None
    if takes.costs is not None:
        sizes, again = (table.documents.lengths, supervised), config.model.gradient_checkpointing
        epoch_flops = takes.costs.step(*sizes) + (again + chosen.loss.passes - 1) * takes.costs.forward(*sizes)
    return {
        "item": _ITEMS.get(manifest.kind, "row"),
        "passes": chosen.loss.passes,
        "examples": table.examples,
        "dropped": table.dropped,
        "filtered": table.filtered,
        "dtype": str(dtype).removeprefix("torch."),
        "max_length": config.data.max_length,
        "gradient_checkpointing": config.model.gradient_checkpointing,
        "longest": table.longest_seen,
        "median_length": float(np.median(table.lengths)),
        "tokens": tokens,
        "supervised_tokens": supervised,
        "packs": len(packs),
        "padding": 1.0 - tokens / (len(packs) * config.data.max_length),
        "packs_per_step": config.run.packs_per_step,
        "steps_per_epoch": epoch_steps,
        "steps": steps,
        "tokens_to_train": round(tokens * steps / epoch_steps),
        **_takes(takes, kind, None if epoch_flops is None else epoch_flops * steps / epoch_steps, mfu),
    }


def find_gpu(name: str) -> str:
    """The kind of GPU, one of `GPUS`. Raises UsageError (2) for one that is not known."""
    if (kind := gpu_kind(name)) is None:
        raise UsageError("GT0242", f"unknown GPU {name!r}; {nearest(name.upper(), list(GPUS))}")
    return kind


def _takes(found: Estimate, kind: str | None, flops: float | None, mfu: float) -> dict[str, Any]:
    """Memory, arithmetic and time, as far as they are known."""
    return {
        "memory": {**asdict(found.memory), "total": found.memory.total},
        "flops": flops,
        "gpu": kind,
        "gpu_memory": GPUS[kind].memory if kind else None,
        "mfu": mfu if kind else None,
        "seconds": flops / (GPUS[kind].flops_per_s * mfu) if kind and flops is not None else None,
    }


def as_text(counts: dict[str, Any]) -> str:
    """The counts as lines for people."""
    c, limit = counts, f"{counts['max_length']:,}"
    whole = "" if c["item"] == "row" else f"of {c['item']}s "
    parts = [f"{c['dropped']:,} {whole}longer than {limit} tokens"] if c["dropped"] else []
    parts += [f"{count:,} {reason}" for reason, count in c["filtered"].items()]
    missing = f"{', '.join(parts)} are left out, " if parts else "none left out, "
    return (
        f"examples  {c['examples']:,} ({missing}the longest {c['item']} has {c['longest']:,})\n"
        f"tokens    {c['tokens']:,} per epoch, {c['supervised_tokens']:,} of them in answers, which are what is learned\n"
        f"packs     {c['packs']:,} per epoch, of up to {limit} tokens; {c['padding']:.1%} of their room stays empty\n"
        f"steps     {c['steps']:,} in all, {c['steps_per_epoch']:,} per epoch, of up to {c['packs_per_step']:,} packs each; "
        f"about {c['tokens_to_train']:,} tokens to learn from{_reference(c)}\n"
        f"memory    {_memory_line(c)}\n"
        f"time      {_time_line(c)}\n"
    )


def _reference(c: dict[str, Any]) -> str:
    return "" if c["passes"] == 1 else f", in {c['passes']} passes each (the loss asks for them)"


def _memory_line(c: dict[str, Any]) -> str:
    parts = c["memory"]
    trained = parts["adapter"] + parts["gradients"] + parts["optimizer"]
    text = (
        f"{_gb(parts['total'])}: base {_gb(parts['base'])} ({c['dtype']}), adapter with its optimizer {_gb(trained)}, "
        f"activations {_gb(parts['activations'])}, head {_gb(parts['head'])}"
    )
    if c["gpu_memory"] is None:
        return text
    fits = parts["total"] < 0.95 * c["gpu_memory"]
    if fits:
        return f"{text}; {c['gpu']} has {_gb(c['gpu_memory'])}"
    rather = "" if c["gradient_checkpointing"] else "--gradient-checkpointing, or "
    return f"{text}; {c['gpu']} has {_gb(c['gpu_memory'])}; it will not fit: {rather}a smaller --max-length"


def _time_line(c: dict[str, Any]) -> str:
    if c["flops"] is None:
        return "cannot be told for a mixture of experts"
    work = f"{c['flops']:.2g} FLOPs"
    if c["seconds"] is None:
        return f"{work}; --gpu NAME says how long that is"
    return f"about {_duration(c['seconds'])} on one {c['gpu']} at an MFU of {c['mfu']:.0%} ({work})"


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 5e7 else f"{size / 1e6:,.1f} MB"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 2 else f"{minutes:.0f} min" if minutes >= 2 else f"{max(seconds, 1):.0f} s"
