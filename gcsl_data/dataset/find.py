"""Which dataset a person means who names none."""

from pathlib import Path

from gcsl_data.dataset.manifest import MANIFEST_NAME
from gcsl_data.errors import UsageError


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
