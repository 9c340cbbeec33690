"""Checkpoints: the adapter, the optimizer's moments and two counters, whole or not there.

    step-N/adapter_model.safetensors     adapter weights under PEFT's names
    step-N/reward_embedding.safetensors  the network that embeds rewards, where the run trains one
    step-N/optimizer.safetensors         AdamW's state, `<parameter>/<field>`
    step-N/state.json                    step, epoch, what the loss carries from step to step, hashes, fingerprint of the run,
                                         and the SHA-256 of all of it

The folder is staged beside its place and renamed, so a folder of that name is complete. Nothing in it can run code. Random
state is not stored because there is none: each pack reseeds from (seed, step, pack). The newest two are kept.
"""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from gcsl_data.errors import DataError, InputError
from gcsl_train import reward_embedding
from gcsl_train.errors import reason
from gcsl_train.files import sha256, staged_folder, write_json, write_tensors
from gcsl_train.say import Say
from gcsl_train.spread import like, whole

ADAPTER, OPTIMIZER, STATE = "adapter_model.safetensors", "optimizer.safetensors", "state.json"
KEPT = 2
Files = dict[str, dict[str, torch.Tensor]]
_FOLDER = re.compile(r"step-(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a run is: optimizer steps done, the epoch of the last one (from 0), and what its loss carries on."""

    step: int
    epoch: int
    loss_state: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A complete checkpoint as it lies on disk: where, how far it is, of which run, and the hashes of its files."""

    path: Path
    position: Position
    fingerprint: dict[str, Any]
    hashes: dict[str, str]


def save(parent: Path, position: Position, *, files: Files, fingerprint: dict[str, Any]) -> Path:
    """Write `parent`/step-N and then remove checkpoints beyond the newest two; gives the new folder.

    `files` are those of `weights_of` and `moments_of`. Raises WriteError (74) or OutputError (73); the older checkpoints are
    still there then.
    """
    final = parent / f"step-{position.step}"
    with staged_folder(final) as staging:
        for name, tensors in files.items():
            write_tensors(staging / name, tensors)
        hashes = {path.name: sha256(path) for path in sorted(staging.iterdir())}
        state = {**asdict(position), "files": hashes, "fingerprint": fingerprint}
        write_json(staging / STATE, {**state, "sha256": _digest(state)})
    for _, old in _numbered(parent)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def choose(parent: Path, resume: str, *, say: Say) -> Saved | None:
    """The checkpoint that `--resume` means: none, the newest complete one (auto), or the one at a path.

    A damaged checkpoint is passed over with a word by auto; when none is whole, or one is named by path and is not, that is
    DataError (65). A path where no folder is: InputError (66).
    """
    if resume == "never":
        return None
    if resume != "auto":
        if not Path(resume).is_dir():
            raise InputError("GT6605", f"{resume} is no checkpoint folder; give RUN/checkpoints/step-N, or auto")
        return read(Path(resume))
    candidates = _numbered(parent)
    for _, path in reversed(candidates):
        try:
            return read(path)
        except DataError as error:
            say(f"warning: passing over a checkpoint: {error.message}")
    if candidates:
        raise DataError("GT6517", f"no checkpoint in {parent} is complete; remove the run folder to start again")
    return None


def read(path: Path) -> Saved:
    """The checkpoint in a folder, its files verified but not loaded. Raises DataError (65) unless they are as saved."""
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        named = (ADAPTER, OPTIMIZER, *({reward_embedding.FILE} & state["files"].keys()))
        hashes = {name: state["files"][name] for name in named}
        whole = state.pop("sha256") == _digest(state) and all(
            sha256(path / name) == digest for name, digest in hashes.items()
        )
        carried = tuple(map(float, state["loss_state"]))
        counters = [state["step"], state["epoch"]]
        if not (all(type(n) is int and n >= 0 for n in counters) and isinstance(state["fingerprint"], dict)):
            raise ValueError("a counter or the fingerprint is missing")
        for name in hashes if whole else ():
            with safe_open(path / name, framework="pt"):
                pass  # a header that lies about its tensors is found here
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise DataError(
            "GT6517", f"{path} is no complete checkpoint ({reason(error)}); resume from another one"
        ) from None
    if not whole:
        raise DataError("GT6517", f"{path} is damaged: a file is not the one that was saved; resume from another one")
    position = Position(step=state["step"], epoch=state["epoch"], loss_state=carried)
    return Saved(path=path, position=position, fingerprint=state["fingerprint"], hashes=hashes)


def newest(parent: Path) -> Path | None:
    """The checkpoint with the highest step, unread; None when there is none."""
    return next((path for _, path in reversed(_numbered(parent))), None)


def drop_after(parent: Path, step: int) -> None:
    """Remove checkpoints beyond `step`, which a resumed run does not reach the same way, and what a killed save left."""
    for path in [p for n, p in _numbered(parent) if n > step] + list(parent.glob(".step-*")):
        shutil.rmtree(path, ignore_errors=True)


def load_weights(path: Path, model: Any) -> None:
    """Put a checkpoint's adapter and reward embedding in place, in a model that is whole on each rank.

    Raises DataError (65) when a file is damaged, holds a value that is not finite, or does not fit the model.
    """
    _place_adapter(path, model, _read_finite(path / ADAPTER))
    _place_embedding(path, model)


def load_moments(path: Path, *, model: Any, optimizer: Any) -> None:
    """Put a checkpoint's optimizer state in place, spread as the parameters are. Raises DataError (65) likewise."""
    _place_moments(path, model, optimizer, _read_finite(path / OPTIMIZER))


def weights_of(model: Any) -> Files:
    """What is trained, on the CPU, by file: the adapter as PEFT names its tensors, and the reward embedding, if there is one.

    All ranks ask together: where the model is sharded, each holds a part.
    """
    from peft import get_peft_model_state_dict

    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    embedding = reward_embedding.of(model)
    return {
        ADAPTER: {name: _on_cpu(tensor) for name, tensor in sorted(tensors.items())},
        **({reward_embedding.FILE: embedding.tensors()} if embedding else {}),
    }


def moments_of(model: Any, optimizer: Any) -> Files:
    """The optimizer's state, on the CPU, by file; all ranks ask together."""
    return {
        OPTIMIZER: {
            f"{name}/{field}": _on_cpu(value)
            for name, parameter in trained_parameters(model).items()
            for field, value in optimizer.state[parameter].items()
        }
    }


def trained_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters that the optimizer changes, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    return whole(tensor.detach()).cpu().contiguous().clone()


def _read_finite(file: Path) -> dict[str, torch.Tensor]:
    path = file.parent
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise DataError("GT6517", f"{path} is damaged ({reason(error)}); resume from another checkpoint") from None
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise DataError(
                "GT6518", f"{path}: {name} holds a value that is not finite; resume from another checkpoint"
            )
    return tensors


def _place_adapter(path: Path, model: Any, tensors: dict[str, torch.Tensor]) -> None:
    from peft import set_peft_model_state_dict

    mine = weights_of(model)[ADAPTER]
    if {n: t.shape for n, t in mine.items()} != {n: t.shape for n, t in tensors.items()}:
        raise DataError("GT6519", f"{path} holds an adapter of another shape; resume from a checkpoint of this run")
    set_peft_model_state_dict(model, tensors)


def _place_embedding(path: Path, model: Any) -> None:
    mine = reward_embedding.of(model)
    if mine is None:
        return
    found = reward_embedding.read(path / reward_embedding.FILE)
    if (found.size, found.scale) != (mine.size, mine.scale):
        raise DataError(
            "GT6519", f"{path} holds a reward embedding of another run; resume from a checkpoint of this one"
        )
    mine.load_state_dict(found.state_dict())


def _place_moments(path: Path, model: Any, optimizer: Any, tensors: dict[str, torch.Tensor]) -> None:
    parameters = trained_parameters(model)
    fields: dict[str, dict[str, torch.Tensor]] = {name: {} for name in parameters}
    for key, tensor in tensors.items():
        name, _, field = key.rpartition("/")
        if name not in fields:
            raise DataError("GT6519", f"{path} holds optimizer state for an unknown parameter {name!r}")
        fields[name][field] = tensor
    for name, parameter in parameters.items():
        optimizer.state[parameter] = {
            # AdamW keeps its step counter on the CPU whatever the device of the parameter.
            field: tensor if field == "step" else like(tensor, parameter)
            for field, tensor in fields[name].items()
        }


def _digest(state: dict[str, Any]) -> str:
    """The SHA-256 of what state.json says; JSON that was read and written again has the same."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _numbered(parent: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a run, oldest first."""
    if not parent.is_dir():
        return []
    return sorted((int(m[1]), p) for p in parent.iterdir() if (m := _FOLDER.fullmatch(p.name)) and p.is_dir())
