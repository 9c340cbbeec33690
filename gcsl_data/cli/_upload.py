"""What `expand` says and asks when the dataset goes into an object store."""

from pathlib import Path

from gcsl_data.cli import _show
from gcsl_data.errors import UsageError


def require_vacant(uri: str, *, overwrite: bool) -> str:
    """The place as it is called from here on. Says so when an upload was begun there.

    Raises UsageError (2) with `--overwrite`, and what the library's `require_vacant` raises.
    """
    from gcsl_data.dataset import upload
    from gcsl_data.dataset.store import place_of

    place = place_of(uri)
    if overwrite:
        raise UsageError(
            "GD0257",
            f"{place.uri}: a store has no step that swaps two datasets, so --overwrite is for folders; choose another "
            "prefix, or remove this one first",
        )
    if upload.require_vacant(uri):
        _show.say(f"note: an upload to {place.uri} was begun; it goes on if this build gives the same dataset")
    return place.uri


def send(folder: Path, uri: str, progress: str) -> None:
    """Uploads a finished dataset and shows how far it is."""
    from gcsl_data.dataset.upload import upload

    try:
        with _show.progress(progress, f"uploading to {uri}", "files") as on_files:
            upload(folder, uri, on_files=on_files)
    except KeyboardInterrupt:
        _show.say(f"note: objects without a manifest are left at {uri}; the same command goes on there, or remove them")
        raise
