"""The sections on records: their texts, groups, sources and splits, and where every row went."""

from gcsl_data.audit.report.charts import length_chart, sources_chart
from gcsl_data.audit.report.figures import as_text, figures, meanings, number, numbers_of
from gcsl_data.audit.report.html import element, join, name
from gcsl_data.audit.report.part import IN_TABLE, Part, picture
from gcsl_data.audit.report.tables import Column, Numbers, Words, columns_of, folded, heading, plain_table, table
from gcsl_data.audit.sections.sources import Source
from gcsl_data.audit.sections.splits import SplitRow
from gcsl_data.audit.sections.text import LevelText
from gcsl_data.audit.stats import Stats


def of_text(stats: Stats) -> Part:
    """Lengths, by level too: is better just longer?"""
    text = stats.text
    has_tokens = any(level.response_tokens_median is not None for level in text.levels)
    columns = columns_of("text.levels", LevelText, without=() if has_tokens else ["response_tokens_median"])
    by_level = table("Lengths by level, in characters", columns, text.levels)
    label = f"Lengths of responses and prompts at {len(text.levels)} levels. {IN_TABLE}"
    drawn = picture(label, lambda look: length_chart(text.levels, look))
    shown = join(drawn, folded("The lengths as a table", by_level)) if drawn else by_level
    nothing = element("p", "Records have no levels here, so there is nothing to compare by level.")
    read = text.tokens
    in_tokens = (
        [
            *numbers_of("text.tokens", read),
            *numbers_of("text.tokens.prompt", read.prompt),
            *numbers_of("text.tokens.response", read.response),
        ]
        if read
        else []
    )
    return Part(
        "text",
        "Length",
        join(
            shown if text.levels else nothing,
            element("p", "Tokens are counted by ", name(read.tokenizer), ".") if read else None,
            figures(
                [
                    *numbers_of("text", text),
                    *numbers_of("text.prompt", text.prompt),
                    *numbers_of("text.response", text.response),
                    *in_tokens,
                ]
            ),
        ),
    )


def of_sources(stats: Stats) -> Part:
    """Which file supplies how much of each level."""
    sources = stats.sources
    num_levels = max((len(source.levels) for source in sources.rows), default=0)
    columns: list[Column[Source]] = [
        Words("Source", lambda source: name(source.name)),
        Numbers("sources.rows.records", lambda source: source.records),
        Numbers("sources.rows.share", lambda source: source.share),
        Numbers("sources.rows.mean", lambda source: source.mean, stats.rewards.direction),
        *(
            Numbers("sources.rows.levels", lambda source, level=level: source.levels[level], heading=f"Level {level}")
            for level in range(num_levels)
        ),
    ]
    label = f"Bars: which part of the records of each of {len(sources.rows)} sources is of which level. {IN_TABLE}"
    drawn = picture(label, lambda look: sources_chart(stats, look))
    full = table("Records of each source, the largest first", columns, sources.rows)
    alone = element("p", "All records come from one log: ", name(sources.rows[0].name), ".")
    return Part(
        "sources",
        "Sources",
        join(
            alone if len(sources.rows) == 1 else None,
            drawn,
            folded("The sources as a table", full) if drawn else full,
            figures(numbers_of("sources", sources)),
        ),
    )


def of_groups(stats: Stats) -> Part:
    """Does the reward tell responses apart, or only prompts?"""
    groups, contradictions = stats.groups, stats.contradictions
    several = "The same prompt and response with different rewards."
    none = "No prompt and response stand with two different rewards."
    return Part(
        "groups",
        "Groups and contradictions",
        join(
            element("p", "A group holds the records of one prompt or task. ", groups.advice),
            figures(numbers_of("groups", groups)),
            element("h3", "Contradictions"),
            element("p", several if contradictions.pairs else none),
            figures(numbers_of("contradictions", contradictions)),
        ),
    )


def of_splits(stats: Stats) -> Part:
    """Splits side by side."""
    splits = stats.splits
    columns: list[Column[SplitRow]] = [
        Words("Split", lambda split: name(split.name)),
        *columns_of("splits.rows", SplitRow),
    ]
    return Part(
        "splits",
        "Splits",
        join(
            element("p", "There is one split, so nothing can leak from one to another.")
            if len(splits.rows) == 1
            else None,
            table("The splits, and how far their rewards are from the train split's", columns, splits.rows),
            figures(numbers_of("splits", splits)),
        ),
    )


def of_rows(stats: Stats) -> Part:
    """Where every row of the logs went, and what looks suspicious in those that can be used."""
    account = stats.accounting
    parts: list[tuple[str, str, int]] = [
        ("used", "accounting.used", account.used),
        *((f"rejected: {reason}", "accounting.rejected", count) for reason, count in account.rejected.items()),
        *((f"filtered: {reason}", "accounting.filtered", count) for reason, count in account.filtered.items()),
        ("all", "accounting.rows", account.rows),
    ]
    rows = [[what, number(key, n), as_text(n / max(account.rows, 1), "share")] for what, key, n in parts]
    headings = [heading("What became of it", words=True), heading("Rows"), heading("Share")]
    keys = [f"accounting.{field}" for field in ("rows", "used", "rejected", "filtered")]
    return Part(
        "rows",
        "Rows and hygiene",
        join(
            plain_table("Where every row went", headings, rows),
            meanings(keys, summary="What these words say"),
            element("p", "Suspicious records, counted before anything is left out:"),
            figures(numbers_of("hygiene", stats.hygiene)),
        ),
    )
