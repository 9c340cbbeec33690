"""A model to ask: a run's, or an untrained one, with the tokenizer that knows the goals."""

from typing import Any, get_args

import torch

from gcsl_data.errors import UsageError
from gcsl_train import adapter, goal_tokens
from gcsl_train import model as models
from gcsl_train.config import Dtype
from gcsl_train.goals import GoalBook
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.tokens import Encoder


def base(run: RunFolder | None, model: str | None) -> models.Source:
    """The base model: that of a run (`model` says where, if it is a local one), or the untrained `model` itself."""
    return adapter.base_of(run, model) if run else models.find(str(model))


def open_encoder(source: models.Source, run: RunFolder | None, book: GoalBook, *, asks: bool, say: Say) -> Encoder:
    """The encoder of a run's model, or of an untrained one; `asks` says that prompts will hold a goal.

    Raises UsageError (2) when they will, goals are special tokens, and the model knows none.
    """
    say(f"loading {source.name} ...")
    tokenizer = models.load_tokenizer(source)
    goals = goal_tokens.add(tokenizer, book) if run else goal_tokens.find(tokenizer, book)
    if book.embedded and goals is None and asks:
        raise UsageError(
            "GT0224",
            f"{source.name} does not read rewards, which takes a network that is made by training; give a RUN, "
            "or ask for --goal none",
        )
    if book.tokens and goals is None and asks:
        raise UsageError(
            "GT0224",
            f"{source.name} does not know {book.tokens[-1]}, a special token that is made by training; "
            "give a RUN, or a model made by merge, or ask for --goal none",
        )
    return Encoder(tokenizer, book.format, goals=goals)


def open_model(
    source: models.Source, run: RunFolder | None, encoder: Encoder, *, dtype: torch.dtype, attention: str
) -> Any:
    """The model in evaluation mode, with the run's adapter on it; in four bits where the run was trained on that.

    It is on the CPU, a quantized one on the device. Raises DataError (65) for a damaged adapter.
    """
    quantize = run.quantize if run else "none"
    found = models.load_model(source, dtype=dtype, attention=attention, quantize=quantize, device=device())
    return adapter.put_on(found, run, encoder.goals) if run else found


def numbers(dtype: str, device: torch.device) -> torch.dtype:
    """What `--dtype` means on a device. Raises UsageError (2) for an unknown word."""
    if dtype not in get_args(Dtype):
        raise UsageError("GT0208", f"--dtype must be one of {', '.join(get_args(Dtype))}, found {dtype!r}")
    return models.pick_dtype(dtype, device)  # type: ignore[arg-type]


def device() -> torch.device:
    """The first GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
