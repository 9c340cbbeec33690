"""A base model known by its content: a SHA-256 over its weights, wherever they lie."""

import hashlib
from pathlib import Path
from typing import Any

from gcsl_train.files import sha256
from gcsl_train.model import Source, not_loaded, quiet


def weights_sha256(source: Source) -> str:
    """SHA-256 of the .gguf file, or over the names and hashes of the model's safetensors files (sorted by name).

    Weights of a hub model that are not here yet are fetched. Raises InputError (66) when they cannot be.
    """
    folder = Path(source.location)
    if source.file is not None:
        return sha256(folder / source.file)
    digest = hashlib.sha256()
    for path in sorted(_hub_weights(source) if source.kind == "hub" else folder.glob("*.safetensors")):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _hub_weights(source: Source) -> list[Path]:
    """The safetensors files of a hub model, in the hub's cache: one file, or the shards that its index names."""
    from transformers.utils import hub

    quiet()
    optional: dict[str, Any] = {
        "_raise_exceptions_for_missing_entries": False,
        "_raise_exceptions_for_connection_errors": False,
    }
    try:
        if single := hub.cached_file(source.location, "model.safetensors", **optional):
            return [Path(single)]
        index = hub.cached_file(source.location, "model.safetensors.index.json")
        return [Path(shard) for shard in hub.get_checkpoint_shard_files(source.location, index)[0]]
    except (OSError, ValueError, KeyError) as error:
        raise not_loaded(source, "weights", error) from None
