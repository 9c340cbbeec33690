"""The dry run: what a training run would do, from the lengths alone. No model is loaded, only its tokenizer."""

from typing import Any

import numpy as np

from gcsl_data.dataset import manifest as manifests
from gcsl_train import losses
from gcsl_train import model as models
from gcsl_train.config import Config
from gcsl_train.meter import Say
from gcsl_train.plan import plan
from gcsl_train.session import load_table, plan_arguments, total_steps


def preview(config: Config, *, say: Say) -> dict[str, Any]:
    """Counts of the run that `config` describes: examples, tokens and packs of the first epoch, and steps in all."""
    manifest = manifests.load(config.data.dataset)
    losses.choose(config.run.loss, manifest.kind)
    table = load_table(config, manifest, models.find(config.model.name), say=say)
    arguments = plan_arguments(config)
    packs = plan(
        table.lengths, seed=config.run.seed, epoch=0, capacity=config.data.max_length, window=arguments["window"]
    )
    tokens, steps = int(table.lengths.sum()), total_steps(config, table)
    epoch_steps = -(-len(packs) // config.run.packs_per_step)
    return {
        "examples": len(table.names),
        "dropped": table.dropped,
        "longest": table.longest_seen,
        "median_length": float(np.median(table.lengths)),
        "tokens": tokens,
        "supervised_tokens": int(table.supervised.sum()),
        "packs": len(packs),
        "padding": 1.0 - tokens / (len(packs) * config.data.max_length),
        "steps_per_epoch": epoch_steps,
        "steps": steps,
        "tokens_to_train": round(tokens * steps / epoch_steps),
    }


def as_text(counts: dict[str, Any]) -> str:
    """The counts as lines for people."""
    return (
        f"{counts['examples']:,} examples ({counts['dropped']:,} too long, longest {counts['longest']:,} tokens)\n"
        f"{counts['tokens']:,} tokens, {counts['supervised_tokens']:,} supervised\n"
        f"{counts['packs']:,} packs, {counts['padding']:.2%} padding\n"
        f"{counts['steps_per_epoch']:,} steps per epoch, {counts['steps']:,} steps in all, "
        f"about {counts['tokens_to_train']:,} tokens\n"
    )
