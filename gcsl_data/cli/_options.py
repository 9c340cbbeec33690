"""The options that several commands share. One table says for each flag which setting of the recipe it is."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import typer

from gcsl_data.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]
Progress = Annotated[
    Literal["auto", "plain", "none"], typer.Option(help="Progress on standard error; auto draws a bar on a terminal.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME|FILE", help="How a well-known log is read; `gcsl-data schema logs` lists them."
    ),
]
RecipeFile = Annotated[str | None, typer.Option("--recipe", help="A TOML file with settings; flags win over it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="STAGE.NAME=VALUE", help="Any setting of the recipe, e.g. bins.ties=error."),
]

_LOG, _HYGIENE, _BINS, _GOALS = "From log to records", "Hygiene", "Bins", "Goals"
_OTHER, _OUT = "Other methods", "Rows"


def _option(*names: str, panel: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, rich_help_panel=panel, help=help, metavar=metavar)


# parameter, setting of the recipe, type, flag, metavar, help, panel of the help screen
_TABLE: tuple[tuple[str, str, Any, str, str | None, str, str], ...] = (
    ("records", "shape.records", str, "--records", "PATH",
     "Where the rows are inside nested JSON, such as data.items.", _LOG),
    ("variants", "shape.variants", str, "--variants", "SQL|A,B,...",
     "Several responses in a row: a list, or columns side by side; each is `variant` in --map.", _LOG),
    ("items", "shape.sequences.items", str, "--items", "PATH", "For sequences: the table with the titles.", _LOG),
    ("min_history", "shape.sequences.min_history", int, "--min-history", None,
     "For sequences: users with fewer rows are left out. (10)", _LOG),
    ("map_", "record.map", list[str], "--map", "FIELD=SQL",
     "prompt, response, reward, group or messages from the log's columns; repeatable.", _LOG),
    ("rewards", "record.rewards", list[str], "--reward", "NAME=SQL",
     "Several rewards side by side, such as safety=scores.safety; repeatable.", _LOG),
    ("direction", "record.direction", list[str], "--direction", "higher|lower",
     "Which rewards are better; NAME=lower says it for one of several. (higher)", _LOG),
    ("reward_order", "record.reward_order", str, "--reward-order", "LOW<...<HIGH",
     "Labels that are the reward, from the lowest to the highest.", _LOG),
    ("reward_reduce", "record.reward_reduce", str, "--reward-reduce", "mean|median|min|max|sum|first",
     "How a list of numbers becomes one reward.", _LOG),
    ("normalize", "rewards.normalize", str, "--normalize", "none|minmax|zscore|robust|rank|log",
     "Bring rewards to a common scale. (none)", _LOG),
    ("normalize_by", "rewards.normalize_by", str, "--normalize-by", "all|group",
     "Against the train split, or each group by itself. (all)", _LOG),
    ("clip", "rewards.clip", str, "--clip", "0.01,0.99", "Set rewards beyond these shares to them first.", _LOG),
    ("keep", "record.keep", str, "--keep", "COLUMN,...", "Columns of the log to carry along.", _LOG),
    ("on_error", "checks.on_error", str, "--on-error", "fail|quarantine",
     "Unusable rows: stop, or set aside and count. (fail)", _LOG),
    ("max_reject_rate", "checks.max_reject_rate", float, "--max-reject-rate", None,
     "With quarantine: fail above this share. (0.01)", _LOG),
    ("dedup", "checks.dedup", str, "--dedup", "none|exact",
     "Exact duplicates (prompt, response, reward): keep all, or the first. (none)", _HYGIENE),
    ("conflicts", "checks.conflicts", str, "--conflicts", "keep|mean|first|reject",
     "Same prompt and response, different rewards: keep all, the first with their mean, the first, none. (keep)", _HYGIENE),
    ("control_tokens", "checks.control_tokens", str, "--control-tokens", "keep|reject",
     "Records with a chat template's control tokens, such as <|im_start|>. (keep)", _HYGIENE),
    ("max_chars", "checks.max_chars", int, "--max-chars", "N",
     "Leave out records with more characters in prompt and response together.", _HYGIENE),
    ("bins", "bins.count", str, "--bins", "K|auto", "Equal-frequency bins of the reward. (5)", _BINS),
    ("thresholds", "bins.thresholds", str, "--thresholds", "N,...", "Thresholds of your own instead of bins.", _BINS),
    ("ties", "bins.ties", str, "--ties", "merge|spread|error|rank", "When bin edges are equal. (merge)", _BINS),
    ("fit", "bins.fit", str, "--fit", "FILE|DIR", "The fit of an earlier dataset: everything as it was there.", _BINS),
    ("decimals", "bins.decimals", str, "--decimals", "auto|exact|N", "Digits of the printed thresholds. (auto)", _BINS),
    ("formulation", "goals.formulation", str, "--formulation", "NAME",
     "gcsl-bey-nl, gcsl-bey-snl, gcsl-bey, gcsl-nl, gcsl, ca, reward-embedding, sft-aug, sft; for other methods pairs, "
     "unpaired, multi-negative, best-of-group, weights, groups, steerlm. (gcsl-bey-nl)", _GOALS),
    ("template", "goals.template", str, "--template", "FILE|NAME",
     "A goal template: a path first, else a packaged name. (at_least)", _GOALS),
    ("metric", "goals.metric", str, "--metric", None, "What the sentence calls the reward. (score)", _GOALS),
    ("scale", "goals.scale", str, "--scale", "LOW,HIGH",
     "Lowest and highest possible value; goals beyond it are dropped.", _GOALS),
    ("goal_filter", "goals.filter", str, "--goal-filter", "mean|median|midpoint|top:M|none|K,...",
     "Which goals are kept: above the train mean, ... (mean)", _GOALS),
    ("cut", "goals.cut", str, "--cut", "SHARE%|REWARD", "What sft keeps (25%), what unpaired labels good (50%).", _GOALS),
    ("placement", "goals.placement", str, "--placement", "prefix|suffix|system", "Where the goal stands. (prefix)", _GOALS),
    ("pairs_top", "build.pairs_top", str, "--pairs-top", "N|all",
     "Pairs of each prompt, those with the largest gaps. (5)", _OTHER),
    ("min_gap", "build.min_gap", float, "--min-gap", None, "The rewards of a pair differ by more than this. (0.0)", _OTHER),
    ("negatives", "build.negatives", int, "--negatives", "N", "The most responses rejected for one chosen. (3)", _OTHER),
    ("weight_method", "build.weight_method", str, "--weight-method", "exp|standard|group-standard|quality",
     "How a reward becomes a weight. (exp)", _OTHER),
    ("split", "splits.shares", str, "--split", "0.8,0.1,0.1", "Shares of train, validation, test, by prompt.", _OUT),
    ("split_by", "splits.by", str, "--split-by", "prompt|time", "By hash, or by first time (--map time=SQL). (prompt)", _OUT),
    ("format_", "output.format", str, "--format", "messages|text", "Chat messages or plain text. (messages)", _OUT),
)  # fmt: skip
_FLAGS: dict[str, tuple[str, Any]] = {
    name: (setting, Annotated[kind | None, _option(flag, panel=panel, metavar=metavar, help=text)])
    for name, setting, kind, flag, metavar, text, panel in _TABLE
}

_NO_GOAL_FILTER = Annotated[bool, _option("--no-goal-filter", panel=_GOALS, help="Short for --goal-filter none.")]


def recipe_options(
    *, stages: Sequence[str] = ("shape", "record", "checks", "splits", "rewards", "bins", "goals", "build", "output")
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the flags of these stages; it receives what was given as `flags`, by setting, and None where not."""
    chosen = {name: flag for name, flag in _FLAGS.items() if flag[0].split(".")[0] in stages}
    return functools.partial(_with_flags, chosen=chosen)


