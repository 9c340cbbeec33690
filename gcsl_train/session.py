"""From a config to a finished run folder: everything that has to be ready before the first step, and the way out after."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import one_line
from gcsl_train import (
    attention,
    checkpoint,
    flops,
    goal_tokens,
    launch,
    objective,
    resume,
    reward_embedding,
    rows,
    runfolder,
    sharding,
    trackers,
)
from gcsl_train import model as models
from gcsl_train.config import Config
from gcsl_train.goals import from_manifest
from gcsl_train.loading import left_out, load_encoder, load_scale, load_table, load_validation, total_steps
from gcsl_train.loop import Loop
from gcsl_train.objective import Objective
from gcsl_train.passes import Passes
from gcsl_train.policy import Policy, verify
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.shards import read_manifest, unnamed
from gcsl_train.signals import Stopped, StopSignals
from gcsl_train.speed import Stopwatch
from gcsl_train.update import Update
from gcsl_train.validation import Validation
from gcsl_train.weights import weights_sha256


def train(config: Config, *, say: Say) -> RunFolder:
    """Train as `config` says; gives the run folder with its adapter. Raises the errors of gcsl_data.errors, and Stopped."""
    manifest = read_manifest(config.data.dataset)
    chosen = objective.choose(config.loss, manifest.kind, store_reference=config.run.store_reference)
    run = RunFolder(Path(config.run.out))
    resume.check_out(run, config.run.resume)
    trackers.check(config.run.tracker, config.run.project)
    source = models.find(config.model.name)
    sharding.check(config, chosen.loss)
    rows.check(config.model.kernels)
    models.check_quantize(source, config.model.quantize)
    with StopSignals() as signals:
        accelerator = launch.start(**trackers.arguments(config.run.tracker, run.tracker))
        if not accelerator.is_main_process:
            say = _silent
        say(_settings(config))
        if extra := unnamed(config.data.dataset, manifest):
            say(one_line(f"warning: the manifest does not name {', '.join(extra)}, so nothing of that is read"))
        loop = _prepare(config, chosen, manifest, source, run, accelerator, say)
        accelerator.wait_for_everyone()  # until here every rank could see the folder as it was
        stopped = None
        try:
            if loop is not None:
                loop.run(signals)
        except Stopped as stop:  # all ranks stop after the same step, so they can leave together
            stopped = stop.with_traceback(None)
        del loop
        launch.finish(accelerator)
        if stopped is not None:
            raise stopped
    return run


def _prepare(
    config: Config,
    chosen: Objective,
    manifest: Manifest,
    source: models.Source,
    run: RunFolder,
    accelerator: Any,
    say: Say,
) -> Loop | None:
    """The run, ready for its next step; None when it is complete. All that can be refused early is."""
    dtype = models.pick_dtype(config.model.dtype, accelerator.device)
    path = attention.choose(config.model.attention, device=accelerator.device, dtype=dtype)
    saved = checkpoint.choose(run.checkpoints, config.run.resume, say=say)
    sha256 = weights_sha256(source) if saved else ""
    identity: dict[str, Any] = {
        "objective": chosen,
        "dataset_id": manifest.dataset_id,
        "sha256": sha256,
        "tokens": None,
        "dtype": str(dtype),
    }
    if saved:
        total = resume.expected_steps(config, run)
        resume.compare(saved, resume.fingerprint(config, **identity, total=total))
        if resume.is_complete(run, saved, total):
            say(f"{run.path} is already complete (step {saved.position.step:,})")
            return None
    encoder = load_encoder(manifest, source, say=say)
    scale = load_scale(config, manifest)
    table = load_table(config, manifest, encoder, chosen, scale)
    say(
        f"{table.examples:,} examples, {int(table.lengths.sum()):,} tokens, {int(table.supervised.sum()):,} supervised; "
        f"{table.dropped:,} longer than {config.data.max_length} were left out"
        + "".join(f", {count:,} {reason}" for reason, count in table.filtered.items())
    )
    for warning in filter(None, (left_out(table), chosen.warning(table.numbers))):
        say(warning)
    held_out = load_validation(config, manifest, encoder, chosen, scale)
    if held_out and (warning := left_out(held_out[0], "validation examples")):
        say(warning)
    total = total_steps(config, table)
    identity["tokens"] = table.sha256()
    if saved:
        resume.compare(saved, resume.fingerprint(config, **identity, total=total))
        say(f"resuming after step {saved.position.step} from {saved.path}")
    say(f"loading {source.name} ...")
    base = models.load_model(
        source,
        dtype=dtype,
        attention=attention.register(path, room=config.data.max_length),
        quantize=config.model.quantize,
        device=accelerator.device,
    )
    attention.check_dropout(path, base.config)
    models.check_rows(base, table.highest_id(encoder.goals.first if encoder.goals else None), source)
    if config.model.gradient_checkpointing:
        models.checkpoint_activations(base)
    goal_rows = encoder.goals if encoder.goals and not encoder.goals.soft else None
    if goal_rows:
        goal_tokens.make_room(base, goal_rows)
        goal_tokens.initialise(base, goal_rows, seed=config.run.seed)
    peft_model = models.add_lora(base, config.lora, name=source.name, seed=config.run.seed, goals=goal_rows)
    if encoder.goals and scale is not None:
        reward_embedding.attach(peft_model, reward_embedding.fresh(base, encoder.goals, scale, seed=config.run.seed))
    if saved:
        checkpoint.load_weights(saved.path, peft_model)
    policy = Policy(peft_model, compute=dtype, goals=encoder.goals, kernels=config.model.kernels).train()
    costs = flops.costs(peft_model, policy.head)  # of whole matrices
    model = sharding.shard(policy, accelerator) if sharding.asked() else accelerator.prepare(policy)
    verify(policy)
    sharding.settle(model)
    trained = list(checkpoint.trained_parameters(peft_model).values())
    world, number_kind = accelerator.num_processes, str(dtype).removeprefix("torch.")
    if config.model.quantize != "none":
        number_kind = f"4 bits ({number_kind} products)"
    say(
        f"{source.name} in {number_kind} on {accelerator.device.type}, {world} process{'es' if world > 1 else ''}"
        f"{f', sharded by {sharding.means()}' if sharding.asked() else ''}, "
        f"{sum(p.numel() for p in trained):,} trained parameters"
    )
    identity["sha256"] = sha256 = sha256 or weights_sha256(source)
    passes = Passes(
        loss=chosen.loss, table=table, policy=policy, capacity=config.data.max_length, device=accelerator.device
    )
    validation = None
    if held_out is not None:
        asked_of = dataclasses.replace(passes, table=held_out[0])
        validation = Validation(objective=chosen, passes=asked_of, questions=held_out[1])
    counts = {"steps": total, "examples": table.examples, "dropped": table.dropped, "filtered": table.filtered}
    optimizer = torch.optim.AdamW(
        trained, lr=config.optim.learning_rate, weight_decay=config.optim.weight_decay, betas=(0.9, 0.999), eps=1e-8
    )
    return Loop(
        config=config,
        objective=chosen,
        run_folder=run,
        accelerator=accelerator,
        say=say,
        table=table,
        policy=policy,
        model=model,
        update=Update(optimizer=optimizer, settings=config.optim, total=total, compute=dtype),
        base=source.name,
        encoder=encoder,
        book=from_manifest(manifest),
        saved=saved,
        fingerprint=resume.fingerprint(config, **identity, total=total),
        passes=passes,
        stopwatch=Stopwatch(device=accelerator.device, peak=flops.peak(accelerator.device, dtype), devices=world),
        validation=validation,
        costs=costs,
        description=runfolder.description(source, sha256, manifest.dataset_id, loss=chosen.as_json(), **counts),
    )


def _settings(config: Config) -> str:
    """The settings that a run was given, in one line; the defaults go without saying."""
    changed = config.changed()
    rest = "the others are the defaults; run.json will hold them all"
    return f"settings: {', '.join(changed)} ({rest})" if changed else "settings: the defaults (run.json will hold them)"


def _silent(line: str) -> None:
    """What the other ranks say."""
