"""What may come with a model from a stranger and is refused: code of its own, pickles, ids that it has no row for."""

from pathlib import Path
from typing import Any

from gcsl_data.errors import DataError
from gcsl_train.errors import shown


def refusal(name: str, location: str, error: Exception) -> DataError | None:
    """Why a model that could not be loaded is not to be loaded; None where `error` says something else."""
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return DataError(
            "GT6544",
            f"{shown(name, limit=80)} wants code of its own to be run, which is never done; choose another --model",
        )
    if _is_pickled(Path(location)):
        return DataError(
            "GT6545",
            f"{shown(name, limit=80)} has pickled weights only, which can run code; convert them to safetensors",
        )
    return None


def check_rows(model: Any, highest: int, name: str) -> None:
    """Raises DataError (65) when the embedding has no row for a token id that prompts or answers hold."""
    rows = model.get_input_embeddings().weight.shape[0]
    if highest >= rows:
        raise DataError(
            "GT6546",
            f"the tokenizer of {shown(name, limit=80)} gives token id {highest}, but its embedding has {rows} rows; "
            "use the tokenizer that belongs to the model",
        )


def _is_pickled(folder: Path) -> bool:
    suffixes = {path.suffix for path in folder.iterdir()} if folder.is_dir() else set()
    return suffixes.isdisjoint({".safetensors", ".gguf"}) and not suffixes.isdisjoint({".bin", ".pt", ".pth"})
