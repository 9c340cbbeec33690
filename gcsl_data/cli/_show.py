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
        console.print(Text(f"{aspect.name}, mean {_logged(aspect.mean, aspect.direction)}"))
        _print_table(console, _bin_table(aspect.bins, aspect.comparator, aspect.direction))
    if stats.aspects:
        console.print(Text("goals over all aspects"))
        _print_table(console, _joint_table(stats.bins, below=stats.below))
    elif stats.bins:
        _print_table(console, _bin_table(stats.bins, stats.comparator, stats.direction, below=stats.below))
    if stats.inference_text is not None:
        console.print(Text(f"Ask for: {one_line(stats.inference_text, limit=400)}"))
    elif stats.inference_reward is not None:
        console.print(Text(f"Ask for: the reward {stats.inference_reward:.10g}, which the trainer embeds"))


def _print_table(console: Console, table: Table) -> None:
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def say_expanded(stats: "Stats") -> None:
    """What `expand` made, in a few lines of talk."""
    for line in _summary(stats)[1:]:
        say_indented(line)
    for row in reversed(stats.bins):
        if row.dropped is None and row.examples is not None:
            say_indented(f"  goal {row.index}    {row.says}: {row.examples} examples")
    if copied := [row.says for row in reversed(stats.bins) if row.dropped is None and row.examples is None]:
        say_indented(f"  copies    one for each that a record reaches: {', '.join(copied)}")
    shown = "says" if stats.aspects else "printed"
    dropped = ", ".join(f"{getattr(row, shown)} ({row.dropped})" for row in reversed(stats.bins) if row.dropped)
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
    scale = f" on the {stats.normalized} scale" if stats.normalized else ""
    mean = f"mean reward {_logged(stats.mean, stats.direction)}{scale}"
    lines = [
        one_line(stats.name),
        f"  rows      {_rows(stats.accounting)}",
        f"  {_how_cut(stats)}, {mean}",
        f"  examples  {stats.examples} from {stats.records} records: {stats.expansion:.2f} each",
    ]
    if stats.aspects:
        names = ", ".join(aspect.name for aspect in stats.aspects)
        lines[2] = f"  goals     {stats.bins_effective} over {len(stats.aspects)} aspects: {names}"
    if len(stats.splits) > 1:
        parts = ", ".join(f"{split.name} {split.examples} from {split.records}" for split in stats.splits)
        lines.append(f"  splits    {parts}")
    return lines


def _how_cut(stats: "Stats") -> str:
    """Where the thresholds come from, in a few words."""
    if stats.cut:
        word = "up to" if stats.direction == "lower" else "from"
        share = stats.cut.records / stats.splits[0].records
        value = _in_log(stats.cut.value, stats.direction)
        return f"cut       {stats.cut.asked}: rewards {word} {value:.6g}, {share:.1%} of {stats.splits[0].name}"
    if stats.rule is None:
        return "bins      none"
    if stats.rule == "bins" and stats.bins_effective != stats.bins_asked:
        why = "equal edges merged" if stats.ties == "merge" else "fewer different rewards"
        return f"bins      {stats.bins_effective} of {stats.bins_asked} asked ({why})"
    how = {"values": " (the few different rewards)", "given": " (thresholds as given)", "labels": " (ordered labels)"}
    return f"bins      {stats.bins_effective}{how.get(stats.rule, '')}"


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
        "edge": lambda row: f"{_in_log(row.edge, direction):.10g}",
        f"goal {comparator}" if is_plain else "goal": lambda row: row.printed if is_plain else row.says,
        "records": lambda row: str(row.records),
        "share": lambda row: f"{row.share:.1%}",
        "": lambda row: _bar(row.share / largest if largest else 0.0),
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


def _bar(share: float) -> str:
    eighths = round(share * BAR_WIDTH * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8].strip() if eighths % 8 else "")
