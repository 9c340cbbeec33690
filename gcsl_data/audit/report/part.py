"""What a section of the page is, and the pictures in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcsl_data.audit.report.html import Html, element
from gcsl_data.audit.report.look import NARROW, WIDE, Look
from gcsl_data.audit.report.svg import drawn, inline

if TYPE_CHECKING:
    import altair as alt


IN_TABLE = "The numbers stand in the table below."


@dataclass(frozen=True, slots=True)
class Part:
    """One section: where links lead, its heading, and what stands in it."""

    id: str
    title: str
    content: Html


def picture(label: str, chart: "Callable[[Look], alt.TopLevelMixin | None]") -> Html | None:
    """A chart twice, for wide and for narrow screens: text keeps its size, and CSS shows the one that fits."""
    pictures = []
    for look, class_ in ((WIDE, "wide"), (NARROW, "narrow")):
        made = chart(look)
        if made is None:
            return None
        pictures.append(inline(drawn(made), label, class_))
    return element("figure", *pictures)
