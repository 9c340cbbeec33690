"""Files that appear whole or not at all: written beside their place, forced to disk, then renamed; and the hash of a file."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from gcsl_data.errors import from_os_error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically. Raises WriteError (74) or OutputError (73)."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise from_os_error(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors as one safetensors file through Python's own files, so that a full disk is an OSError like any other."""
    path.write_bytes(save(tensors, metadata={"format": "pt"}))


def write_json(path: Path, value: Any) -> None:
    """A JSON value as a file that people read, written atomically."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


@contextlib.contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A folder to fill; on a clean exit it is forced to disk and becomes `final`, replacing what stood there.

    An exception leaves `final` as it was and removes the staging folder. Raises WriteError (74) or OutputError (73).
    """
    staging = final.with_name(f".{final.name}.{os.getpid()}.staging")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        yield staging
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        sync_folder(staging)
        _swap(staging, final)
    except OSError as error:
        raise from_os_error(error, final) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Force the names inside `folder` to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(staging: Path, final: Path) -> None:
    """Put `staging` at `final`. A folder that stood there is set aside first and removed last."""
    old = final.with_name(f".{final.name}.{os.getpid()}.old")
    if final.exists():
        final.rename(old)
    staging.rename(final)
    sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
