"""The chart of rewards and thresholds as a picture of its own, on white paper."""

from pathlib import Path
from typing import TYPE_CHECKING

from gcsl_data.audit.report.charts import rewards_chart
from gcsl_data.audit.report.look import PAPER
from gcsl_data.audit.report.svg import drawn, require_charts, settings
from gcsl_data.errors import DataError, UsageError

if TYPE_CHECKING:
    from gcsl_data.audit.stats import Stats

PICTURES = (".svg", ".png")
SCALE = 2  # pixels of a PNG for each of the drawing, for sharp screens and paper


def require_picture(path: Path) -> None:
    """Raises UsageError (2) for a name that is neither .svg nor .png."""
    if path.suffix.lower() not in PICTURES:
        raise UsageError("GD0281", f"{path}: --plot draws {' and '.join(PICTURES)}; give it a name that ends so")


def plotted(stats: "Stats", path: Path) -> bytes:
    """The picture that the name of `path` asks for.

    Raises UsageError (2) as `require_picture` and `require_charts` do, DataError (65) for rewards that no axis holds.
    """
    require_picture(path)
    require_charts()
    import vl_convert

    drawing = rewards_chart(stats, PAPER)
    if drawing is None:
        raise DataError("GD6545", f"{path}: the rewards are too far apart to be drawn on one axis; leave out --plot")
    chart = drawing.properties(background=PAPER.page)
    if path.suffix.lower() == ".svg":
        return drawn(chart).encode()
    return vl_convert.vegalite_to_png(chart.to_dict(), scale=SCALE, **settings())
