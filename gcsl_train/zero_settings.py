"""What the launcher asks of DeepSpeed: accelerate's own settings, or the config file of DeepSpeed that they name.

The stage and the place of the parameters matter here; the optimizer, the batch and the dtype are those of the run.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gcsl_data.errors import UsageError, shown

_ASKED = "ACCELERATE_USE_DEEPSPEED"
# Both send weights rounded to 8 bits, so a run would have other numbers.
_ROUNDING = ("zero_quantized_weights", "zero_quantized_nontrainable_weights")


@dataclass(frozen=True, slots=True)
class Settings:
    """The stage, where parameters are kept (none: with the model), and what would round them."""

    stage: Any
    device: Any
    pin_memory: bool = False
    rounding: tuple[str, ...] = ()


def asked() -> bool:
    """Whether the launcher asks for DeepSpeed."""
    return os.environ.get(_ASKED, "").lower() in ("true", "1", "yes")


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Inside, accelerate does not see the wish for DeepSpeed, and starts processes as for plain data parallelism.

    It would have transformers cut the model while it is read, and keep a config of its own for an engine.
    """
    wish = os.environ.pop(_ASKED, None)
    try:
        yield
    finally:
        if wish is not None:
            os.environ[_ASKED] = wish


def check() -> None:
    """Raise UsageError (2) where DeepSpeed is not installed, and for settings of it that a run cannot have."""
    settings = read()
    if settings.stage != 3:
        raise UsageError(
            "GT0251",
            f"DeepSpeed is asked for with stage {settings.stage}, and 3 alone is supported: the others spread gradients and "
            "moments, which are small for an adapter; set zero_stage: 3, or use plain data parallelism (MULTI_GPU)",
        )
    if settings.device not in ("none", "cpu"):
        raise UsageError(
            "GT0252", f"parameters cannot be kept on {settings.device!r}; set offload_param_device to cpu or none"
        )
    for name in settings.rounding:
        raise UsageError("GT0253", f"{name} rounds weights to 8 bits; take it out of DeepSpeed's config")
    if find_spec("deepspeed") is None:
        raise UsageError("GT0254", "the launcher asks for DeepSpeed; pip install 'gcsl[deepspeed]'")


def read() -> Settings:
    """The settings as they are asked for. Raises UsageError (2) for a config file that cannot be read."""
    ours = Settings(
        stage=_number(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")),
        device=os.environ.get("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "none"),
    )
    file = os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "none")
    if file == "none":
        return ours
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))["zero_optimization"]
        offload = (found.get("offload_param") if isinstance(found, dict) else found) or {}
        if not (isinstance(found, dict) and isinstance(offload, dict)):
            raise TypeError("zero_optimization and its offload_param are no objects")
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UsageError(
            "GT0255", f"{shown(file)} is no JSON file with a part zero_optimization ({why}); correct it"
        ) from None
    stage, device = found.get("stage"), offload.get("device") or "none"
    return Settings(
        stage=ours.stage if stage == "auto" else _number(stage),
        device=ours.device if device == "auto" else device,
        pin_memory=offload.get("pin_memory") is True,
        rounding=tuple(name for name in _ROUNDING if found.get(name)),
    )


def _number(stage: Any) -> Any:
    """A stage that is written as text counts as the number."""
    return int(stage) if isinstance(stage, str) and stage.isascii() and stage.isdigit() else stage
