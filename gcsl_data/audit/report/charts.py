"""Charts: specifications for Vega-Lite, made of the audit's numbers. Names from a log go in as data, never as code.

Each gives None where there is nothing to see. Widths are in pixels of the whole picture, axes and legend included.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from gcsl_data.audit.report.figures import as_text, in_log
from gcsl_data.audit.report.look import WIDE, Look, count_axis, finish, label, legend, short
from gcsl_data.audit.sections.drift import Drift
from gcsl_data.audit.sections.text import LevelText
from gcsl_data.audit.stats import Stats

if TYPE_CHECKING:
    from gcsl_data.audit.report.look import Chart

MOST_NUMBERED = 12  # thresholds with a number above them; more would run into each other
MOST_LEVELS = 30
LEAST_SHARED = 8  # letters that all names begin with; fewer are no burden
LETTER = 6.2  # pixels of one letter, about


def rewards_chart(stats: Stats, look: Look) -> "Chart | None":
    """The histogram of rewards in the log's own unit, with each threshold and the mean; None where no axis is that long."""
    import altair as alt

    direction = stats.rewards.direction
    bars = _bars(stats)
    lines = [
        {"at": in_log(row.edge, direction), "is": "threshold, goal dropped" if row.dropped else "threshold, goal kept",
         "index": str(row.index)}
        for row in stats.bins.rows
    ]  # fmt: skip
    mean = {"at": in_log(stats.rewards.mean, direction), "is": "mean", "index": ""}
    ends = [bar[side] for bar in bars for side in ("from", "to")] + [line["at"] for line in (*lines, mean)]
    if not math.isfinite(max(ends) - min(ends)):
        return None
    x = alt.X(
        "from:Q",
        title=_rewards_title(stats),
        axis=alt.Axis(grid=False, tickCount=look.width // 70),
        scale=alt.Scale(domain=[min(ends), max(ends)], nice=False, zero=False),
    )
    y = alt.Y("records:Q", title="records", axis=count_axis(max(bar["records"] for bar in bars)))
    kinds = {
        "threshold, goal kept": (look.accent, [1, 0]),
        "threshold, goal dropped": (look.muted, [3, 3]),
        "mean": (look.mark, [7, 3]),
    }
    present = [kind for kind in kinds if any(line["is"] == kind for line in (*lines, mean))]
    above = legend(columns=1 if look.width < WIDE.width else 3, symbolType="stroke", symbolSize=260)
    line_base = alt.Chart(alt.InlineData(values=[*lines, mean])).encode(x=alt.X("at:Q"))
    color = alt.Color("is:N", scale=alt.Scale(domain=present, range=[kinds[kind][0] for kind in present]), legend=above)
    dash = alt.StrokeDash(
        "is:N", scale=alt.Scale(domain=present, range=[kinds[kind][1] for kind in present]), legend=above
    )
    layers: list[Any] = [
        alt.Chart(alt.InlineData(values=bars))
        .mark_rect(fill=look.bar, stroke=look.page, strokeWidth=0.6)
        .encode(x=x, x2="to:Q", y=y, y2=alt.Y2Datum(0)),
        line_base.mark_rule(strokeWidth=1.6).encode(color=color, strokeDash=dash),
    ]
    if len(lines) <= MOST_NUMBERED:
        layers.append(
            line_base.mark_text(baseline="bottom", dy=-3, fontSize=11, color=look.text).encode(
                text="index:N", y=alt.value(0)
            )
        )
    return finish(alt.layer(*layers), look, height=220)


def goals_chart(stats: Stats, look: Look) -> "Chart | None":
    """How many train records reach each goal, the hardest on top."""
    rows = stats.bins.rows
    if not rows:
        return None
    limit = 22 if look.width < WIDE.width else 44
    said = {row.index: f"goal {row.index}: {row.says}" for row in rows}
    is_long = max(map(len, said.values())) > limit
    values = [
        {
            "goal": f"goal {row.index}" if is_long else label(said[row.index], limit),
            "reached": row.reached,
            "is": "dropped" if row.dropped else "kept",
            "told": _told(row.reached, row.dropped, look),
        }
        for row in reversed(rows)
    ]
    return _ladder(values, look, step=24 if len(rows) <= 12 else 15)


def drift_chart(drift: Drift, look: Look) -> "Chart":
    """How far each section moved, with the two marks of the usual reading."""
    import altair as alt

    shifts = {
        "rewards": drift.rewards, "levels": drift.levels, "prompt length": drift.prompt,
        "response length": drift.response, "group size": drift.groups,
    }  # fmt: skip
    values = [
        {"part": part, "psi": shift.psi, "told": as_text(round(shift.psi, 4), "number")}
        for part, shift in shifts.items()
        if shift is not None
    ]
    largest = max(0.25, *(value["psi"] for value in values))
    x = alt.X(
        "psi:Q",
        title="PSI",
        axis=alt.Axis(grid=False, tickCount=5),
        scale=alt.Scale(domain=[0, largest * 1.15], nice=False),
    )
    base = alt.Chart(alt.InlineData(values=values)).encode(y=alt.Y("part:N", sort=None, title=None))
    marks = alt.Chart(alt.InlineData(values=[{"at": 0.1, "is": "0.1"}, {"at": 0.2, "is": "0.2"}])).encode(x="at:Q")
    chart = alt.layer(
        base.mark_bar(fill=look.bar).encode(x=x),
        marks.mark_rule(stroke=look.mark, strokeDash=[5, 3], strokeWidth=1.4),
        marks.mark_text(baseline="bottom", dy=-3, fontSize=11, color=look.mark).encode(text="is:N", y=alt.value(0)),
        base.mark_text(align="left", dx=5, fontSize=11, color=look.text).encode(x="psi:Q", text="told:N"),
    )
    return finish(chart, look, height={"step": 26})


def length_chart(levels: Sequence[LevelText], look: Look) -> "Chart | None":
    """Characters of responses (median, and up to where 95 of 100 are) and of prompts, by level."""
    import altair as alt

    if len(levels) < 2:
        return None
    kinds = {
        "response, median": (look.accent, "circle"),
        "response, 95%": (look.accent, "triangle-up"),
        "prompt, median": (look.mark, "diamond"),
    }
    values = [
        {"level": level.level, "is": kind, "characters": characters}
        for level in levels
        for kind, characters in zip(
            kinds, (level.response_median, level.response_p95, level.prompt_median), strict=True
        )
    ]  # fmt: skip
    spans = [{"level": level.level, "low": level.response_median, "high": level.response_p95} for level in levels]
    x = alt.X("level:O", title="level (thresholds reached)", axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("characters:Q", title="characters", axis=count_axis(max(value["characters"] for value in values)))
    domain = list(kinds)
    above = legend(columns=1 if look.width < WIDE.width else 3)
    points = alt.Chart(alt.InlineData(values=values)).encode(
        x=x,
        y=y,
        color=alt.Color(
            "is:N", scale=alt.Scale(domain=domain, range=[kind[0] for kind in kinds.values()]), legend=above
        ),
        shape=alt.Shape(
            "is:N", scale=alt.Scale(domain=domain, range=[kind[1] for kind in kinds.values()]), legend=above
        ),
    )
    chart = alt.layer(
        alt.Chart(alt.InlineData(values=spans))
        .mark_rule(stroke=look.bar, strokeWidth=3)
        .encode(x=x, y="low:Q", y2="high:Q"),
        points.mark_point(filled=True, size=70, opacity=1),
    )
    return finish(chart, look, height=220)


def sources_chart(stats: Stats, look: Look) -> "Chart | None":
    """Which part of each source's records is of which level, the largest source first."""
    import altair as alt

    sources = [source for source in stats.sources.rows if any(source.levels)]
    num_levels = len(sources[0].levels) if sources else 0
    if len(sources) < 2 or not 1 < num_levels <= MOST_LEVELS:
        return None
    used = [level for level in range(num_levels) if any(source.levels[level] for source in sources)]
    begin = len(commonprefix([source.name for source in sources]))  # noqa: RUF071 letters are meant, not folders
    names = [source.name if begin < LEAST_SHARED else f"…{source.name[begin:]}" for source in sources]
    values = [
        {
            "source": short(f"{place}. {name}", 20 if look.width < WIDE.width else 40),
            "level": level,
            "share": source.levels[level] / sum(source.levels),
        }
        for place, (name, source) in enumerate(zip(names, sources, strict=True), start=1)
        for level in used
        if source.levels[level]
    ]
    strengths = [round(0.12 + 0.88 * place / max(len(used) - 1, 1), 3) for place in range(len(used))]
    above = legend(
        title="level", columns=7 if look.width < WIDE.width else 15, symbolType="square", symbolFillColor=look.accent,
        symbolStrokeWidth=0,
    )  # fmt: skip
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(fill=look.accent, stroke=look.page, strokeWidth=1)
        .encode(
            y=alt.Y("source:N", sort=None, title=None, axis=alt.Axis(labelLimit=look.width * 0.45)),
            x=alt.X(
                "share:Q",
                stack="zero",
                title="part of the source's records",
                axis=alt.Axis(format="%", values=[0, 0.5, 1], grid=False),
                scale=alt.Scale(domain=[0, 1]),
            ),
            order=alt.Order("level:Q"),
            opacity=alt.Opacity("level:O", scale=alt.Scale(type="ordinal", domain=used, range=strengths), legend=above),
        )
    )
    return finish(alt.layer(chart), look, height={"step": 24})


def _bars(stats: Stats) -> list[dict[str, Any]]:
    """The histogram in the log's own unit, ascending; a bar for one value is nearly as wide as the closest two are apart."""
    direction = stats.rewards.direction
    bars = [
        {"from": min(ends), "to": max(ends), "records": bar.records}
        for bar in stats.rewards.histogram
        for ends in [(in_log(bar.low, direction), in_log(bar.high, direction))]
    ]
    bars.sort(key=lambda bar: bar["from"])
    if any(bar["from"] != bar["to"] for bar in bars):
        return bars
    values = [bar["from"] for bar in bars]
    span = values[-1] / 2 - values[0] / 2
    gaps = [b / 2 - a / 2 for a, b in pairwise(values)]
    half = 0.8 * max(min(gaps), 0.02 * span) if gaps else 0.5
    half = min(half, span * 0.06) if gaps else half
    return [{"from": bar["from"] - half, "to": bar["from"] + half, "records": bar["records"]} for bar in bars]


def _rewards_title(stats: Stats) -> str:
    if stats.aspects:
        return "goals that a record reaches"
    scale = f" on the {label(stats.rewards.normalized, 40)} scale" if stats.rewards.normalized else ""
    better = ", lower is better" if stats.rewards.direction == "lower" else ""
    return f"{label(stats.metric, 40)}{scale}{better}"


def _told(reached: int, dropped: str | None, look: Look) -> str:
    if dropped is None or look.width < WIDE.width:
        return f"{reached:,}"
    return f"{reached:,}, {label(dropped, 30)}"


def _ladder(values: list[dict[str, Any]], look: Look, *, step: int) -> "Chart":
    """Horizontal bars with a word behind each; the scale leaves room for it."""
    import altair as alt

    room = max(len(value["told"]) for value in values) * LETTER + 10
    plot = look.width - 20 - max(len(value["goal"]) for value in values) * LETTER
    largest = max(1, *(value["reached"] for value in values))
    domain = [0, largest * plot / max(plot - room, plot / 4)]
    kinds = {"kept": look.accent, "dropped": look.bar}
    present = [kind for kind in kinds if any(value["is"] == kind for value in values)]
    color = alt.Color(
        "is:N",
        scale=alt.Scale(domain=present, range=[kinds[kind] for kind in present]),
        legend=legend(columns=2, symbolType="square"),
    )
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("goal:N", sort=None, title=None, axis=alt.Axis(labelLimit=look.width / 2))
    )
    x = alt.X(
        "reached:Q",
        title="train records that reach it",
        scale=alt.Scale(domain=domain, nice=False),
        axis=count_axis(largest),
    )
    chart = alt.layer(
        base.mark_bar().encode(x=x, color=color),
        base.mark_text(align="left", dx=5, fontSize=11, color=look.text).encode(x="reached:Q", text="told:N"),
    )
    return finish(chart, look, height={"step": step})
