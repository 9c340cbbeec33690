"""May this run begin here, or go on from that checkpoint? Answered from files, before a model is loaded."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gcsl_data.errors import DataError, UsageError
from gcsl_train import reward_embedding
from gcsl_train.checkpoint import ADAPTER, Saved
from gcsl_train.config import Config
from gcsl_train.files import sha256
from gcsl_train.objective import Objective
from gcsl_train.runfolder import RunFolder

UNKNOWN = object()  # a value of a fingerprint that is not known yet
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_out(run: RunFolder, resume: str) -> None:
    """The run folder must be free, or be the one that is resumed. Raises OutputError (73) and UsageError (2)."""
    run.check_free(resuming=resume != "never")
    inside = run.checkpoints.resolve()
    if resume not in ("never", "auto") and run.record.is_file() and Path(resume).resolve().parent != inside:
        raise UsageError(
            "GT0217", f"{resume} is not a checkpoint of {run.path}; choose a new --out to branch off from it"
        )
    run.check_writable()


def fingerprint(
    config: Config,
    *,
    objective: Objective,
    dataset_id: str,
    sha256: str,
    tokens: str | None,
    dtype: str,
    total: int | None,
) -> dict[str, Any]:
    """Everything that decides the numbers of a run, flat; devices and ranks are not in it.

    `tokens` is the hash of the token table: another tokenizer or chat template makes another run. The length of the run
    counts only when the learning rate depends on it. None: not known yet.
    """
    fixed_rate = config.optim.schedule == "constant" and config.optim.warmup == 0
    return {
        "dataset_id": dataset_id,
        "model_sha256": sha256,
        "tokens_sha256": UNKNOWN if tokens is None else tokens,
        "dtype": dtype,
        "quantize": config.model.quantize,
        "steps": None if fixed_rate else UNKNOWN if total is None else total,
        **{("loss" if name == "name" else f"loss_{name}"): value for name, value in objective.as_json().items()},
        "store_reference": config.run.store_reference,
        **plan_arguments(config),
        **{f"lora_{name}": value for name, value in asdict(config.lora).items()},
        **asdict(config.optim),
    }


def plan_arguments(config: Config) -> dict[str, int]:
    """What the plan needs to know besides the lengths."""
    return {
        "seed": config.run.seed,
        "capacity": config.data.max_length,
        "packs_per_step": config.run.packs_per_step,
        "window": config.data.window,
    }


def compare(saved: Saved, now: dict[str, Any]) -> None:
    """Raise DataError (65) when a checkpoint is of a run with another dataset, model or setting; it names them."""
    then = saved.fingerprint
    names = sorted({*then, *now})
    different = [n for n in names if now.get(n) is not UNKNOWN and then.get(n) != now.get(n)]
    if different == ["steps"] and type(then.get("steps")) is int:
        raise _other_length(saved, then["steps"], now["steps"])
    if different:
        # Without a fixed length on one side the schedules differ, which says enough.
        shown = [n for n in different if n != "steps" or None not in (then.get(n), now.get(n))]
        pairs = ", ".join(f"{n} {_short(then.get(n))} then, {_short(now.get(n))} now" for n in shown)
        raise DataError("GT6516", f"{saved.path} is of another run: {pairs}; use the same settings or a new --out")


def expected_steps(config: Config, run: RunFolder) -> int | None:
    """How many steps the run takes, as far as that is known without its tokens: asked for, or counted last time."""
    if config.run.max_steps is not None:
        return config.run.max_steps
    try:
        record = run.describe()
        settings, steps = record["config"]["run"], record["steps"]
        same = settings["max_steps"] is None and settings["epochs"] == config.run.epochs
    except (DataError, KeyError, TypeError):
        return None
    return steps if same and type(steps) is int else None


def is_complete(run: RunFolder, saved: Saved, total: int | None) -> bool:
    """Whether nothing is left to do: all steps are done, and the adapter in the run folder is the checkpoint's."""
    if total is None or saved.position.step < total:
        return False
    names = [name for name in (ADAPTER, reward_embedding.FILE) if name in saved.hashes]
    written = run.goals.is_file() and all((run.adapter / name).is_file() for name in names)
    return written and all(sha256(run.adapter / name) == saved.hashes[name] for name in names)


def _other_length(saved: Saved, then: int, now: int) -> DataError:
    run, step = saved.path.parent.parent, saved.position.step
    state = f"{run} finished its {then} steps" if step == then else f"{run} is at step {step} of its {then} steps"
    change = "longer" if now > then else "shorter"
    return DataError(
        "GT6516",
        f"{state}; its learning-rate schedule was laid out for {then}, so it cannot be made {change} ({now} now); "
        "choose a new --out, or train with --schedule constant --warmup 0 from the start",
    )


def _short(value: Any) -> str:
    """A value as a message shows it; of a hash the first 8 digits."""
    return value[:8] if isinstance(value, str) and _SHA256.fullmatch(value) else repr(value)
