"""The dry run: what a training run would do, from the lengths alone. No model is loaded, only its tokenizer."""

from typing import Any

import numpy as np

from gcsl_train import model as models
from gcsl_train import objective
from gcsl_train.config import Config
from gcsl_train.meter import Say
from gcsl_train.plan import plan
from gcsl_train.resume import plan_arguments
from gcsl_train.session import load_encoder, load_scale, load_table, total_steps
from gcsl_train.shards import read_manifest


def preview(config: Config, *, say: Say) -> dict[str, Any]:
    """Counts of the run that `config` describes: examples, tokens and packs of the first epoch, and steps in all."""
    manifest = read_manifest(config.data.dataset)
    chosen = objective.choose(config.loss, manifest.kind, store_reference=config.run.store_reference)
    encoder = load_encoder(manifest, models.find(config.model.name), say=say)
    table = load_table(config, manifest, encoder, chosen, load_scale(config, manifest))
    if warning := chosen.warning(table.numbers):
        say(warning)
    arguments = plan_arguments(config)
    packs = plan(
        table.lengths, seed=config.run.seed, epoch=0, capacity=config.data.max_length, window=arguments["window"]
    )
    tokens, steps = int(table.lengths.sum()), total_steps(config, table)
    epoch_steps = -(-len(packs) // config.run.packs_per_step)
    return {
        "examples": table.examples,
        "dropped": table.dropped,
        "filtered": table.filtered,
        "max_length": config.data.max_length,
        "longest": table.longest_seen,
        "median_length": float(np.median(table.lengths)),
        "tokens": tokens,
        "supervised_tokens": int(table.supervised.sum()),
        "packs": len(packs),
        "padding": 1.0 - tokens / (len(packs) * config.data.max_length),
        "packs_per_step": config.run.packs_per_step,
        "steps_per_epoch": epoch_steps,
        "steps": steps,
        "tokens_to_train": round(tokens * steps / epoch_steps),
    }


def as_text(counts: dict[str, Any]) -> str:
    """The counts as lines for people."""
    c, limit = counts, f"{counts['max_length']:,}"
    parts = [f"{c['dropped']:,} longer than {limit} tokens"] if c["dropped"] else []
    parts += [f"{count:,} {reason}" for reason, count in c["filtered"].items()]
    left_out = f"{', '.join(parts)} are left out, " if parts else "none left out, "
    return (
        f"examples  {c['examples']:,} ({left_out}the longest has {c['longest']:,})\n"
        f"tokens    {c['tokens']:,} per epoch, {c['supervised_tokens']:,} of them in answers, which are what is learned\n"
        f"packs     {c['packs']:,} per epoch, of up to {limit} tokens; {c['padding']:.1%} of their room stays empty\n"
        f"steps     {c['steps']:,} in all, {c['steps_per_epoch']:,} per epoch, of up to {c['packs_per_step']:,} packs each; "
        f"about {c['tokens_to_train']:,} tokens go through the model\n"
    )
