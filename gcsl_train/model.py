"""The base model: found, named by its content, loaded without running foreign code, and given a LoRA adapter.

A model is a hub id, a folder or a .gguf file. What a run records is its name and a SHA-256 over its weights, never a path of
this machine. Only safetensors and GGUF are read; nothing is unpickled, no remote code is trusted.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from gcsl_data.errors import DataError, GcslError, InputError, UsageError
from gcsl_train import config
from gcsl_train.errors import reason, shown, translated, unsupported_model
from gcsl_train.goal_tokens import GoalTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model comes from. `name` is what the run records; `location` is what transformers is given."""

    kind: Literal["hub", "folder", "gguf"]
    name: str
    location: str
    file: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """How `from_pretrained` wants it: transformers takes the folder and the .gguf file apart.

        Left to itself it asks on the terminal whether to run the code of a model's own, and runs it after a "y".
        """
        own = {"gguf_file": self.file} if self.file else {}
        return {"pretrained_model_name_or_path": self.location, "trust_remote_code": False, **own}


def find(model: str) -> Source:
    """What `--model` means. Raises InputError (66) for a path where no model is."""
    path = Path(model).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return Source(kind="gguf", name=path.name, location=str(path.parent), file=path.name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError("GT6602", f"{model} has no config.json, so it is no model folder; give another --model")
        return Source(kind="folder", name=path.resolve().name, location=str(path))
    if path.exists() or path.is_absolute() or model.startswith((".", "~")) or path.suffix == ".gguf":
        raise InputError("GT6603", f"{model} is no model: expected a hub id, a model folder or a .gguf file")
    if "/" not in model and not _cached(model):
        raise InputError("GT6603", f"no model folder or .gguf file {model!r} here, and hub ids look like owner/name")
    return Source(kind="hub", name=model, location=model)


def load_tokenizer(source: Source) -> Any:
    """The tokenizer that belongs to the model. Raises InputError (66) when it cannot be found."""
    from transformers import AutoTokenizer

    quiet()
    try:
        return AutoTokenizer.from_pretrained(**source.arguments)
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(source, "tokenizer", error) from None


def load_model(
    source: Source,
    *,
    dtype: torch.dtype,
    attention: str,
    quantize: config.Quantize = "none",
    device: torch.device | None = None,
) -> Any:
    """The model for causal language modelling, in evaluation mode: on the CPU, or in four bits on the device.

    Raises InputError (66), and UsageError (2) where a model cannot be quantized.
    """
    from transformers import AutoModelForCausalLM

    quiet()
    options: dict[str, Any] = {} if source.kind == "gguf" else {"use_safetensors": True}
    if quantize != "none":
        check_quantize(source, quantize)
        options |= {"quantization_config": _four_bits(dtype), "device_map": {"": device or "cpu"}}
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            **source.arguments, **options, dtype=dtype, attn_implementation=attention
        )
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(source, "model", error) from None
    for module in model.modules() if quantize != "none" else ():
        # On some CPUs bitsandbytes repacks weights for inference, after which training rounds in another way.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    if source.kind == "gguf":
        # transformers 5 keeps the file's quantization on the dequantized model, and then refuses to save it.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
    return model


def empty_model(source: Source, *, dtype: torch.dtype, attention: str) -> Any:
    """The model without its weights, on whatever device is the default. Raises InputError (66) and UsageError (2)."""
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet()
    try:
        config = AutoConfig.from_pretrained(**source.arguments)
        try:
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
        except KeyError:
            raise unsupported_model("it has an attention of its own") from None
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(source, "configuration", error) from None
    model.name_or_path = source.name
    return model


def check_quantize(source: Source, quantize: config.Quantize) -> None:
    """Raise UsageError (2) where four bits were asked for and cannot be had."""
    if quantize == "none":
        return
    if source.kind == "gguf":
        raise UsageError(
            "GT0243",
            f"{source.name} is quantized already, and is unpacked to be trained; give a folder or hub id for 4bit",
        )
    if find_spec("bitsandbytes") is None:
        raise UsageError("GT0244", "model.quantize 4bit needs bitsandbytes; pip install 'gcsl[qlora]'")


