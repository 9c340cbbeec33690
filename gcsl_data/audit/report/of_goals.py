"""The sections on rewards and goals: what the fit made of the log."""

from collections.abc import Sequence

from gcsl_data.audit.report.charts import goals_chart, rewards_chart
from gcsl_data.audit.report.figures import figures, in_log, number, numbers_of
from gcsl_data.audit.report.html import Html, element, join, name
from gcsl_data.audit.report.part import IN_TABLE, Part, picture
from gcsl_data.audit.report.tables import Column, Numbers, Words, columns_of, folded, table
from gcsl_data.audit.sections.bins import AspectStats, BinRow
from gcsl_data.audit.sections.goals import Copies
from gcsl_data.audit.sections.rewards import Bar
from gcsl_data.audit.stats import Stats
from gcsl_data.dataset.manifest import Range

GOAL_COUNTS = ("goals.kept", "goals.dropped")


def of_rewards(stats: Stats) -> Part:
    """How rewards are distributed, with the thresholds in the picture."""
    rewards, direction = stats.rewards, stats.rewards.direction
    better = "Lower is better." if direction == "lower" else "Higher is better."
    bars: Sequence[Column[Bar]] = (
        Numbers("rewards.histogram.low", lambda bar: bar.low, direction),
        Numbers("rewards.histogram.high", lambda bar: bar.high, direction),
        Numbers("rewards.histogram.records", lambda bar: bar.records),
    )
    quantiles: Sequence[Column[tuple[str, float]]] = (
        Words("Quantile", lambda item: f"{int(item[0][1:])}%"),
        Numbers("rewards.quantiles", lambda item: item[1], direction),
    )
    lowest, highest = sorted((in_log(rewards.minimum, direction), in_log(rewards.maximum, direction)))
    label = (
        f"Histogram of {rewards.described:,} rewards from {lowest:.6g} to {highest:.6g}, mean "
        f"{in_log(rewards.mean, direction):.6g}, with {len(stats.bins.rows)} thresholds. {IN_TABLE}"
    )
    return Part(
        "rewards",
        "Rewards",
        join(
            element("p", f"The train split's rewards, worst to best. {better}", _scale(stats)),
            picture(label, lambda look: rewards_chart(stats, look))
            or element("p", "The rewards are too far apart to be drawn on one axis."),
            folded(
                "The bars as a table", table("Rewards, in bars from the worst to the best", bars, rewards.histogram)
            ),
            folded("Quantiles", table("Quantiles of the rewards", quantiles, tuple(rewards.quantiles.items()))),
            figures(numbers_of("rewards", rewards), direction),
        ),
    )


def of_goals(stats: Stats) -> Part:
    """The ladder of goals: what is asked for, who reaches it, what is kept."""
    bins, goals, direction = stats.bins, stats.goals, stats.rewards.direction
    kept = sum(row.dropped is None for row in bins.rows)
    label = f"Bars: how many train records reach each of {len(bins.rows)} goals, {kept} of them kept. {IN_TABLE}"
    in_use = join(
        picture(label, lambda look: goals_chart(stats, look)),
        table("The ladder of goals, the hardest first", _ladder(bins.rows, "bins.rows", direction), bins.rows[::-1]),
    )
    copies = table("How many rows a record gives", columns_of("goals.copies", Copies), goals.copies)
    cut = numbers_of("bins.cut", bins.cut) if bins.cut else []
    counted = [*numbers_of("bins", bins), *numbers_of("goals", goals)]
    if not bins.rows:  # then nothing was counted by bin, and the zeros say nothing
        counted = [(key, value) for key, value in counted if not key.startswith("bins.") and key not in GOAL_COUNTS]
    asked = [("inference_reward", stats.inference_reward)]
    return Part(
        "goals",
        "Goals",
        join(
            element("p", _how_cut(stats)),
            in_use if bins.rows else None,
            *(_aspect(aspect) for aspect in stats.aspects),
            _ranges(stats),
            folded("Rows from one record", copies) if goals.copies else None,
            figures([*cut, *counted, *asked], direction),
        ),
    )


def _scale(stats: Stats) -> str | None:
    if stats.aspects:
        return " With several aspects a reward counts the goals that a record reaches."
    return f" They are on the {stats.rewards.normalized} scale." if stats.rewards.normalized else None


def _how_cut(stats: Stats) -> str:
    bins = stats.bins
    if bins.cut:
        return f"Good records are cut out: {bins.cut.asked}."
    if not bins.rows:
        return "There are no bins here: rows are not made by threshold."
    asked = f" ({bins.asked} asked)" if bins.asked and bins.asked != bins.effective else ""
    how = {
        "bins": "bins of equal frequency", "values": "bins, one for each of the few different rewards",
        "given": "thresholds as given", "labels": "ordered labels", "aspects": "goals over all aspects",
    }  # fmt: skip
    return (
        f"{bins.effective} {how.get(bins.rule or '', 'bins')}{asked}. A record reaches every goal up to its own level."
    )


def _ladder(rows: Sequence[BinRow], at: str, direction: str) -> list[Column[BinRow]]:
    """Edges before normalisation stand beside the edges where there was one."""
    is_scaled = any(row.logged is not None and row.logged != in_log(row.edge, direction) for row in rows)
    return [
        Numbers(f"{at}.index", lambda row: row.index),
        Words("Says", lambda row: name(row.says)),
        Numbers(f"{at}.edge", lambda row: row.edge, direction),
        *([Numbers(f"{at}.logged", lambda row: row.logged)] if is_scaled else []),
        Numbers(f"{at}.records", lambda row: row.records),
        Numbers(f"{at}.share", lambda row: row.share),
        Numbers(f"{at}.mean_reward", lambda row: row.mean_reward, direction),
        Numbers(f"{at}.reached", lambda row: row.reached),
        Numbers(f"{at}.examples", lambda row: row.examples),
        Words("In use", lambda row: f"no: {row.dropped}" if row.dropped else "kept"),
    ]


def _aspect(aspect: AspectStats) -> Html:
    told = number("aspects.mean", aspect.mean, aspect.direction)
    better = ", lower is better." if aspect.direction == "lower" else "."
    caption = f"Thresholds of {aspect.name}, the hardest first"
    columns = _ladder(aspect.bins, "aspects.bins", aspect.direction)
    return join(
        element("h3", "Aspect ", name(aspect.name)),
        element("p", "Mean ", told, better),
        table(caption, columns, aspect.bins[::-1]) if aspect.bins else None,
    )


def _ranges(stats: Stats) -> Html | None:
    if not stats.ranges:
        return None
    columns: list[Column[Range]] = [Words("Of", lambda told: name(told.name)), *columns_of("ranges", Range)]
    return table("What rows hold", columns, stats.ranges)