def _with_flags(command: Callable[..., None], *, chosen: dict[str, tuple[str, Any]]) -> Callable[..., None]:
    has_goals = "goal_filter" in chosen

    @functools.wraps(command)
    def with_flags(**given: Any) -> None:
        flags = {setting: given.pop(name) for name, (setting, _) in chosen.items()}
        flags["record.map"] = _pairs("--map", flags["record.map"])
        flags["record.rewards"] = _pairs("--reward", flags["record.rewards"])
        flags |= _directions(flags["record.direction"])
        if has_goals and given.pop("no_goal_filter"):
            if flags["goals.filter"] not in (None, "none"):
                raise UsageError("GD0207", "--no-goal-filter contradicts --goal-filter; give one of them")
            flags["goals.filter"] = "none"
        flags |= _pairs("--set", given.pop("set_")) or {}
        command(**given, flags=flags)

    own = [p for name, p in inspect.signature(command).parameters.items() if name != "flags"]
    extra = {name: annotation for name, (_, annotation) in chosen.items()}
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *own,
        *(inspect.Parameter(name, kind, default=None, annotation=annotation) for name, annotation in extra.items()),
        *([inspect.Parameter("no_goal_filter", kind, default=False, annotation=_NO_GOAL_FILTER)] if has_goals else []),
        inspect.Parameter("set_", kind, default=None, annotation=Settings),
    ]
    with_flags.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_flags.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_flags


def _directions(given: list[str] | None) -> dict[str, Any]:
    """`--direction lower` is for all rewards, `--direction NAME=lower` for one of several."""
    plain = [text for text in given or () if "=" not in text]
    if len(plain) > 1:
        raise UsageError("GD0209", "--direction is given twice; give it once, or as NAME=lower for each of several")
    named = [text for text in given or () if "=" in text]
    return {"record.direction": plain[0] if plain else None, "record.directions": _pairs("--direction", named)}


def _pairs(flag: str, given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError("GD0208", f"{flag} {text!r}: expected NAME=VALUE")
        if name.strip() in pairs:
            raise UsageError("GD0209", f"{flag} {name.strip()} is given twice; give it once")
        pairs[name.strip()] = value.strip()
    return pairs
