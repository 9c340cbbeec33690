"""What `stats --html` and `--plot` write: whole or not at all, and never over a file unless that was asked for."""

import os
from dataclasses import dataclass
from pathlib import Path

from gcsl_data.audit.report.page import report_html
from gcsl_data.audit.report.plot import plotted, require_picture
from gcsl_data.audit.report.svg import require_charts
from gcsl_data.audit.shown import shown_levels
from gcsl_data.audit.stats import Stats
from gcsl_data.audit.subject import Subject
from gcsl_data.dataset.files import require_file_or_nothing, staged_file, write_bytes
from gcsl_data.errors import OutputError, UsageError


@dataclass(frozen=True, slots=True)
class Outputs:
    """A page, a picture, both or neither."""

    html: Path | None
    plot: Path | None
    overwrite: bool

    def require(self) -> None:
        """What can be known before the audit: UsageError (2) for a missing library or a wrong name, OutputError (73)."""
        if not self._paths:
            if self.overwrite:
                raise UsageError(
                    "GD0283", "--overwrite is for the files of --html and --plot; name one, or leave it out"
                )
            return
        if self.html == self.plot:
            raise UsageError("GD0282", f"--html and --plot both name {self.html}; give each a file of its own")
        if self.plot:
            require_picture(self.plot)
        require_charts()
        for path in self._paths:
            self._require_free(path)

    def write(self, stats: Stats, subject: Subject) -> tuple[Path, ...]:
        """Writes what was asked for, with the records of `subject`, and says where it is."""
        made: dict[Path, bytes] = {}
        if self.html:
            made[self.html] = report_html(stats, shown_levels(subject)).encode()
        if self.plot:
            made[self.plot] = plotted(stats, self.plot)
        for path, content in made.items():  # both, or what cannot be drawn leaves neither
            self._write(path, content)
        return self._paths

    @property
    def _paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.html, self.plot) if path)

    def _write(self, path: Path, content: bytes) -> None:
        with staged_file(path, overwrite=self.overwrite) as staging:
            write_bytes(staging, content)

    def _require_free(self, path: Path) -> None:
        if self.overwrite:
            require_file_or_nothing(path)
        elif os.path.lexists(path):
            raise OutputError("GD7309", f"{path} exists; say --overwrite to replace it, or choose another name")
