"""The only module that writes, fsyncs and renames.

A dataset is made in a staging folder beside its place and renamed at the end, so its folder either does not exist or is
complete. Files and folders are fsynced before the rename, and the parent after it.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gcsl_data.errors import OutputError, from_os_error


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new empty folder that becomes `target` when the block ends well, and vanishes when it does not.

    Raises OutputError (73) when `target` exists or cannot be created, WriteError (74) when the disk refuses a write.
    """
    require_absent(target)
    staging = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.incomplete"
    new_parents = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        yield staging
        _fsync_tree(staging)
        require_absent(target)
        staging.rename(target)
        _fsync_folder(target.parent)
    except BrokenPipeError:
        raise  # whoever listened to the progress went away; the disk is fine
    except OSError as error:
        raise from_os_error(error, target) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(staging)
        _remove_empty(new_parents)


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """The path of a file to write, which takes the place of `target` when the block ends well, and vanishes otherwise.

    Raises OutputError (73) when it cannot be created, WriteError (74) when the disk refuses a write.
    """
    staging = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.incomplete"
    new_parents = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield staging
        with staging.open("rb+") as file:
            fsync(file)
        staging.replace(target)
        _fsync_folder(target.parent)
    except OSError as error:
        raise from_os_error(error, target) from error
    finally:
        with suppress(OSError):
            staging.unlink()
        _remove_empty(new_parents)


def require_absent(target: Path) -> None:
    """Raises OutputError (73) when something stands at `target` already."""
    if os.path.lexists(target):
        raise OutputError("GD7301", f"{target} exists; choose another --out, or remove it")


def require_file_or_nothing(target: Path) -> None:
    """Raises OutputError (73) when something stands at `target` that a file cannot take the place of."""
    if os.path.lexists(target) and not target.is_file():
        raise OutputError("GD7304", f"{target} is no file; choose another --out")


def write_bytes(path: Path, content: bytes) -> None:
    """One whole file, durable."""
    with path.open("xb") as file:
        file.write(content)
        fsync(file)


def fsync(file: BinaryIO) -> None:
    """What was written to `file` is on the disk when this returns."""
    file.flush()
    os.fsync(file.fileno())


class HashedFile:
    """A new binary file that hashes and counts what is written to it. Close it to make it durable."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._hash = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        """Appends `content` (any buffer)."""
        self._hash.update(content)
        written = self._file.write(content)
        self.bytes += written
        return written

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def flush(self) -> None:
        """Hands what is buffered to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Durable when this returns."""
        if not self.closed:
            self.closed = True
            fsync(self._file)
            self._file.close()

    def readable(self) -> bool:
        """Never: it is written once, from start to end."""
        return False

    def writable(self) -> bool:
        """Until it is closed."""
        return not self.closed

    def seekable(self) -> bool:
        """Never: the hash needs the order."""
        return False

    @property
    def sha256(self) -> str:
        """Hash of everything written so far, in hex."""
        return self._hash.hexdigest()


def _missing_parents(target: Path) -> list[Path]:
    """Folders above `target` that do not exist yet, the innermost first."""
    return [parent for parent in target.parents if not parent.exists()]


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # rmdir refuses a folder that is not empty, as after success
        for folder in folders:
            folder.rmdir()


def _fsync_tree(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        _fsync_folder(Path(path))


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
