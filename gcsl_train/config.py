"""Every setting of a training run: frozen, nested by part, the same names in flags, in TOML and in run.json.

Flags win over the TOML file, the file over the defaults. An unknown name is an error that names the nearest known one.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from gcsl_data.errors import UsageError, shown
from gcsl_train import settings as written
from gcsl_train.errors import nearest

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Schedule = Literal["cosine", "linear", "constant"]
Quantize = Literal["none", "4bit"]
Kernels = Literal["torch", "compiled"]
Attention = Literal["auto", "sdpa", "varlen", "flex"]
Progress = Literal["auto", "bar", "plain", "json", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The dataset, and how long a pack (and so the longest example) may be, in tokens."""

    dataset: str
    max_length: int = 2048
    window: int = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The base model: a hub id, a folder or a .gguf file; its dtype (auto: bfloat16 on CUDA, float32 elsewhere).

    `quantize` 4bit keeps the frozen weights in four bits (NF4, QLoRA), which takes bitsandbytes. `kernels` compiled makes one
    kernel of what the head computes of its logits, which takes a compiler. `attention` is how documents of a pack are kept
    apart (`gcsl_train/attention.py`); the numbers are the same.
    """

    name: str
    dtype: Dtype = "auto"
    quantize: Quantize = "none"
    kernels: Kernels = "torch"
    attention: Attention = "auto"
    gradient_checkpointing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """The adapter; its weights are float32 whatever the base has. `target_modules` is all-linear or names with commas.

    `dora` learns the length of each weight's columns apart from their direction (arXiv 2402.09353).
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    dora: bool = False
    target_modules: str = "all-linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Optim:
    """AdamW and its rate; `warmup` is a fraction of all steps, `clip` the largest gradient norm."""

    learning_rate: float = 1e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    clip: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Where the run goes and how long it is; `packs_per_step` counts packs over all ranks, `max_steps` wins over `epochs`.

    `store_reference` computes what a loss needs of its reference once, before the first step, instead of at each step.
    With `evaluate_every` the first `evaluate_records` of the validation split are scored every so many steps, and at the end.
    `progress` is how steps are shown: auto is a bar on a terminal and lines of JSON elsewhere. `tracker` is one that
    accelerate knows (tensorboard, wandb, trackio, ...), which files the run under `project`.
    """

    out: str
    max_steps: int | None = None
    epochs: int = 1
    packs_per_step: int = 8
    seed: int = 0
    save_every: int = 100
    evaluate_every: int | None = None
    evaluate_records: int = 200
    resume: str = "never"
    store_reference: bool = False
    progress: Progress = "auto"
    tracker: str = "none"
    project: str = "gcsl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The loss by its name, and those of its settings that are not its defaults (`gcsl_train/losses.py` has them all)."""

    name: str = "sft"
    settings: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole tree."""

    data: Data
    model: Model
    lora: Lora
    optim: Optim
    run: Run
    loss: Loss

    def __post_init__(self) -> None:
        for (part, name), (holds, wanted) in _RULES.items():
            value = getattr(getattr(self, part), name)
            if value is not None and not (math.isfinite(value) and holds(value)):
                raise UsageError("GT0203", f"{_asked_as(part, name)} must be {wanted}, found {shown(value)}")

    def portable(self) -> dict[str, dict[str, Any]]:
        """The settings as plain values without a path of this machine: names only."""
        tree = dataclasses.asdict(self)
        for part, name in (("data", "dataset"), ("model", "name"), ("run", "out")):
            tree[part][name] = _without_folders(tree[part][name])
        for name in _NOT_OF_THE_RUN:
            del tree["run"][name]
        tree["loss"] |= tree["loss"].pop("settings")
        return tree

    def changed(self) -> list[str]:
        """The settings that are not the defaults, as flags; without those that have no default."""
        parts = [(part, setting) for part, kind in PARTS.items() for setting in dataclasses.fields(kind)]
        own = [f"loss.{name} {value}" for name, value in self.loss.settings.items()]
        return [
            f"{_asked_as(part, setting.name).removeprefix('--')} {value}"
            for part, setting in parts
            if setting.default is not dataclasses.MISSING and setting.name not in _NOT_OF_THE_RUN
            if (value := getattr(getattr(self, part), setting.name)) != setting.default
        ] + own


def _asked_as(part: str, name: str) -> str:
    """A setting as people write it: its flag, or its place in the file where it has none."""
    return f"{part}.{name}" if (part, name) in _WITHOUT_FLAG else f"--{_FLAG_OF[part, name]}"


_RULES: dict[tuple[str, str], tuple[Any, str]] = {
    ("data", "max_length"): (lambda v: v >= 2, "at least 2"),
    ("data", "window"): (lambda v: v >= 1, "at least 1"),
    ("lora", "rank"): (lambda v: 1 <= v <= 2**16, "from 1 to 2^16"),
    ("lora", "alpha"): (lambda v: v > 0, "above 0"),
    ("lora", "dropout"): (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("optim", "learning_rate"): (lambda v: 0 <= v <= 1e30, "finite and not negative, at most 1e30"),
    ("optim", "warmup"): (lambda v: 0 <= v <= 1, "a fraction from 0 to 1"),
    ("optim", "weight_decay"): (lambda v: 0 <= v <= 1e6, "finite and not negative, at most 1e6"),
    ("optim", "clip"): (lambda v: v > 0, "finite and above 0"),
    ("run", "max_steps"): (lambda v: v >= 1, "at least 1"),
    ("run", "epochs"): (lambda v: v >= 1, "at least 1"),
    ("run", "packs_per_step"): (lambda v: v >= 1, "at least 1"),
    ("run", "seed"): (lambda v: 0 <= v < 2**63, "from 0 to 2^63 - 1"),
    ("run", "save_every"): (lambda v: v >= 1, "at least 1"),
    ("run", "evaluate_every"): (lambda v: v >= 1, "at least 1"),
    ("run", "evaluate_records"): (lambda v: v >= 1, "at least 1"),
}

_WITHOUT_FLAG = {
    *(("data", "window"), ("model", "quantize"), ("model", "kernels"), ("model", "attention")),
    *(("lora", "dora"), ("optim", "weight_decay"), ("optim", "clip")),
    *(("run", "evaluate_records"), ("run", "store_reference"), ("run", "project")),
}
_NOT_OF_THE_RUN = ("resume", "progress")  # how it was started, or looked at
PARTS: dict[str, type] = {"data": Data, "model": Model, "lora": Lora, "optim": Optim, "run": Run, "loss": Loss}

# A file may say how the data is made, too (gcsl-data --recipe).
RECIPE_PARTS = ("log", "shape", "record", "checks", "splits", "rewards", "bins", "goals", "build", "output", "check")

# The flag of each setting where it is not simply the setting's own name.
_SPECIAL_FLAGS = {("model", "name"): "model", ("data", "dataset"): "DIR", ("loss", "name"): "loss"}
_FLAG_OF = {
    (part, setting.name): _SPECIAL_FLAGS.get(
        (part, setting.name), ("lora-" if part == "lora" and setting.name != "target_modules" else "") + setting.name
    ).replace("_", "-")
    for part, kind in PARTS.items()
    for setting in dataclasses.fields(kind)
    if setting.name != "settings"
}
FLAGS: dict[str, tuple[str, str]] = {flag: place for place, flag in _FLAG_OF.items()}


def resolve(path: str | None, flags: dict[str, Any], assignments: Sequence[str] = ()) -> Config:
    """The config out of an optional TOML file and the flags that were given (names with `-`; None means not given).

    `assignments` are what `--set` was given: PART.NAME=VALUE, for settings without a flag of their own.

    Raises InputError (66) for a file that cannot be read, UsageError (2) for unknown names, wrong types and values.
    """
    tree = {} if path is None else written.read_toml(path, list(PARTS), skipped=RECIPE_PARTS)
    asked = [(*FLAGS[flag], value) for flag, value in flags.items() if value is not None]
    asked += [written.assignment(text, list(PARTS)) for text in assignments]
    losses = dict.fromkeys(value for part, name, value in asked if (part, name) == ("loss", "name"))
    if len(losses) > 1:
        raise UsageError(
            "GT0247", f"two losses are asked for: {', '.join(map(str, losses))}; keep one of --loss and --set"
        )
    if losses and tree.get("loss", {}).get("name") not in (None, *losses):
        del tree["loss"]  # its settings are those of another loss
    for part, name, value in asked:
        tree.setdefault(part, {})[name] = value
    if "loss" in tree:
        own = {name: value for name, value in tree["loss"].items() if name != "name"}
        tree["loss"] = {**{name: tree["loss"][name] for name in ("name",) if name in tree["loss"]}, "settings": own}
    built = {part: _build(part, kind, tree.get(part, {})) for part, kind in PARTS.items()}
    return Config(**built)


def _build(part: str, kind: type, settings: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    for name, value in settings.items():
        if name not in hints:
            raise UsageError("GT0206", f"unknown setting {part}.{name}; {nearest(name, list(hints))}")
        settings[name] = written.typed(value, hints[name], f"{part}.{name}")
    for setting in dataclasses.fields(kind):
        if setting.default is setting.default_factory is dataclasses.MISSING and not settings.get(setting.name):
            flag = _FLAG_OF[part, setting.name]
            where = "a dataset folder (DIR)" if flag == "DIR" else f"--{flag}"
            raise UsageError(
                "GT0207", f"{where} is needed; on the command line or as {part}.{setting.name} in --config"
            )
    return kind(**settings)


def _without_folders(name: str) -> str:
    return Path(name).resolve().name if Path(name).exists() or Path(name).is_absolute() else name
