"""The only module that writes, fsyncs and renames.

A dataset is made in a staging folder beside its place and renamed at the end, so its folder either does not exist or is
complete. Files and folders are fsynced before the rename, and the parent after it. A staging folder is locked by whoever
fills it; one that nobody holds was left by a process that died, and the next one that writes there takes it away.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gcsl_data.dataset import renames
from gcsl_data.errors import OutputError, UsageError, WriteError, from_os_error

_OWN = r"([0-9]+-[0-9a-f]{8}\.incomplete|[0-9a-f]{8})"  # what our folders are called after their prefix


@dataclass(frozen=True, slots=True)
class Resumable:
    """What is left in a staging folder may be of use: whether to go on in one that a dead process left, and how to tell a
    person what an interruption leaves (None: nothing is kept).
    """

    adopts: Callable[[Path], bool]
    keeps: Callable[[Path], str | None]


@contextmanager
def staged(target: Path, *, overwrite: bool = False, resumable: Resumable | None = None) -> Iterator[Path]:
    """A folder that becomes `target` when the block ends well, and vanishes when it does not; new and empty, if not adopted.

    With `overwrite` it takes the place of what stands there, in one step, and only then that is removed. An interruption
    leaves it for another time where `resumable` says so, and then is a KeyboardInterrupt that says what is kept.

    Raises OutputError (73) when `target` exists or cannot be created, WriteError (74) when the disk refuses a write.
    """
    if not overwrite:
        require_absent(target)
    with _staging_beside(target, resumable) as staging:
        yield staging
        _fsync_tree(staging)
        _take_place(staging, target, overwrite=overwrite)
        _fsync_folder(target.parent)


@contextmanager
def staged_file(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """The path of a file to write, which becomes `target` when the block ends well, and vanishes otherwise.

    Raises OutputError (73) when `target` exists (unless it is to be overwritten) or cannot be created, WriteError (74) when
    the disk refuses a write.
    """
    if not overwrite:
        require_absent(target)
    with _staging_beside(target) as staging:
        file = staging / target.name
        yield file
        with file.open("rb+") as written:
            fsync(written)
        if overwrite:
            file.replace(target)
        else:
            _take_place(file, target, overwrite=False)
        _fsync_folder(target.parent)


@contextmanager
def _staging_beside(target: Path, resumable: Resumable | None = None) -> Iterator[Path]:
    """A locked folder beside `target`, removed at the end with whatever is in it then, unless that is kept."""
    new_parents = _missing_parents(target)
    staging = lock = None
    kept = None
    prefix = f".{target.name}."
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if resumable:
            staging, lock = _adopted(target.parent, prefix, resumable.adopts)
        remove_abandoned(target.parent, prefix)
        if staging is None:
            staging, lock = new_locked_folder(target.parent, f"{prefix}{os.getpid()}-", ".incomplete")
        yield staging
        for folder in new_parents:
            _fsync_folder(folder.parent)
    except KeyboardInterrupt:
        if resumable and staging and (kept := resumable.keeps(staging)):
            raise KeyboardInterrupt(kept) from None
        raise
    except BrokenPipeError:
        raise  # whoever listened to the progress went away; the disk is fine
    except OSError as error:
        raise from_os_error(error, target) from error
    finally:
        if staging is not None and lock is not None:
            if not kept:
                with suppress(OSError):
                    shutil.rmtree(staging)
            os.close(lock)
        _remove_empty(new_parents)


def _take_place(staging: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite and os.path.lexists(target):
        renames.swap(staging, target)
        return
    try:
        renames.move(staging, target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _exists(target) from error
        raise


def new_locked_folder(parent: Path, prefix: str, suffix: str = "", *, mode: int = 0o777) -> tuple[Path, int]:
    """A new folder, and the lock on it, which is held until that descriptor is closed or this process is no more."""
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(4)}{suffix}"
        folder.mkdir(mode=mode)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another process took it for abandoned in the moment before the lock
        if _locks(handle) and folder.exists():
            return folder, handle
        os.close(handle)


def _locks(handle: int) -> bool:
    """Whether the folder is ours alone. Where a file system has no locks it is: nobody can take it for abandoned there."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Removes the folders of this prefix in `parent` whose maker is gone: nobody has them locked. Follows no link."""
    for folder, handle in _abandoned(parent, prefix):
        with suppress(OSError):
            shutil.rmtree(folder)
        os.close(handle)


def _adopted(parent: Path, prefix: str, accepts: Callable[[Path], bool]) -> tuple[Path, int] | tuple[None, None]:
    """The first abandoned folder that is accepted, and the lock on it."""
    found: tuple[Path, int] | tuple[None, None] = None, None
    for folder, handle in _abandoned(parent, prefix):
        if found[0] is None and accepts(folder):
            found = folder, handle
        else:
            os.close(handle)
    return found


def _abandoned(parent: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    """Folders of this prefix that nobody had locked, each with a lock, which is to be closed."""
    named = re.compile(re.escape(prefix) + _OWN)
    entries: list[os.DirEntry[str]] = []
    with suppress(OSError):
        entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
    for entry in entries:
        if not (named.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)):
            continue
        try:
            handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # somebody was faster
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)  # somebody holds it
            continue
        yield Path(entry.path), handle


def require_absent(target: Path) -> None:
    """Raises OutputError (73) when something stands at `target` already, UsageError (2) for a dash, which is no name."""
    if str(target) == "-":
        raise UsageError("GD0307", "--out -: nothing is written to standard output; name a file or a folder")
    if os.path.lexists(target):
        raise _exists(target)


def _exists(target: Path) -> OutputError:
    return OutputError("GD7301", f"{target} exists; choose another place, or remove it")


def require_space(target: Path, needed: int) -> None:
    """Raises WriteError (74) when the disk that `target` will lie on has less room than four fifths of `needed` bytes.

    Four fifths because what is needed is an estimate; a disk that fills up later is an error all the same.
    """
    parent = next(folder for folder in (target.parent, *target.parent.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    if free < needed * 0.8:
        raise WriteError(
            "GD7404",
            f"{target} will take about {needed / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free there; "
            "free some space or choose another place",
        )


def require_file_or_nothing(target: Path) -> None:
    """Raises OutputError (73) when something stands at `target` that a file cannot take the place of."""
    if os.path.lexists(target) and not target.is_file():
        raise OutputError("GD7304", f"{target} is no file; choose another place")


def write_bytes(path: Path, content: bytes) -> None:
    """One whole file, durable."""
    with path.open("xb") as file:
        file.write(content)
        fsync(file)


def link(path: Path, target: Path) -> None:
    """The same file under another name, or a copy where a file system has no hard links."""
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(path, target)


def rename(path: Path, target: Path) -> None:
    """Renames a file of ours within a staging folder, which is made durable as a whole."""
    path.rename(target)


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
