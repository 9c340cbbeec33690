"""What people see: tables and progress, in 80 columns. Log text never becomes markup or control codes."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tomli_w
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from gcsl_data.errors import one_line

if TYPE_CHECKING:  # what is shown was imported by whoever made it; no command waits for the others' modules
    from gcsl_data.audit.contract import Finding
    from gcsl_data.audit.stats import BinRow, Stats
    from gcsl_data.dataset.export import Exported
    from gcsl_data.dataset.manifest import Accounting
    from gcsl_data.extremes import Extremes
    from gcsl_data.log_schema import Change

BAR_WIDTH = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
OnRows = Callable[[int, int], None]


def print_json(content: dict[str, object]) -> None:
    """The one JSON object of a successful command."""
    print(json.dumps({"ok": True, "exit_code": 0, **content}, ensure_ascii=False, allow_nan=False))


def say(message: str) -> None:
    """A line of talk, on standard error."""
    print(one_line(message, limit=1000), file=sys.stderr)


def printable(text: str) -> str:
    """Text in its lines, with their indentation but without control codes."""
    lines = ((line[: len(line) - len(line.lstrip(" "))], line) for line in text.split("\n"))
    return "\n".join(indentation + one_line(line, limit=10_000) for indentation, line in lines)


def say_notes(notes: Sequence[str]) -> None:
    """How the logs were read, where that is not obvious."""
    for note in notes:
        say(f"note: {note}")


def show_stats(stats: "Stats") -> None:
    """The audit of bins and goals, on standard output."""
    console = Console(highlight=False, markup=False, soft_wrap=False)
    for line in _summary(stats):
        console.print(Text(line))
    for aspect in stats.aspects:
        console.print(Text(f"{aspect.name} (mean {aspect.mean:.6g})"))
        if aspect.bins:
            _print_table(console, _bin_table(aspect.bins, aspect.comparator, below=0))
    if stats.aspects and stats.bins:
        console.print(Text("goals over all aspects"))
    if stats.bins:
        _print_table(console, _bin_table(stats.bins, stats.comparator, below=stats.below))
    if stats.inference_text is not None:
        console.print(Text(f"Ask for: {one_line(stats.inference_text, limit=400)}"))


def _print_table(console: Console, table: Table) -> None:
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def say_expanded(stats: "Stats") -> None:
    """What `expand` made, in a few lines of talk."""
    for line in _summary(stats)[1:]:
        say_indented(line)
    for row in reversed(stats.bins):
        if row.dropped is None and stats.inference_text is not None:
            say_indented(f"  goal {row.index}    {stats.comparator} {row.printed}: {row.examples} examples")
    dropped = ", ".join(f"{row.printed} ({row.dropped})" for row in reversed(stats.bins) if row.dropped)
    if dropped:
        say_indented(f"  dropped   {dropped}")


def say_exported(exported: "Exported") -> None:
    """How many rows of which split were written, and what was left out."""
    for split, rows in exported.splits.items():
        say(f"{split}: {rows} rows")
    for split in exported.left_out:
        say(f"{split}: left out, because it has no rows and readers refuse that")


def say_indented(line: str) -> None:
    """A line of talk whose leading spaces count."""
    indent = len(line) - len(line.lstrip())
    head, _, rest = line.strip().partition("  ")
    print(" " * indent + (head.ljust(10) + one_line(rest, limit=1000) if rest else one_line(head)), file=sys.stderr)


def say_accounting(account: "Accounting") -> None:
    """Where every row went, in a line of talk."""
    say_indented(f"  rows      {_rows(account)}")


def say_extremes(extremes: "Extremes") -> None:
    """The best and the worst records, a line each: does "better" mean what the log means?"""
    for word, records in (("best", extremes.best), ("worst", extremes.worst)):
        for reward, prompt, response in records.select("reward", "prompt", "response").iter_rows():
            asked = prompt if isinstance(prompt, str) else prompt[-1]["content"]
            texts = f"{one_line(asked, limit=30)} -> {one_line(response, limit=30)}"
            say_indented(f"  {word:<10}{reward * extremes.sign:.6g}: {texts}")


def show_schema(schema: dict[str, object], *, as_json: bool) -> None:
    """A JSON Schema; under --json as the field `schema` of the one object."""
    if as_json:
        print_json({"schema": schema})
    else:
        print(json.dumps(schema, indent=2, ensure_ascii=False))


def show_changes(changes: "Sequence[Change]") -> None:
    """Fields that came, went or changed, a line each."""
    for change in changes:
        word = "breaking" if change.breaking else "added" if change.before is None else "widened"
        what = one_line(f"{change.field}: {change.before or 'absent'} -> {change.after or 'absent'}")
        print(f"{word:<9} {what}")


def show_findings(name: str, findings: "Sequence[Finding]", contract: Mapping[str, str]) -> None:
    """The verdict of `check`: each rule, and what broke it."""
    broken = {finding.rule for finding in findings}
    for rule, promise in contract.items():
        print(f"{'FAIL' if rule in broken else 'ok  '}  {rule:<16} {promise}")
    held = len(contract) - len(broken)
    print(f"{name}: {held} of {len(contract)} hold")
    for finding in findings:
        print(one_line(f"{finding.rule}: {finding.where}: {finding.message}", limit=500), file=sys.stderr)


def show_settings(values: Mapping[str, object], origins: Mapping[str, str], *, as_json: bool) -> None:
    """Every setting as the TOML of a recipe, with where each value came from."""
    if as_json:
        print_json({"settings": {name: {"value": values[name], "origin": origins[name]} for name in values}})
        return
    part = ""
    for name, value in values.items():
        stage, key = name.split(".", 1)
        if stage != part:
            print(f"{chr(10) if part else ''}[{stage}]")
            part = stage
        print(f"{_setting(key, value):<40}  # {origins[name]}")


def _setting(key: str, value: object) -> str:
    """One line of TOML."""
    if value is None:
        return f"# {key} is not set"
    if isinstance(value, dict):
        return f"{key} = {{ {', '.join(tomli_w.dumps({inner: text}).strip() for inner, text in value.items())} }}"
    if isinstance(value, list):
        return f"{key} = [{', '.join(_setting('x', item).removeprefix('x = ') for item in value)}]"
    return tomli_w.dumps({key: value}).strip()


@contextmanager
def progress(mode: str, what: str) -> Iterator[OnRows]:
    """Something to call with (rows done, rows in all): a bar on a terminal, a line at the end when plain."""
    interactive = sys.stderr.isatty() and not os.environ.get("CI")
    if mode == "none" or (mode == "auto" and not interactive):
        yield lambda _done, _total: None
        return
    if mode == "plain":
        yield lambda done, total: say(f"{what}: {done} of {total} rows")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _rows(account: "Accounting") -> str:
    aside = [f"{n} {reason}" for reason, n in (account.rejected | account.filtered).items()]
    return f"{account.rows} = {account.used} used" + "".join(f" + {part}" for part in aside)


def _summary(stats: "Stats") -> list[str]:
    sign = " (logged values negated: lower is better)" if stats.direction == "lower" else ""
    lines = [
        one_line(stats.name),
        f"  rows      {_rows(stats.accounting)}",
        f"  {_how_cut(stats)}, mean reward {stats.mean:.6g}{sign}",
        f"  examples  {stats.examples} from {stats.records} records: {stats.expansion:.2f} each",
    ]
    if stats.aspects:
        means = ", ".join(f"{aspect.name} {aspect.mean:.6g}" for aspect in stats.aspects)
        count = stats.bins_effective or "attributes"
        lines[2] = f"  goals     {count} over {len(stats.aspects)} aspects, mean rewards: {means}"
    if len(stats.splits) > 1:
        parts = ", ".join(f"{split.name} {split.examples} from {split.records}" for split in stats.splits)
        lines.append(f"  splits    {parts}")
    return lines


def _how_cut(stats: "Stats") -> str:
    """Where the thresholds come from, in a few words."""
    if stats.cut:
        logged = stats.cut.value * (-1 if stats.direction == "lower" else 1)
        share = stats.cut.records / stats.splits[0].records
        return f"cut       {stats.cut.asked}: rewards as good as {logged:.6g}, {share:.1%} of {stats.splits[0].name}"
    if stats.rule is None and stats.ranges:
        return ", ".join(f"{told.name:<9} {told.minimum:.6g} to {told.maximum:.6g}" for told in stats.ranges)
    if stats.rule is None:
        return "bins      none"
    if stats.rule == "bins" and stats.bins_effective != stats.bins_asked:
        return f"bins      {stats.bins_effective} of {stats.bins_asked} asked (equal edges merged)"
    how = {"values": " (the few different rewards)", "given": " (thresholds as given)", "labels": " (ordered labels)"}
    return f"bins      {stats.bins_effective}{how.get(stats.rule, '')}"


def _bin_table(bins: Sequence["BinRow"], comparator: str, *, below: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    for name in ("k", "edge", f"goal {comparator}", "records", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=BAR_WIDTH)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("examples", no_wrap=True)
    largest = max(row.share for row in bins)
    for row in reversed(bins):
        table.add_row(*_cells(row, largest), style="" if row.dropped is None else "dim")
    if below:
        table.add_row(Text("0"), Text("below"), Text(""), Text(str(below)))
    return table


def _cells(row: "BinRow", largest: float) -> list[Text]:
    mean = "" if row.mean_reward is None else f"{row.mean_reward:.4g}"
    return [
        Text(str(row.index)),
        Text(f"{row.edge:.10g}"),
        Text(row.printed),
        Text(str(row.records)),
        Text(f"{row.share:.1%}"),
        Text(_bar(row.share / largest if largest else 0.0)),
        Text(mean),
        Text(str(row.examples) if row.dropped is None else row.dropped),
    ]


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8].strip() if eighths % 8 else "")
