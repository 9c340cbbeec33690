"""From a config to a finished run folder: everything that has to be ready before the first step, and the way out after."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gcsl_data.dataset import manifest as manifests
from gcsl_data.dataset.manifest import Manifest
from gcsl_data.errors import UsageError
from gcsl_train import attention, checkpoint, launch, losses, runfolder
from gcsl_train import model as models
from gcsl_train.config import Config
from gcsl_train.goals import from_manifest
from gcsl_train.loop import Loop
from gcsl_train.meter import Say
from gcsl_train.plan import count_steps
from gcsl_train.policy import Policy, verify
from gcsl_train.runfolder import RunFolder
from gcsl_train.shards import read_examples
from gcsl_train.signals import Stopped, StopSignals
from gcsl_train.table import TokenTable, tokenise
from gcsl_train.tokens import Encoder


def train(config: Config, *, say: Say) -> RunFolder:
    """Train as `config` says; gives the run folder with its adapter. Raises the errors of gcsl_data.errors, and Stopped."""
    manifest = manifests.load(config.data.dataset)
    losses.choose(config.run.loss, manifest.kind)
    run = RunFolder(Path(config.run.out))
    _check_out(run, config.run.resume)
    with StopSignals() as signals:
        accelerator = launch.start()
        if not accelerator.is_main_process:
            say = _silent
        for line in config.lines():
            say(line)
        loop = _prepare(config, manifest, run, accelerator, say)
        accelerator.wait_for_everyone()  # until here every rank could see the folder as it was
        stopped = None
        try:
            loop.run(signals)
        except Stopped as stop:  # all ranks stop after the same step, so they can leave together
            stopped = stop.with_traceback(None)
        del loop
        launch.finish(accelerator)
        if stopped is not None:
            raise stopped
    return run


def load_table(config: Config, manifest: Manifest, source: models.Source, *, say: Say) -> TokenTable:
    """The tokens of the train split under this model's tokenizer."""
    encoder = Encoder(models.load_tokenizer(source), manifest.format)
    examples = read_examples(config.data.dataset, manifest)
    table = tokenise(examples, encoder, capacity=config.data.max_length)
    say(
        f"{len(table.names):,} examples, {len(table.ids):,} tokens, {int(table.supervised.sum()):,} supervised; "
        f"{table.dropped:,} longer than {config.data.max_length} were left out"
    )
    return table


def plan_arguments(config: Config) -> dict[str, int]:
    """What the plan needs to know besides the lengths."""
    return {
        "seed": config.run.seed,
        "capacity": config.data.max_length,
        "packs_per_step": config.run.packs_per_step,
        "window": config.data.window,
    }


def total_steps(config: Config, table: TokenTable) -> int:
    """How many optimizer steps the run takes."""
    return config.run.max_steps or count_steps(table.lengths, epochs=config.run.epochs, **plan_arguments(config))


def _prepare(config: Config, manifest: Manifest, run: RunFolder, accelerator: Any, say: Say) -> Loop:
    source = models.find(config.model.name)
    table = load_table(config, manifest, source, say=say)
    total = total_steps(config, table)
    dtype = models.pick_dtype(config.model.dtype, accelerator.device)
    base = models.load_model(source, dtype=dtype, attention=attention.register())
    if config.model.gradient_checkpointing:
        models.checkpoint_activations(base)
    peft_model = models.add_lora(base, config.lora, name=source.name, seed=config.run.seed)
    policy = Policy(peft_model, compute=dtype).train()
    model = accelerator.prepare(policy)
    verify(policy)
    trained = list(checkpoint.trained_parameters(peft_model).values())
    world, number_kind = accelerator.num_processes, str(dtype).removeprefix("torch.")
    say(
        f"{source.name} in {number_kind} on {accelerator.device.type}, {world} process{'es' if world > 1 else ''}, "
        f"{sum(p.numel() for p in trained):,} trained parameters"
    )
    sha256 = models.weights_sha256(source)
    counts = {"steps": total, "examples": len(table.names), "dropped": table.dropped}
    return Loop(
        config=config,
        total=total,
        run_folder=run,
        accelerator=accelerator,
        say=say,
        table=table,
        policy=policy,
        model=model,
        optimizer=torch.optim.AdamW(
            trained, lr=config.optim.learning_rate, weight_decay=config.optim.weight_decay, betas=(0.9, 0.999), eps=1e-8
        ),
        base=source.name,
        book=from_manifest(manifest),
        fingerprint=_fingerprint(config, manifest.dataset_id, sha256, str(dtype), total),
        description=runfolder.description(source, sha256, manifest.dataset_id, **counts),
    )


def _fingerprint(config: Config, dataset_id: str, sha256: str, dtype: str, total: int) -> dict[str, Any]:
    """Everything that decides the numbers of a run, flat; devices and ranks are not in it.

    The length of the run counts only when the learning rate depends on it.
    """
    optim = asdict(config.optim)
    fixed_rate = config.optim.schedule == "constant" and config.optim.warmup == 0
    return {
        "dataset_id": dataset_id,
        "model_sha256": sha256,
        "dtype": dtype,
        "steps": None if fixed_rate else total,
        "loss": config.run.loss,
        **plan_arguments(config),
        **{f"lora_{name}": value for name, value in asdict(config.lora).items()},
        **optim,
    }


def _check_out(run: RunFolder, resume: str) -> None:
    """The run folder must be free, or be the one that is resumed."""
    run.check_free(resuming=resume != "never")
    inside = run.checkpoints.resolve()
    if resume not in ("never", "auto") and run.record.is_file() and Path(resume).resolve().parent != inside:
        raise UsageError(
            "GT0217", f"{resume} is not a checkpoint of {run.path}; choose a new --out to branch off from it"
        )
    run.check_writable()


def _silent(line: str) -> None:
    """What the other ranks say."""