def _four_bits(dtype: torch.dtype) -> Any:
    """QLoRA's own format (arXiv 2305.14314): NF4, scales quantized once more, products in the dtype."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def add_lora(model: Any, settings: config.Lora, *, name: str, seed: int, goals: GoalTokens | None = None) -> Any:
    """The model with a fresh adapter: base frozen, adapter weights float32. The seed alone decides its first values.

    Where goals are tokens, their rows of the embedding are part of the adapter.

    Raises UsageError (2) for target modules that the model does not have.
    """
    from peft import LoraConfig, get_peft_model

    targets = settings.target_modules
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_dora=settings.dora,
        target_modules=targets if targets == "all-linear" else [t.strip() for t in targets.split(",")],
        bias="none",
        task_type="CAUSAL_LM",
        trainable_token_indices=list(goals.ids) if goals else None,
        base_model_name_or_path=name,
    )
    torch.manual_seed(seed)
    try:
        peft_model = get_peft_model(model, lora, autocast_adapter_dtype=True)
    except ValueError as error:
        raise UsageError("GT0210", f"--target-modules {targets} does not fit this model: {error}") from None
    peft_model.peft_config["default"].base_model_name_or_path = name
    return peft_model


def checkpoint_activations(model: Any) -> None:
    """Keep fewer activations and compute them again in the backward pass: less memory, more time, the same numbers."""
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(options)
    else:  # transformers 5.17 knows the older name only
        model.gradient_checkpointing_enable(options)


def pick_dtype(asked: config.Dtype, device: torch.device) -> torch.dtype:
    """The dtype of the base model; auto is bfloat16 on CUDA and float32 elsewhere."""
    if asked == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return getattr(torch, asked)


def check_rows(model: Any, highest: int, source: Source) -> None:
    """Raises DataError (65) when the embedding has no row for a token id that prompts or answers hold."""
    rows = model.get_input_embeddings().weight.shape[0]
    if highest >= rows:
        raise DataError(
            "GT6546",
            f"the tokenizer of {shown(source.name, limit=80)} gives token id {highest}, but its embedding has {rows} rows; "
            "use the tokenizer that belongs to the model",
        )


def _cached(model: str) -> bool:
    """Whether a hub id is in the cache. A few old ones have no owner; the network is not asked for what looks like a typo."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(model, "config.json"), str)
    except HFValidationError:
        return False


def not_loaded(source: Source, what: str, error: Exception) -> GcslError:
    """The error for a part of a model that a library could not load, with a reason that people can use."""
    known = translated(error)
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return DataError(
            "GT6544",
            f"{shown(source.name, limit=80)} wants code of its own to be run, which is never done; choose another --model",
        )
    if what != "tokenizer" and source.kind == "folder" and _is_pickled(Path(source.location)):
        return DataError(
            "GT6545",
            f"{shown(source.name, limit=80)} has pickled weights only, which can run code; convert them to safetensors",
        )
    why = (reason(error).strip() or type(error).__name__).splitlines()[0]
    todo = "check the name and the network, or give a model folder or a .gguf file"
    return known or InputError("GT6604", f"cannot load the {what} of {shown(source.name, limit=80)} ({why}); {todo}")


def _is_pickled(folder: Path) -> bool:
    suffixes = {path.suffix for path in folder.iterdir()}
    return ".safetensors" not in suffixes and not suffixes.isdisjoint({".bin", ".pt", ".pth"})


def quiet() -> None:
    """No progress bars and no advice from the libraries: a run prints its own lines."""
    from transformers.utils import logging

    if not torch.accelerator.is_available():
        # Where DeepSpeed is installed, transformers imports it to save a model, and it says on stdout that it sees no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
