"""What `check` says: the rules, what holds when one is kept, what to do when it is broken, and what was found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from gcsl_data.errors import one_line

Level = Literal["error", "warning", "note"]
Rules = tuple[str, ...]
MOST_OF_A_VALUE = 200  # characters of a value of the log that a finding quotes
MOST_OF_A_MESSAGE = 600


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds (in 54 characters), what to do where it does not, and how bad that is."""

    holds: str
    fix: str
    level: Level = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that breaks a rule.

    `file` is relative to the dataset, or a log. `row` (1-based) is the first row that breaks it, null where no row does.
    `fix` says in one sentence what to do next. Where findings tell of one fault in several rows, `fault` names it and `rows`
    is how many rows have it.
    """

    rule: str
    level: Level
    file: str
    row: int | None
    message: str
    fix: str
    fault: str | None = None
    rows: int | None = None


_REBUILD = "Build the dataset again from its logs, or restore it from a copy."

# Rule id -> what holds. The rules of a dataset come in the order in which they are looked at.
RULES: dict[str, Rule] = {
    "manifest.expected": Rule(
        "the manifest is the one that was expected",
        "Find out who made this dataset, or expect the SHA-256 that is shown.",
    ),
    "manifest.schema": Rule("the manifest is valid against its schema", _REBUILD),
    "manifest.id": Rule("dataset_id is the hash of the manifest's content", _REBUILD),
    "manifest.counts": Rule("rows, splits, goals and shards add up", _REBUILD),
    "manifest.files": Rule("the files in _gcsl say what the manifest says", _REBUILD),
    "shards.hash": Rule(
        "every shard is as it was written, and none is extra",
        "Restore the shard from a copy, remove what is extra, or build the dataset again.",
    ),
    "shards.columns": Rule("every shard has the columns of the manifest", _REBUILD),
    "rows.count": Rule("every shard has as many rows as the manifest says", _REBUILD),
    "rows.id": Rule("ids are unique and follow from source, row and goal", _REBUILD),
    "rows.goal": Rule("each row carries a kept goal, word for word", _REBUILD),
    "rows.true": Rule("every goal is true of its row, and its level right", _REBUILD),
    "rows.splits": Rule(
        "no prompt stands in two splits",
        "Build the dataset again with --split, which divides by prompt.",
    ),
    "splits.empty": Rule(
        "every split has rows",
        "Give the split a larger share, or leave it out of --split.",
        "warning",
    ),
    "log.rows": Rule(
        "every row of the logs can be used",
        "Mend the row, or set such rows aside with --on-error quarantine.",
    ),
    "log.expand": Rule(
        "the logs can be expanded with these settings",
        "Change the setting that the message names, then check again.",
    ),
    "log.schema": Rule(
        "every row is valid against the schema",
        "Mend the rows (--write-extract FILE writes them), or change the schema.",
    ),
    "gate": Rule(
        "no gate is met",
        "Look at the numbers with gcsl-data stats, then mend the log, the settings or the gate.",
    ),
}
# What every dataset is held to.
CONTRACT = tuple(name for name in RULES if name not in ("manifest.expected", "gate") and not name.startswith("log."))


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check: what was looked at, the rules that were, and what was found.

    `base` is the folder that the files of findings are relative to, "" where they stand by themselves. `sha256` is that of
    the manifest, null for logs. `rows` is how many were looked at. `unseen` are rules that would have been looked at, too, if
    something else had not been in the way; they are in no count. `extracted` says whether rows that break a rule
    were written to a file.
    """

    name: str
    base: str
    rules: tuple[str, ...]
    findings: tuple[Finding, ...]
    rows: int
    sha256: str | None = None
    unseen: tuple[str, ...] = ()
    extracted: bool = False

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.level == "error" for finding in self.findings)

    def of(self, rule: str) -> list[Finding]:
        """What breaks one rule."""
        return [finding for finding in self.findings if finding.rule == rule]

    def path(self, finding: Finding) -> str:
        """A finding's file as it is reached from here."""
        return f"{self.base.rstrip('/')}/{finding.file}" if self.base else finding.file


def divided(rules: Sequence[str], looked_at: Collection[str], findings: Sequence[Finding]) -> tuple[Rules, Rules]:
    """The rules that were looked at, or that something breaks all the same, and the others, in the order of `rules`."""
    seen = {*looked_at, *(one.rule for one in findings)}
    return tuple(rule for rule in rules if rule in seen), tuple(rule for rule in rules if rule not in seen)


def found(
    rule: str, file: str, message: str, *, row: int | None = None, level: Level | None = None, fix: str | None = None
) -> Finding:
    """A finding with the level and the fix of its rule unless others are given; its message is one printable line."""
    known = RULES[rule]
    text = one_line(message, limit=MOST_OF_A_MESSAGE)
    return Finding(rule, level or known.level, one_line(file), row, text, fix or known.fix)


def quoted(text: str) -> str:
    """A text of the log as a finding quotes it: 200 characters on one line, and how long it is if there are more."""
    if len(text) <= MOST_OF_A_VALUE:
        return one_line(text)
    return f"{one_line(text[:MOST_OF_A_VALUE])}… ({len(text):,} characters)"
