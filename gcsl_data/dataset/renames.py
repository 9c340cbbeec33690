"""The two renames that Python does not offer: one that replaces nothing, and one that swaps. For files.py alone.

Linux has them as flags of renameat2, macOS of renamex_np. Where the kernel or the file system has neither, the nearest that
POSIX offers stands in: a look before the rename, or two renames with a moment between them.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

_FLAGS = {"linux": ("renameat2", 1, 2), "darwin": ("renamex_np", 4, 2)}  # function, "exclusive", "swap"
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_AT_FDCWD = -100


def move(source: Path, target: Path) -> None:
    """Renames `source` to `target`. Raises FileExistsError when anything stands there, also what came a moment ago."""
    if not _rename(source, target, swap=False):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)


def swap(source: Path, target: Path) -> None:
    """What stood at `target` stands at `source`, and the other way round; at no moment is there nothing at `target`."""
    if not _rename(source, target, swap=True):
        aside = source.with_name(f"{source.name}.old")
        target.rename(aside)
        source.rename(target)
        aside.rename(source)


def _rename(source: Path, target: Path, *, swap: bool) -> bool:
    """Whether it was done; False where it cannot be asked for. Raises OSError when it was refused."""
    found = _function()
    if found is None:
        return False
    function, exclusive, exchange = found
    flag = exchange if swap else exclusive
    names = (os.fsencode(source), os.fsencode(target))
    given = (_AT_FDCWD, names[0], _AT_FDCWD, names[1], flag) if sys.platform == "linux" else (*names, flag)
    if function(*given) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


def _function() -> tuple[Callable[..., int], int, int] | None:
    if sys.platform not in _FLAGS:
        return None
    name, exclusive, exchange = _FLAGS[sys.platform]
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    return None if function is None else (function, exclusive, exchange)
