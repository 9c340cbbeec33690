"""The best and the worst records of each level, folded: text of the log, escaped and cut."""

from collections.abc import Sequence

from gcsl_data.audit.report.figures import as_text, in_log
from gcsl_data.audit.report.html import Html, cut, element, join, name
from gcsl_data.audit.report.part import Part
from gcsl_data.audit.report.tables import folded
from gcsl_data.audit.shown import ShownLevel, ShownRecord
from gcsl_data.audit.stats import Stats


def of_records(stats: Stats, shown: Sequence[ShownLevel]) -> Part:
    """A fold for each level, in the order given."""
    direction = stats.rewards.direction
    asked = {row.index: row.says for row in stats.bins.rows}
    return Part(
        "records",
        "Records to look at",
        join(
            element("p", "The best and the worst records of each level. Do the grades mean what you think they mean?"),
            *(_level(level, asked, direction) for level in shown),
        ),
    )


def _level(level: ShownLevel, asked: dict[int, str], direction: str) -> Html:
    title = _title(level.level, asked)
    return folded(
        f"{title}: {len(level.best)} best, {len(level.worst)} worst",
        *_records(f"Best of {title[0].lower()}{title[1:]}", level.best, direction),
        *_records(f"Worst of {title[0].lower()}{title[1:]}", level.worst, direction),
    )


def _title(level: int | None, asked: dict[int, str]) -> str:
    if level is None:
        return "All records"
    if level in asked:
        return f"Level {level} ({asked[level]})"
    return f"Level {level} (below all goals)" if asked else f"Level {level}"


def _records(title: str, records: Sequence[ShownRecord], direction: str) -> list[Html]:
    return [element("h3", title), *(_record(record, direction) for record in records)] if records else []


def _record(record: ShownRecord, direction: str) -> Html:
    reward = in_log(record.reward, direction)
    place = join("Reward ", element("data", as_text(reward, "reward"), value=repr(reward)), ", ", name(record.source))
    return element(
        "article",
        element("p", place, f", row {record.row}", class_="place"),
        element("h4", "Prompt"),
        cut(record.prompt),
        element("h4", "Response"),
        cut(record.response),
    )
