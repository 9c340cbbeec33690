"""The sections of `stats` below bins and goals: rewards, lengths, groups, sources, splits, drift, and what to look at."""

from typing import TYPE_CHECKING

from rich.console import Console

from gcsl_data.cli._draw import bar, print_line, print_sentence, print_table, sparkline, table

if TYPE_CHECKING:
    from gcsl_data.audit.sections.drift import Shift
    from gcsl_data.audit.stats import Stats


def show_sections(console: Console, stats: "Stats") -> None:
    """Each section in a line or a small table; what there is nothing to say of is left out."""
    for line in (*_goals(stats), *_rewards(stats), *_text(stats), *_groups(stats)):
        print_line(console, line)
    _show_levels(console, stats)
    _show_sources(console, stats)
    _show_splits(console, stats)
    _show_drift(console, stats)
    for advice in stats.advice:
        print_sentence(console, f"look at {advice.number}: {advice.says}")


def show_sweep(stats: "Stats") -> None:
    """What each number of bins would give."""
    console = Console(highlight=False, markup=False, soft_wrap=False)
    columns = {"asked": "right", "effective": "right", "goals kept": "right", "examples": "right", "each": "right"}
    rows = [
        [
            str(row.asked),
            str(row.effective),
            str(row.kept),
            str(row.examples),
            f"{row.expansion:.2f}",
            f"{row.smallest_share:.1%}",
            f"{row.largest_share:.1%}",
            bar(row.largest_share or 0.0),
        ]
        for row in stats.sweep
        if not row.fails
    ]
    print_table(console, table(columns | {"smallest": "right", "largest": "right", "": "left"}, rows))
    for row in stats.sweep:
        if row.fails:
            print_sentence(console, f"{row.asked} bins: {row.fails}")


def _goals(stats: "Stats") -> list[str]:
    goals = stats.goals
    if goals.most_copies is None or not stats.bins.rows:
        return []
    unused = f", none of {goals.unused} ({goals.unused_share:.1%})" if goals.unused else ""
    copies = f"up to {goals.most_copies} examples of a record{unused}"
    return [f"  goals     {goals.kept} kept, {goals.dropped} dropped; {copies}"]


def _rewards(stats: "Stats") -> list[str]:
    rewards = stats.rewards
    sign = -1 if rewards.direction == "lower" else 1
    low, high = (_number(sign * value) for value in (rewards.histogram[0].low, rewards.histogram[-1].high))
    line = sparkline([part.records for part in rewards.histogram])
    return [
        f"  rewards   {low} {line} {high}{_scope(stats)}",
        f"            worst {rewards.at_minimum_share:.1%}, best {rewards.at_maximum_share:.1%}, "
        f"most frequent {_number(sign * rewards.most_frequent)} ({rewards.most_frequent_share:.1%})",
    ]


def _scope(stats: "Stats") -> str:
    """Of how many records the lines from here on speak, where a dataset does not hold them all."""
    rewards = stats.rewards
    return "" if rewards.described == rewards.records else f", of the {rewards.described} records in rows, as below"


def _text(stats: "Stats") -> list[str]:
    text = stats.text
    rank = "" if text.length_reward_corr is None else f"; rank correlation with reward {text.length_reward_corr:+.2f}"
    lines = [f"  text      median {text.prompt.median} + {text.response.median} characters{rank}"]
    if text.tokens:
        of = f"{text.tokens.records} records" if text.tokens.records < stats.goals.records else "all records"
        asked, answered = text.tokens.prompt, text.tokens.response
        lines.append(
            f"  tokens    median {asked.median} + {answered.median}, longest {asked.longest} + {answered.longest} ({of})"
        )
    return lines


def _groups(stats: "Stats") -> list[str]:
    groups = stats.groups
    alone = f", {groups.alone_share:.1%} of records alone in theirs" if groups.alone_share else ""
    whose = "the others'" if alone else "the reward's"
    within = "" if groups.within_share is None else f"; {groups.within_share:.0%} of {whose} variance is within them"
    lines = [f"  groups    {groups.groups}, the largest has {groups.largest}{alone}{within}"]
    if stats.contradictions.pairs:
        found = stats.contradictions
        gap = _number(found.largest_gap)
        lines.append(f"  conflicts {found.pairs} pairs have several rewards: {found.records} records, gaps up to {gap}")
    return lines


def _show_levels(console: Console, stats: "Stats") -> None:
    levels = stats.text.levels
    if not levels:
        return
    longest = max(level.response_median for level in levels) or 1
    columns = {"level": "right", "records": "right", "prompt": "right", "response": "right", "": "left", "p95": "right"}
    rows = [
        [
            str(level.level),
            str(level.records),
            str(level.prompt_median),
            str(level.response_median),
            bar(level.response_median / longest).ljust(8),
            str(level.response_p95),
            *([] if stats.text.tokens is None else [_or_blank(level.response_tokens_median)]),
        ]
        for level in reversed(levels)
    ]
    if stats.text.tokens:
        columns |= {"tokens": "right"}
    print_table(console, table(columns, rows))


def _show_sources(console: Console, stats: "Stats") -> None:
    sources = stats.sources
    if sources.sources < 2:
        return
    top = next((row.index for row in reversed(stats.bins.rows) if row.dropped is None), None)
    columns = {"source": "left", "records": "right", "share": "right", "": "left", "mean": "right"}
    sign = -1 if stats.rewards.direction == "lower" else 1
    rows = [
        [
            source.name,
            str(source.records),
            f"{source.share:.1%}",
            bar(source.share).ljust(8),
            _number(sign * source.mean),
            *([f"{sum(source.levels[top:]) / source.records:.1%}"] if top and source.levels else []),
        ]
        for source in sources.rows
    ]
    if rows and len(rows[0]) > len(columns):
        columns |= {"reach the top": "right"}
    print_table(console, table(columns, rows))
    if sources.others:
        print_line(console, f"  and {sources.others} records of {sources.sources - len(sources.rows)} more sources")


def _show_splits(console: Console, stats: "Stats") -> None:
    splits = stats.splits
    if len(splits.rows) < 2:
        return
    columns = {
        "split": "left",
        "records": "right",
        "examples": "right",
        "share": "right",
        "PSI": "right",
        "KS": "right",
    }
    rows = [
        [row.name, str(row.records), str(row.examples), f"{row.share:.1%}", _short(row.psi), _short(row.ks)]
        for row in splits.rows
    ]
    print_table(console, table(columns, rows))
    print_line(console, f"  {splits.overlap} prompts stand in more than one split")


def _show_drift(console: Console, stats: "Stats") -> None:
    drift = stats.drift
    if drift is None:
        return
    print_line(console, f"drift from {drift.against}: {drift.records} records against {drift.against_records}")
    if drift.floor is not None:
        print_line(console, "  (only rewards that a dataset's rows have; a dataset does not hold the others)")
    shifts: dict[str, Shift | None] = {
        "rewards": drift.rewards,
        "levels": drift.levels,
        "prompt length": drift.prompt,
        "response length": drift.response,
        "group size": drift.groups,
    }
    rows = [
        [name, _short(shift.psi), bar(shift.psi).ljust(8), _short(shift.ks)] for name, shift in shifts.items() if shift
    ]
    print_table(console, table({"section": "left", "PSI": "right", "": "left", "KS": "right"}, rows))


def _number(value: float) -> str:
    return f"{value + 0.0:.6g}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _or_blank(value: int | None) -> str:
    return "" if value is None else str(value)
