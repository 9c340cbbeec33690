"""Which dataset a person means who names none."""

from collections.abc import Sequence
from pathlib import Path

from gcsl_data.dataset.manifest import MANIFEST_NAME, SIDE_FOLDER
from gcsl_data.errors import UsageError, reading


def newest_dataset(folder: Path) -> Path:
    """`folder` itself when it holds a manifest, else the `*-gcsl` folder in it whose manifest is newest.

    Raises UsageError (2) when there is neither.
    """
    if (folder / MANIFEST_NAME).is_file():
        return Path()
    datasets = [path for path in folder.glob("*-gcsl") if (path / MANIFEST_NAME).is_file()]
    if not datasets:
        raise UsageError(
            "GD0211",
            "no dataset here: this folder has no manifest.json and no *-gcsl dataset in it; name a dataset or a log",
        )
    newest = max(datasets, key=lambda path: ((path / MANIFEST_NAME).stat().st_mtime_ns, path.name))
    return newest.relative_to(folder)


def is_dataset(paths: Sequence[str]) -> bool:
    """Whether a person means a dataset by these paths: one folder. Raises InputError (66) for what cannot be looked at."""
    with reading(paths[0]):
        return len(paths) == 1 and Path(paths[0]).is_dir()


def require_settled(folder: str, *, has_settings: bool) -> None:
    """Raises UsageError (2) for settings beside a dataset, or beside a folder that is none: settings are for logs."""
    if not has_settings:
        return
    if not any((Path(folder) / name).exists() for name in (MANIFEST_NAME, SIDE_FOLDER)):
        raise UsageError(
            "GD0276",
            f"{folder} is a folder without a manifest.json, so no dataset; for logs name its files, quoted: "
            f"'{folder.rstrip('/')}/*.jsonl'",
        )
    raise UsageError("GD0210", "a dataset's recipe is settled; flags like --bins are for logs")
