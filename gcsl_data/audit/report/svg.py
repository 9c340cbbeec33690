"""From a chart to markup of the page: drawn by vl-convert, without the network, then cut down to shapes and text.

Only the elements and attributes named here are let through, so a page holds no link, style, script or foreign object of
a picture, whatever draws it. Text stays text, in the page's own font.
"""

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from gcsl_data.audit.report.html import Html, element, join
from gcsl_data.errors import UsageError

if TYPE_CHECKING:
    import altair as alt

INSTALL = "pip install 'gcsl[report]'"
_SHAPES = frozenset({"g", "path", "rect", "line", "text"})
_ATTRIBUTES = frozenset(
    [
        "transform", "d", "x", "y", "x2", "y2", "width", "height", "opacity",
        "fill", "fill-opacity", "stroke", "stroke-width",
        "stroke-dasharray", "stroke-opacity", "stroke-miterlimit", "text-anchor", "font-size", "font-weight", "font-style",
    ]
)  # fmt: skip


def require_charts() -> None:
    """Raises UsageError (2) where what draws charts is not installed."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as missing:
        raise UsageError("GD0280", f"charts need the library {missing.name}; run: {INSTALL}") from None


def drawn(chart: "alt.TopLevelMixin") -> str:
    """A chart as a whole SVG document."""
    import vl_convert

    return vl_convert.vegalite_to_svg(chart.to_dict(), **settings())


def settings() -> dict[str, Any]:
    """How vl-convert reads a specification: in the version that altair wrote, with nothing fetched from anywhere."""
    import altair

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return {"vl_version": version, "allowed_base_urls": [], "format_locale": "en-US"}


def inline(document: str, label: str, class_: str) -> Html:
    """An SVG document as an element of a page, as wide as its place; `label` is what it shows, in words."""
    root = ElementTree.fromstring(document)
    return element(
        "svg",
        *(_kept(child) for child in root),
        viewBox=root.get("viewBox"),
        class_=class_,
        role="img",
        aria_label=label,
    )


def _kept(node: ElementTree.Element) -> Html:
    tag = node.tag.rpartition("}")[2]
    is_empty = tag == "path" and (not node.get("d") or node.get("aria-hidden"))
    if tag not in _SHAPES or is_empty or node.get("opacity") == "0":  # a label that would run into its neighbour
        return Html()
    inner = join(node.text, *(_kept(child) for child in node)) if tag in ("g", "text") else Html()
    if tag == "g" and not inner:
        return Html()
    kept = {
        name: value for name, value in node.attrib.items() if name in _ATTRIBUTES and (name, value) != ("opacity", "1")
    }
    return element(tag, inner, **{name.replace("-", "_"): value for name, value in kept.items()})
