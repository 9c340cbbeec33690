"""What people see: tables and progress, in 80 columns. Log text never becomes markup or control codes."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tomli_w
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from gcsl_data.errors import one_line

if TYPE_CHECKING:  # what is shown was imported by whoever made it; no command waits for the others' modules
    from gcsl_data.dataset.export import Exported
    from gcsl_data.dataset.manifest import Accounting, Hygiene
    from gcsl_data.extremes import Extremes
    from gcsl_data.presets import Preset
    from gcsl_data.schema_diff import Change

OnRows = Callable[[int, int], None]

PLAIN_SECONDS = 2.0  # between two lines of plain progress


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
    say_indented(f"  rows      {row_counts(account)}")


def say_extremes(extremes: "Extremes") -> None:
    """The best and the worst records, a line each: does "better" mean what the log means?"""
    for word, records in (("best", extremes.best), ("worst", extremes.worst)):
        for reward, prompt, response in records.select("reward", "prompt", "response").iter_rows():
            asked = prompt if isinstance(prompt, str) else prompt[-1]["content"]
            texts = f"{one_line(asked, limit=30)} -> {one_line(response, limit=30)}"
            say_indented(f"  {word:<10}{reward * extremes.sign + 0.0:.6g}: {texts}")


def show_presets(presets: "Sequence[Preset]", *, as_json: bool) -> None:
    """The packaged presets: a line for each, and what to say."""
    if as_json:
        fields = ("name", "title", "source", "licence", "about")
        print_json({"presets": [{field: getattr(preset, field) for field in fields} for preset in presets]})
        return
    width = max(len(preset.name) for preset in presets)
    for preset in presets:
        print(f"{preset.name:<{width}}  {one_line(preset.title)} ({preset.licence})")
    say("gcsl-data expand LOG --preset NAME; gcsl-data schema logs NAME shows one, to be copied and changed")


def show_schema(schema: dict[str, object], *, as_json: bool) -> None:
    """A JSON Schema; under --json as the field `schema` of the one object."""
    if as_json:
        print_json({"schema": schema})
    else:
        print(json.dumps(schema, indent=2, ensure_ascii=False))


def show_changes(changes: "Sequence[Change]") -> None:
    """Fields that came, went or changed, a line each."""
    for change in changes:
        word = "breaking" if change.breaking else "added" if change.before is None else "narrowed"
        what = one_line(f"{change.field}: {change.before or 'absent'} -> {change.after or 'absent'}")
        print(f"{word:<9} {what}")


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
    return f"# {key} is not set" if value is None else f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    """A value as TOML writes it in one line; what is not set inside it is left out."""
    if isinstance(value, Mapping):
        inner = [f"{_key(name)} = {_toml(item)}" for name, item in value.items() if item is not None]
        return f"{{ {', '.join(inner)} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


@contextmanager
def progress(mode: str, what: str, unit: str = "rows") -> Iterator[OnRows]:
    """Something to call with (rows done, rows in all): a bar on a terminal, lines when plain."""
    interactive = sys.stderr.isatty() and not os.environ.get("CI")
    if mode == "none" or (mode == "auto" and not interactive):
        yield lambda _done, _total: None
        return
    if mode == "plain":
        yield _now_and_then(lambda done, total: say(f"{what}: {done} of {total} {unit}"))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _now_and_then(tell: OnRows) -> OnRows:
    """Tells the first time, every few seconds, and of the last."""
    told = -PLAIN_SECONDS

    def hear(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done >= total or now - told >= PLAIN_SECONDS:
            told = now
            tell(done, total)

    return hear


@contextmanager
def steps(mode: str) -> Iterator[Callable[[str], None]]:
    """Something to call with what is done now: a spinner on a terminal, lines when plain."""
    interactive = sys.stderr.isatty() and not os.environ.get("CI")
    if mode == "none" or (mode == "auto" and not interactive):
        yield lambda _step: None
    elif mode == "plain":
        yield say
    else:
        with Console(stderr=True).status("") as status:
            yield lambda step: status.update(Text(one_line(step)))


LEFT_OUT = "before they were left out"


def hygiene_lines(hygiene: "Hygiene", account: "Accounting") -> list[str]:
    """What is suspicious, a line for each count, before anything is left out; what is left out already needs no hint."""
    lines = [
        f"  hygiene   {count} {what}"
        + (f" ({LEFT_OUT})" if reason in account.filtered else f" ({hint})" if hint else "")
        for count, what, reason, hint in (
            (hygiene.duplicates, "repeat an earlier record", "duplicate", "--dedup exact keeps the first"),
            (hygiene.conflicting, "share prompt and response but not the reward", "conflicting", "see --conflicts"),
            (hygiene.leaks, "hold a goal or a score in prompt or response", None, None),
            (
                hygiene.control_tokens,
                "hold control tokens",
                "control_tokens",
                "--control-tokens reject leaves them out",
            ),
        )
        if count
    ]
    hint = LEFT_OUT if "too_long" in account.filtered else "--max-chars leaves out longer ones"
    return [*lines, f"  longest   {hygiene.longest} characters ({hint})"]


def row_counts(account: "Accounting") -> str:
    aside = [f"{n} {one_line(reason)}" for reason, n in (account.rejected | account.filtered).items()]
    return f"{account.rows} = {account.used} used" + "".join(f" + {part}" for part in aside)
