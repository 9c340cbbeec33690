"""Logs in an object store: listed and fetched through pyarrow's file systems (s3, gs, az) or Hugging Face's (hf).

A log is fetched whole before it is read, because it is recognised by its first bytes, hashed, and looked through for faulty
rows; a scan over the network would read it three times. Credentials come from the environment, as the stores' own tools read
them; AWS_ENDPOINT_URL names another S3 server.
"""

import fnmatch
import os
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gcsl_data.dataset.store import s3_endpoint
from gcsl_data.errors import InputError, UsageError
from gcsl_data.ingest.plain import copying, temporary_folder

SCHEMES = ("s3", "gs", "az", "abfs", "hf")
_CHUNK = 1 << 20


def is_remote(pattern: str) -> bool:
    """Whether this names a log in an object store: `s3://bucket/key`."""
    return re.match(r"[a-z][a-z0-9+.-]*://", pattern) is not None


def fetch(pattern: str) -> list[tuple[str, Path]]:
    """Name in the store (without the scheme) and local copy of each log that the URI or pattern names, sorted by name.

    Raises UsageError (2) for a scheme that is not known, InputError (66) when nothing is there or the store says no.
    """
    scheme = urlsplit(pattern).scheme
    if scheme not in SCHEMES:
        raise UsageError(
            "GD0213", f"{pattern}: cannot read {scheme}://; known: {', '.join(s + '://' for s in SCHEMES)}"
        )
    name = pattern.split("://", 1)[1]
    try:
        store = _store(scheme)
        names = _expand(store, name)
        folder = temporary_folder()
        with copying(pattern):
            return [(found, _download(store, found, folder / str(i))) for i, found in enumerate(names)]
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            "GD6607", f"{pattern} cannot be fetched; check the name and the credentials in the environment ({reason})"
        ) from None


def _store(scheme: str) -> Any:
    import pyarrow.fs

    if scheme == "s3":
        endpoint = s3_endpoint()
        if not endpoint:
            return pyarrow.fs.S3FileSystem()
        parts = urlsplit(endpoint)
        return pyarrow.fs.S3FileSystem(endpoint_override=parts.netloc, scheme=parts.scheme)
    if scheme == "gs":
        return pyarrow.fs.GcsFileSystem()
    if scheme in ("az", "abfs"):
        return pyarrow.fs.AzureFileSystem(account_name=os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", ""))
    try:
        from huggingface_hub import HfFileSystem
    except ImportError:
        raise UsageError("GD0214", "hf:// needs huggingface_hub; run: pip install huggingface_hub") from None
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(HfFileSystem()))


def _expand(store: Any, name: str) -> list[str]:
    """The names that a pattern matches; `*` stands for anything within one level."""
    from pyarrow.fs import FileSelector, FileType

    if not any(sign in name for sign in "*?["):
        return [name]
    parent, last = posixpath.split(name)
    if any(sign in parent for sign in "*?["):
        raise OSError("a pattern may stand in the last part of the name only")
    entries = store.get_file_info(FileSelector(parent))
    files = [entry for entry in entries if entry.type == FileType.File]
    found = sorted(entry.path for entry in files if fnmatch.fnmatchcase(entry.base_name, last))
    if not found:
        raise OSError("no log there has such a name")
    return found


def _download(store: Any, name: str, folder: Path) -> Path:
    folder.mkdir()
    target = folder / posixpath.basename(name)
    with store.open_input_stream(name, compression=None) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    return target
