"""What `expand` says and asks when the dataset goes into an object store."""

from collections.abc import Mapping
from pathlib import Path

from gcsl_data.cli import _show
from gcsl_data.errors import UsageError


def require_vacant(uri: str, for_folders: Mapping[str, object]) -> str:
    """The place as it is called from here on. Says so when an upload was begun there.

    Raises UsageError (2) when one of the flags that need a folder is given, and what the library's `require_vacant` raises.
    """
    from gcsl_data.dataset import upload
    from gcsl_data.dataset.store import place_of

    place = place_of(uri)
    given = next((flag for flag, value in for_folders.items() if value), None)
    if given == "--overwrite":
        raise UsageError(
            "GD0257",
            f"{place.uri}: a store cannot swap two datasets in one step, so --overwrite is for folders; choose another "
            "prefix, or remove this one first",
        )
    if given:
        raise UsageError(
            "GD0258", f"{place.uri}: {given} is for folders; build into one, then upload it: gcsl_data.dataset.upload"
        )
    if upload.require_vacant(uri):
        _show.say(f"note: an upload to {place.uri} was begun; it goes on if this build gives the same dataset")
    return place.uri


def send(folder: Path, uri: str, progress: str) -> None:
    """Uploads a finished dataset and shows how far it is."""
    from gcsl_data.dataset.upload import upload

    with _show.progress(progress, f"uploading to {uri}", "files") as on_files:
        upload(folder, uri, on_files=on_files)
