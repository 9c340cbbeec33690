"""gcsl-data diff: what differs between two datasets. For CI, and before a new dataset replaces an old one."""

from pathlib import Path
from typing import Annotated

import typer

from gcsl_data.cli._options import Json


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A dataset.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another dataset.")],
    json: Json = False,
) -> None:
    """Compare two datasets: inputs, recipe, fit, goals, counts, columns, tools.

    Exit 0 when they have the same content (one dataset_id), 1 when they differ. Only the manifests are read; `check` says
    whether the shards are as they say.
    """
    from gcsl_data.audit.diff import diff as diff_manifests
    from gcsl_data.cli import _show, _show_diff
    from gcsl_data.dataset.decode import encode
    from gcsl_data.dataset.manifest import load
    from gcsl_data.errors import one_line

    a, b = load(before), load(after)
    differences = diff_manifests(a, b)
    same = a.dataset_id == b.dataset_id
    if json:
        ids = {"before": {"path": str(before), "dataset_id": a.dataset_id}}
        ids["after"] = {"path": str(after), "dataset_id": b.dataset_id}
        _show.print_json({"ok": same, "exit_code": int(not same), **ids, "differences": encode(differences)})
    else:
        _show_diff.show_differences(differences)
        verdict = f"the same content, dataset_id {a.dataset_id}" if same else f"{len(differences)} differences"
        print(f"{one_line(str(before))} and {one_line(str(after))}: {verdict}")
    if not same:
        raise typer.Exit(1)
