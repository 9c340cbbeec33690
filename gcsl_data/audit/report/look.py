"""How charts look: their width, colours, axes and legends, and how names are written in them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcsl_data.audit.report.html import visible
from gcsl_data.errors import one_line

if TYPE_CHECKING:
    import altair as alt

    Chart = alt.LayerChart | alt.FacetChart


@dataclass(frozen=True, slots=True)
class Look:
    """Width in pixels, and colours as CSS has them."""

    width: int
    text: str
    muted: str
    line: str
    bar: str
    accent: str
    mark: str
    page: str


_THEME = {"text": "currentColor", "page": "var(--page)"} | {
    name: f"var(--{name})" for name in ("muted", "line", "bar", "accent", "mark")
}
WIDE = Look(680, **_THEME)
NARROW = Look(340, **_THEME)
PAPER = Look(680, "#1d2126", "#565c64", "#dcdfe3", "#b4c6d8", "#1f5f99", "#a8460f", "#ffffff")


def count_axis(largest: int) -> "alt.Axis":
    """Whole numbers, with their thousands apart."""
    import altair as alt

    return alt.Axis(format=",d", tickMinStep=1, tickCount=4 if largest > 3 else largest)


def label(text: str, limit: int) -> str:
    """A name or a sentence as a picture shows it."""
    return visible(one_line(text, limit=limit))


def short(text: str, limit: int) -> str:
    """The start and the end of a name; files of one log differ in the end."""
    flat = label(text, 10_000)
    return flat if len(flat) <= limit else f"{flat[: limit // 2]}…{flat[-(limit // 2) + 1 :]}"


def legend(**settings: Any) -> "alt.Legend":
    """A legend above the chart."""
    import altair as alt

    return alt.Legend(**{"orient": "top", "title": None, "labelLimit": 240, "columnPadding": 30, **settings})


def finish(chart: "Chart", look: Look, *, height: int | dict[str, int]) -> "Chart":
    """Size and colours of a chart."""
    import altair as alt

    axis = alt.AxisConfig(
        labelColor=look.muted, titleColor=look.text, gridColor=look.line, domainColor=look.muted, tickColor=look.muted,
        labelFontSize=11, titleFontSize=12, titleFontWeight="normal", gridWidth=0.6, titlePadding=8,
    )  # fmt: skip
    above = alt.LegendConfig(
        labelColor=look.text,
        titleColor=look.text,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        padding=4,
    )
    return (
        chart.properties(
            width=look.width, height=height, background="transparent", autosize={"type": "fit-x", "contains": "padding"}
        )
        .configure(
            aria=False,
            font="system-ui, sans-serif",
            axis=axis,
            legend=above,
            padding={"left": 10, "right": 10, "top": 4, "bottom": 4},
        )
        .configure_view(stroke=None)
    )
