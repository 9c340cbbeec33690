"""Bins and goals for people, in 80 columns and in the log's own unit: what `stats` prints and `expand` and `fit` say."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcsl_data.cli._draw import BAR_WIDTH, bar, print_line, print_table
from gcsl_data.cli._show import hygiene_lines, row_counts, say_indented
from gcsl_data.cli._show_sections import show_sections
from gcsl_data.errors import one_line

if TYPE_CHECKING:
    from gcsl_data.audit.sections.bins import BinRow
    from gcsl_data.audit.stats import Stats
    from gcsl_data.audit.summary import Summary


def show_stats(stats: "Stats", summary: "Summary") -> None:
    """The audit, on standard output: rows, bins and goals, then the other sections, then what to look at."""
    console = Console(highlight=False, markup=False, soft_wrap=False)
    for line in _summary(summary):
        print_line(console, line)
    for aspect in summary.aspects:
        print_line(console, f"{aspect.name}, mean {_logged(aspect.mean, aspect.direction)}")
        if aspect.bins:
            print_table(console, _bin_table(aspect.bins, aspect.comparator, aspect.direction))
    bins = summary.bins
    if summary.aspects and bins.rows:
        print_line(console, "goals over all aspects")
        print_table(console, _joint_table(bins.rows, below=bins.below))
    elif bins.rows:
        print_table(console, _bin_table(bins.rows, bins.comparator, summary.direction, below=bins.below))
    show_sections(console, stats)
    if stats.inference_text is not None:
        print_line(console, f"Ask for: {one_line(stats.inference_text, limit=400)}")
    elif stats.inference_reward is not None:
        print_line(console, f"Ask for: the reward {stats.inference_reward:.10g}, which the trainer embeds")


def say_expanded(summary: "Summary") -> None:
    """What `expand` made, in a few lines of talk."""
    for line in _summary(summary)[1:]:
        say_indented(line)
    for row in reversed(summary.bins.rows):
        if row.dropped is None and row.examples is not None:
            say_indented(f"  goal {row.index}    {row.says}: {row.examples} examples")
    if copied := [row.says for row in reversed(summary.bins.rows) if row.dropped is None and row.examples is None]:
        say_indented(f"  copies    one for each that a record reaches: {', '.join(copied)}")
    shown = "says" if summary.aspects else "printed"
    dropped = ", ".join(f"{getattr(row, shown)} ({row.dropped})" for row in reversed(summary.bins.rows) if row.dropped)
    if dropped:
        say_indented(f"  dropped   {dropped}")


def _summary(summary: "Summary") -> list[str]:
    scale = f" on the {summary.normalized} scale" if summary.normalized else ""
    mean = f"mean {'' if summary.bins.cut else 'reward '}{_logged(summary.mean, summary.direction)}{scale}"
    lines = [
        one_line(summary.name),
        f"  rows      {row_counts(summary.accounting)}",
        f"  {_how_cut(summary)}, {mean}",
        f"  examples  {summary.examples} from {summary.records} records: {summary.expansion:.2f} each",
    ]
    if summary.aspects:
        names = ", ".join(aspect.name for aspect in summary.aspects)
        lines[2] = f"  goals     {summary.bins.effective or 'attributes'} over {len(summary.aspects)} aspects: {names}"
    if len(summary.splits) > 1:
        parts = ", ".join(f"{split.name} {split.examples} from {split.records}" for split in summary.splits)
        lines.append(f"  splits    {parts}")
    return [*lines, *hygiene_lines(summary.hygiene, summary.accounting)]


def _how_cut(summary: "Summary") -> str:
    """Where the thresholds come from, in a few words."""
    if summary.bins.cut:
        word = "up to" if summary.direction == "lower" else "from"
        share = summary.bins.cut.records / summary.splits[0].records
        value = _in_log(summary.bins.cut.value, summary.direction)
        return f"cut       {summary.bins.cut.asked}: {word} {value:.6g}, {share:.1%} of {summary.splits[0].name}"
    if summary.bins.rule is None and summary.ranges:
        return ", ".join(f"{told.name:<9} {told.minimum:.6g} to {told.maximum:.6g}" for told in summary.ranges)
    if summary.bins.rule is None:
        return "bins      none"
    if summary.bins.rule == "bins" and summary.bins.effective != summary.bins.asked:
        why = "equal edges merged" if summary.bins.ties == "merge" else "fewer different rewards"
        return f"bins      {summary.bins.effective} of {summary.bins.asked} asked ({why})"
    how = {"values": " (the few different rewards)", "given": " (thresholds as given)", "labels": " (ordered labels)"}
    return f"bins      {summary.bins.effective}{how.get(summary.bins.rule, '')}"


def _in_log(reward: float, direction: str) -> float:
    """A reward in the unit that people know: where lower is better, `reward` holds the negated value."""
    return (-reward if direction == "lower" else reward) + 0.0


def _logged(mean: float, direction: str) -> str:
    return f"{_in_log(mean, direction):.6g}" + (" (lower is better)" if direction == "lower" else "")


def _bin_table(bins: Sequence["BinRow"], comparator: str, direction: str, *, below: int = 0) -> Table:
    """A row for each bin, best first; edges and means in the log's own unit, or on its normalised scale beside it."""
    is_plain = all(row.says == f"{comparator} {row.printed}" for row in bins)
    is_scaled = any(row.logged != _in_log(row.edge, direction) for row in bins)
    largest = max(row.share for row in bins)
    columns: dict[str, Callable[[BinRow], str]] = {
        "k": lambda row: str(row.index),
        "logged": lambda row: "" if row.logged is None else f"{row.logged:.6g}",
        "edge": lambda row: f"{_in_log(row.edge, direction):.{6 if is_scaled else 10}g}",
        f"goal {comparator}" if is_plain else "goal": lambda row: row.printed if is_plain else row.says,
        "records": lambda row: str(row.records),
        "share": lambda row: f"{row.share:.1%}",
        "": lambda row: bar(row.share / largest if largest else 0.0),
        "mean": lambda row: "" if row.mean_reward is None else f"{_in_log(row.mean_reward, direction):.4g}",
        "examples": _examples,
    }
    if not is_scaled or all(row.logged is None for row in bins):
        del columns["logged"]
    return _table(columns, bins, below)


def _joint_table(bins: Sequence["BinRow"], *, below: int) -> Table:
    """A row for each goal over all aspects, best first."""
    columns: dict[str, Callable[[BinRow], str]] = {
        "k": lambda row: str(row.index),
        "goal": lambda row: row.says,
        "records": lambda row: str(row.records),
        "share": lambda row: f"{row.share:.1%}",
        "examples": _examples,
    }
    return _table(columns, bins, below)


def _examples(row: "BinRow") -> str:
    return row.dropped or ("kept" if row.examples is None else str(row.examples))


def _table(columns: "Mapping[str, Callable[[BinRow], str]]", bins: Sequence["BinRow"], below: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    for name in columns:
        side = "left" if name in ("", "examples") else "right"
        table.add_column(name, justify=side, no_wrap=name != "goal", width=None if name else BAR_WIDTH)
    for row in reversed(bins):
        cells = [Text(show(row)) for show in columns.values()]
        table.add_row(*cells, style="" if row.dropped is None else "dim")
    if below:
        last = {"k": "0", "edge": "below", "records": str(below)} | ({} if "edge" in columns else {"goal": "below"})
        table.add_row(*(Text(last.get(name, "")) for name in columns))
    return table
