"""The recipe: everything a person may decide about a dataset, frozen, nested by stage.

Values come from flags, else `GCSL_<STAGE>_<NAME>` in the environment, else a TOML file, else the defaults below. An
unknown key is an error that offers the nearest name. No stage takes the whole recipe: each takes its own part.
"""

import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gcsl_data.columns import ASPECT_PREFIX, OUR_COLUMNS, OURS, RAW_COLUMN
from gcsl_data.dataset.goal import Placement
from gcsl_data.dataset.manifest import Format
from gcsl_data.errors import RecipeError, UsageError, nearest, shown
from gcsl_data.fit import Direction, Ties
from gcsl_data.ingest.shapes.settings import MAPPED_FIELDS, ShapeStage, Sql
from gcsl_data.normalisation import RewardMethodName
from gcsl_data.presets import HEAD, find_preset
from gcsl_data.stages.builders.settings import BuildStage

ENVIRONMENT_PREFIX = "GCSL_"
TRAINER_PARTS = (
    "data",
    "model",
    "lora",
    "optim",
    "run",
    "loss",
)  # a file may say how to train, too (gcsl_train --config)
CHECK_PART = "check"  # what `gcsl-data check` reads of a file, and nobody else
OTHER_VARIABLES = ("GCSL_TRACEBACK",)  # what else has that prefix and is no setting
_ASPECT = re.compile("[a-z][a-z0-9_]*", re.ASCII)
_DEEPEST = 10  # parts of the path of a setting; shapes have four
_DECIMAL = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?", re.ASCII)
_FILTER = re.compile(r"mean|median|midpoint|none|top:[1-9][0-9]{0,3}|[1-9][0-9]{0,3}(,[1-9][0-9]{0,3})*", re.ASCII)
OnError = Literal["fail", "quarantine"]
Dedup = Literal["none", "exact"]
Conflicts = Literal["keep", "mean", "first", "reject"]
ControlTokens = Literal["keep", "reject"]
FormulationName = Literal[
    "gcsl-bey-nl", "gcsl-bey-snl", "gcsl-bey", "gcsl-nl", "gcsl", "ca", "reward-embedding", "sft-aug", "sft",
    "pairs", "unpaired", "multi-negative", "best-of-group", "weights", "groups", "steerlm",
]  # fmt: skip
Reducer = Literal["mean", "median", "min", "max", "sum", "first"]


class Stage(BaseModel):
    """One part of the recipe: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RecordStage(Stage):
    """How a log becomes records."""

    map: dict[str, Sql] = {}
    """Record field to SQL expression over the log's columns, e.g. reward = "1 - continuation.toxicity"; of a list of them
    the first that fits the log's columns counts."""
    rewards: dict[str, str] = {}
    """Aspect to SQL expression, e.g. safety = "scores.safety": several rewards, carried as reward_<aspect>, side by side."""
    direction: Direction = "higher"
    """Whether a higher or a lower logged value is better."""
    directions: dict[str, Direction] = {}
    """The same for single aspects, where they differ."""
    reward_order: tuple[str, ...] = ()
    """Labels that are the reward, from the lowest to the highest; they count 1, 2, 3 ..."""
    reward_reduce: Reducer | None = None
    """How a list of numbers becomes one reward."""
    keep: tuple[str, ...] = ()
    """Columns of the log to carry along, under their own names."""

    @field_validator("map")
    @classmethod
    def _known_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in MAPPED_FIELDS:
                raise ValueError(f"{name!r} is not a record field; {nearest(name, MAPPED_FIELDS)}")
        return value

    @field_validator("map")
    @classmethod
    def _reward_is_hidden(cls, value: dict[str, str]) -> dict[str, str]:
        for name in ("prompt", "response"):
            if value.get(name, name) == value.get("reward", "reward"):
                raise ValueError(f"the {name} would be the reward itself ({value.get(name, name)}); map another column")
        return value

    @field_validator("rewards")
    @classmethod
    def _aspect_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _ASPECT.fullmatch(name) or name.startswith("raw"):
                raise ValueError(
                    f"{name!r} cannot name an aspect; use small letters, digits and _, and not raw... at the start"
                )
        return value

    @model_validator(mode="after")
    def _aspects_fit(self) -> "RecordStage":
        if self.rewards and "reward" in self.map:
            raise ValueError("--reward and --map reward both say what the reward is; give one of them")
        for name in self.directions:
            if name not in self.rewards:
                raise ValueError(f"a direction for {name!r}, which is no aspect; {nearest(name, list(self.rewards))}")
        if taken := [name for name in self.keep if name.startswith(ASPECT_PREFIX) and self.rewards]:
            raise ValueError(f"{taken[0]!r} is what aspects are called; map it to another name")
        return self

    @field_validator("reward_order", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        labels = [label.strip() for label in value.split("<")] if isinstance(value, str) else value
        if isinstance(labels, list) and labels and (len(labels) < 2 or "" in labels or len(set(labels)) < len(labels)):
            raise ValueError("an order is two or more different labels, the lowest first: Poor<Good<Excellent")
        return labels

    @field_validator("keep", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @field_validator("keep")
    @classmethod
    def _not_ours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if taken := [name for name in value if name in OUR_COLUMNS or name.startswith((RAW_COLUMN, OURS))]:
            raise ValueError(f"{taken[0]!r} is a column that gcsl writes itself; leave it out")
        if twice := [name for name in value if value.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} is named twice")
        return value

    def direction_of(self, aspect: str) -> Direction:
        """Which values of an aspect are better."""
        return self.directions.get(aspect, self.direction)


class ChecksStage(Stage):
    """What happens to rows that cannot be used, and to records that are merely suspicious."""

    on_error: OnError = "fail"
    """Stop at the first unusable row, or set such rows aside and count them."""
    max_reject_rate: float = Field(default=0.01, ge=0, le=1)
    """With quarantine: the largest share of rows (0 to 1) that may be set aside."""
    dedup: Dedup = "none"
    """Exact duplicates (the same prompt, response and reward): all are kept, or the first in the log."""
    conflicts: Conflicts = "keep"
    """The same prompt and response with different rewards: all are kept, or the first with the mean reward, or the first as
    it is, or none."""
    control_tokens: ControlTokens = "keep"
    """Records that hold a control token of a chat template, such as <|im_start|>: they are kept, or left out."""
    max_chars: int | None = Field(default=None, ge=1)
    """Records with more characters than this in prompt and response together are left out."""


class SplitsStage(Stage):
    """How records are divided, so that no prompt stands in two splits."""

    shares: tuple[float, ...] = ()
    """Shares of train, validation and test, adding up to 1; empty means one split, train."""
    by: Literal["prompt", "time"] = "prompt"
    """By hash of the prompt, or by the first time that it was seen (record.map has a time): train holds the earlier ones."""

    @field_validator("shares", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("two or three shares with commas are needed, such as 0.8,0.1,0.1")
        return value

    @field_validator("shares")
    @classmethod
    def _add_up(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and (len(value) not in (2, 3) or not min(value) > 0 or not abs(sum(value) - 1) <= 1e-9):
            raise ValueError("two or three positive shares (train, validation, test) must add up to 1")
        return value


class RewardsStage(Stage):
    """How rewards are brought to a common scale before they are binned."""

    normalize: RewardMethodName = "none"
    """As logged, or by minmax, zscore, robust, rank or log."""
    normalize_by: Literal["all", "group"] = "all"
    """Against the whole train split, or against the other responses of the same group."""
    clip: tuple[float, ...] = ()
    """Two shares, such as 0.01,0.99: rewards beyond those of the train split are set to them first; empty means none are."""

    @field_validator("clip", mode="before")
    @classmethod
    def _two_shares(cls, value: object) -> object:
        if isinstance(value, str) or (isinstance(value, list | tuple) and len(value) not in (0, 2)):
            raise ValueError("a low and a high share are needed, such as 0.01,0.99")
        return value

    @field_validator("clip")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and not 0 <= value[0] < value[1] <= 1:
            raise ValueError("clip goes from a lower to a higher share, both from 0 to 1")
        return value

    @model_validator(mode="after")
    def _groups_have_statistics(self) -> "RewardsStage":
        if self.normalize_by == "group" and self.normalize in ("none", "log"):
            raise ValueError(
                f"{self.normalize} takes no statistics, so it cannot go by group; use minmax, zscore, robust or rank"
            )
        if self.normalize_by == "group" and self.clip:
            raise ValueError("clip is learned from the whole train split, so it goes with --normalize-by all")
        return self


class BinsStage(Stage):
    """Where the thresholds lie and how they are printed."""

    count: int | Literal["auto"] = 5
    """K, the number of equal-frequency bins asked for (the paper's default is 5), or auto: as many as the rewards bear."""
    thresholds: tuple[str, ...] = ()
    """Thresholds given by a person, in the log's own unit, printed as they stand here; no bins are cut then."""
    fit: str | None = None
    """A fit.json of an earlier dataset or of `gcsl-data fit`: thresholds, kept goals and printed numbers stay as they are."""
    ties: Ties = "merge"
    """Equal thresholds are merged (and K shrinks), heavy values get bins of their own (spread), they are an error, or cut
    by rank (gcsl only)."""
    decimals: int | Literal["auto", "exact"] = "auto"
    """Digits after the point in a printed number: a number 0 to 15, as few as keep the bins (auto), or all (exact)."""

    @field_validator("count", mode="before")
    @classmethod
    def _count(cls, value: object) -> object:
        count = int(value) if isinstance(value, str) and value.isdecimal() else value
        if count != "auto" and not (type(count) is int and 2 <= count <= 1000):
            raise ValueError("auto, or a number of bins from 2 to 1000 is needed")
        return count

    @field_validator("thresholds", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        texts = [_as_text(part).strip() for part in parts]
        for text in texts:
            if not _DECIMAL.fullmatch(text):
                raise ValueError(f"plain numbers with commas are needed, such as 0.5,0.8; {text!r} is none")
        if len({float(text) for text in texts}) < len(texts):
            raise ValueError("two thresholds are the same number")
        return sorted(texts, key=float)

    @field_validator("decimals", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, str) and value not in ("auto", "exact"):
            if not value.isdecimal():
                raise ValueError("auto, exact or a number from 0 to 15 is needed")
            return int(value)
        return value

    @field_validator("decimals")
    @classmethod
    def _in_range(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 0 <= value <= 15:
            raise ValueError("decimals go from 0 to 15")
        return value


def _as_text(value: object) -> str:
    """A number without an exponent, text as it is; anything else as Python shows it, which is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format(Decimal(repr(value)), "f")
    return value if isinstance(value, str) else repr(value)


class AspectGoals(Stage):
    """How the goals of one aspect read, where they differ from the others'."""

    template: str | None = None
    """A path to a template, else the name of a packaged one."""
    metric: str | None = Field(default=None, min_length=1)
    """What the sentence calls this reward; else the aspect's name."""
    scale: tuple[float, float] | None = None
    """Lowest and highest possible value of this reward."""


class GoalsStage(Stage):
    """Which goals a record demonstrates and how they read."""

    formulation: FormulationName = "gcsl-bey-nl"
    """The way records become examples."""
    filter: str = "mean"
    """Which goals are kept: those above the train mean, the median or the midpoint of the scale, top:M, none (all), or a
    list of goals such as 4,5."""
    cut: str | None = None
    """What sft keeps (else 25%) and unpaired labels good (else 50%): a share of the records, best first, such as 25%, or a
    reward such as 0.8 and all that are as good."""
    template: str | None = None
    """A path to a template, else the name of a packaged one; else at_least, or at_most where lower is better."""
    metric: str | None = Field(default=None, min_length=1)
    """What the reward is called in the sentence; else the template's own word, else "score"."""
    scale: tuple[float, float] | None = None
    """Lowest and highest possible value, in the log's own unit; else the template's."""
    placement: Placement = "prefix"
    """Where the goal stands in the prompt."""
    aspects: dict[str, AspectGoals] = {}
    """For several rewards: template, metric and scale of single ones."""

    def of_aspect(self, name: str) -> "GoalsStage":
        """The stage as one aspect sees it; its metric is its name unless one of its own is given."""
        own = self.aspects.get(name, AspectGoals())
        return self.model_copy(
            update={
                "template": self.template if own.template is None else own.template,
                "metric": own.metric or name.replace("_", " "),
                "scale": own.scale or self.scale,
            }
        )

    @field_validator("filter", mode="before")
    @classmethod
    def _filter(cls, value: object) -> object:
        numbers = [value] if isinstance(value, int | float) and not isinstance(value, bool) else value
        if isinstance(numbers, list | tuple):
            value = ",".join(f"{n:g}" if isinstance(n, int | float) else str(n) for n in numbers)
        if isinstance(value, str):
            value = ",".join(part.strip() for part in value.split(","))
        if not isinstance(value, str) or not _FILTER.fullmatch(value):
            raise ValueError("mean, median, midpoint, none, top:M or a list of goals such as 4,5 is needed")
        return value

    @field_validator("cut", mode="before")
    @classmethod
    def _cut(cls, value: object) -> object:
        if value is None:
            return None
        text = _as_text(value)
        number = text.removesuffix("%")
        if not _DECIMAL.fullmatch(number) or (text.endswith("%") and not 0 < float(number) <= 100):
            raise ValueError("a share such as 25% or a reward such as 0.8 is needed")
        return text

    @field_validator("scale", mode="before")
    @classmethod
    def _two_numbers(cls, value: object) -> object:
        if value is not None and not (isinstance(value, list | tuple) and len(value) == 2):
            raise ValueError("a lowest and a highest number are needed, such as 0,1")
        return value

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not -math.inf < value[0] < value[1] < math.inf:
            raise ValueError("a scale is a lower and a higher finite number")
        return value


class OutputStage(Stage):
    """What the dataset looks like on disk."""

    format: Format = "messages"
    """Prompts and completions as chat messages, or as plain text."""
    fragment_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Logs are expanded in pieces of about this many bytes, uncompressed; each has shards of its own."""
    shard_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    """A shard is closed when its Arrow data reaches this many bytes."""


class CheckStage(Stage):
    """What `gcsl-data check` fails on. It says nothing of a dataset's content, so it is no part of the recipe of one."""

    fail_on: tuple[str, ...] = ()
    """Conditions over the numbers of `stats`, such as "bins.effective < 4"."""


class Recipe(Stage):
    """All decisions about one dataset."""

    shape: ShapeStage = ShapeStage()
    record: RecordStage = RecordStage()
    checks: ChecksStage = ChecksStage()
    splits: SplitsStage = SplitsStage()
    rewards: RewardsStage = RewardsStage()
    bins: BinsStage = BinsStage()
    goals: GoalsStage = GoalsStage()
    build: BuildStage = BuildStage()
    output: OutputStage = OutputStage()

    @model_validator(mode="after")
    def _time_is_mapped(self) -> "Recipe":
        if self.splits.by == "time" and not self.splits.shares:
            raise ValueError("splits by time need their shares; give --split 0.8,0.1,0.1")
        return self

    @model_validator(mode="after")
    def _rank_is_for_classes(self) -> "Recipe":
        if self.bins.ties == "rank" and self.goals.formulation != "gcsl":
            raise ValueError(
                "--ties rank gives equal rewards different levels, which only --formulation gcsl may; use merge or spread"
            )
        return self

    @model_validator(mode="after")
    def _attributes_have_plain_names(self) -> "Recipe":
        if self.goals.formulation == "steerlm" and set(self.goals.metric or "") & set(":,\n"):
            raise ValueError("--metric is the attribute's name here, so it has no colon, comma or line break")
        return self

    @model_validator(mode="after")
    def _text_has_no_system_message(self) -> "Recipe":
        if self.output.format == "text" and self.goals.placement == "system":
            raise ValueError("plain text has no system message; use --placement prefix or suffix, or --format messages")
        return self


def resolve(
    *,
    flags: Mapping[str, Any],
    file: str | None = None,
    preset: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Recipe, dict[str, str]]:
    """The recipe, and for each `stage.name` where its value came from: flag, environment, file, preset or default.

    `flags` maps `stage.name` to a value; None means not given. A field that is mapped replaces what a lower layer says of
    this field alone. Raises UsageError (2) for a wrong flag or environment value, RecipeError (78) for a wrong recipe file.
    """
    given = os.environ if environment is None else environment
    _require_known_variables(given)
    layers: dict[str, dict[str, Any]] = {
        "preset": dict(_from_text(*find_preset(preset))) if preset is not None else {},
        "file": dict(_from_file(file)) if file is not None else {},
        "environment": {name: given[key] for name in field_names() if (key := _variable(name)) in given},
        "flag": {name: value for name, value in flags.items() if value is not None},
    }
    _refuse_contradictions(layers["flag"])
    values: dict[str, Any] = {}
    origins = dict.fromkeys(field_names(), "default")
    for origin, layer in layers.items():
        for name in _make_way(values, layer):
            origins[name] = "default"
        for name, value in layer.items():
            setting = _setting_of(name)
            _lay(values, setting, name, value)
            origins[setting] = origin
    return _validated(values, origins, {"file": file, "preset": preset}), origins


def _setting_of(name: str) -> str:
    """`stage.name` of a setting or of something inside one: shape.sequences.min_history, goals.aspects.safety.metric."""
    setting = ".".join(name.split(".")[:2])
    is_inside = name.startswith(("shape.", "goals.aspects.")) and name.count(".") < _DEEPEST
    if setting not in field_names() or (name != setting and not is_inside):
        inside = [known for known in field_names() if known.startswith(f"{name}.")]
        raise UsageError("GD0201", f"no setting {name!r}; {nearest(name, inside or field_names())}")
    return setting


def _lay(values: dict[str, Any], setting: str, name: str, value: Any) -> None:
    """Puts one layer's value over those below it."""
    below = values.get(setting)
    if name != setting:  # something inside a setting
        values[setting] = _with_inside(below, name.removeprefix(f"{setting}.").split("."), value)
    elif setting == "record.map" and isinstance(below, dict) and isinstance(value, dict):
        values[setting] = {**below, **value}
    else:
        values[setting] = value


def _with_inside(outer: Any, path: list[str], value: Any) -> dict[str, Any]:
    """The outer value with another one at a path of keys inside it; neither it nor what it holds is changed."""
    key, *rest = path
    held = outer if isinstance(outer, dict) else {}
    return {**held, key: _with_inside(held.get(key), rest, value) if rest else value}


def _make_way(values: dict[str, Any], layer: Mapping[str, Any]) -> Iterator[str]:
    """One reward takes the place of several from a lower layer, and several that of one; how the old one was called and
    scaled goes with it. Gives the settings that are gone."""
    mapped, below = layer.get("record.map"), values.get("record.map")
    is_mapped = isinstance(mapped, dict) and "reward" in mapped
    if is_mapped:
        values.pop("record.rewards", None)
    if is_mapped or "record.rewards" in layer:
        for name in ("goals.metric", "goals.scale"):
            if values.pop(name, None) is not None:
                yield name
    if "record.rewards" in layer and isinstance(below, dict):
        values["record.map"] = {field: sql for field, sql in below.items() if field != "reward"}


# What settles a thing leaves nothing for these to say. A recipe file may hold both; what people type may not.
_SETTLED = {
    "bins.thresholds": ("bins.count", "bins.ties", "bins.decimals", "bins.fit"),
    "bins.fit": (
        "bins.count",
        "bins.ties",
        "bins.decimals",
        "goals.filter",
        "goals.cut",
        "rewards.normalize",
        "rewards.normalize_by",
        "rewards.clip",
    ),
}


def _refuse_contradictions(flags: Mapping[str, Any]) -> None:
    for setting, others in _SETTLED.items():
        for other in others if setting in flags else ():
            if other in flags:
                raise UsageError("GD0239", f"{setting} says already what {other} is to say; give one of them")


def field_names() -> list[str]:
    """Every setting as `stage.name`, in the order of the data flow."""
    return [f"{stage}.{name}" for stage, part in Recipe() for name in type(part).model_fields]


def settings(recipe: Recipe) -> dict[str, Any]:
    """Every setting as `stage.name` with its JSON value."""
    content = recipe.model_dump(mode="json")
    return {f"{stage}.{name}": value for stage, part in content.items() for name, value in part.items()}


def portable(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest keeps it: no path of this machine, nothing that leaves the data unchanged."""
    content = recipe.model_dump(mode="json", exclude_none=True)
    for stage, name in (("goals", "template"), ("bins", "fit")):
        if name in content[stage]:
            content[stage][name] = Path(content[stage][name]).name
    if items := content["shape"].get("sequences", {}).get("items"):
        content["shape"]["sequences"]["items"] = Path(items).name
    return content


def gates_in(file: str) -> tuple[str, ...]:
    """The gates in a recipe file's part `[check]`. Raises RecipeError (78) for a file that is wrong."""
    part = _content(file, _text_of(file)).get(CHECK_PART, {})
    _refuse_unknown_checks(file, part)
    try:
        return CheckStage.model_validate(part).fail_on
    except ValidationError:
        raise RecipeError(
            "GD7861", f'{file}: check.fail_on must be a list of texts, such as ["bins.effective < 4"]'
        ) from None


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace(".", "_").upper()


def _require_known_variables(environment: Mapping[str, str]) -> None:
    known = [*map(_variable, field_names()), *OTHER_VARIABLES]
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            raise UsageError("GD0232", f"no setting {name} for the environment; {nearest(name, known)}")


def _from_file(file: str) -> Iterator[tuple[str, Any]]:
    yield from _from_text(file, _text_of(file))


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError("GD7801", f"{file}: cannot read the recipe ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise RecipeError("GD7802", f"{file} is not TOML: {error}") from None


def _content(file: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError("GD7802", f"{file} is not TOML: {error}") from None
    except RecursionError:
        raise RecipeError("GD7802", f"{file} is nested more deeply than any recipe; check that it is one") from None


def _refuse_unknown_checks(file: str, part: Any) -> None:
    if not isinstance(part, dict):
        raise RecipeError("GD7803", f"{file}: {CHECK_PART} is {shown(part)} where it must be a table: [{CHECK_PART}]")
    known = list(CheckStage.model_fields)
    for name in part:
        if name not in known:
            raise RecipeError("GD7804", f"{file}: no setting {CHECK_PART}.{name}; {nearest(name, known)}")


def _from_text(file: str, text: str) -> Iterator[tuple[str, Any]]:
    """The settings of a recipe; its head `[log]`, which tells people what it is for, the trainer's parts and what `check`
    fails on are none."""
    content = _content(file, text)
    stages = [stage for stage, _ in Recipe()]
    for stage, part in content.items():
        if stage == HEAD or stage in TRAINER_PARTS:
            continue
        if stage == CHECK_PART:
            _refuse_unknown_checks(file, part)
            continue
        if stage not in stages:
            raise RecipeError(
                "GD7803", f"{file}: no part {stage!r} in a recipe; {nearest(stage, [*stages, CHECK_PART])}"
            )
        if not isinstance(part, dict):
            raise RecipeError("GD7803", f"{file}: {stage} is {shown(part)} where it must be a table: [{stage}]")
        for name, value in part.items():
            full = f"{stage}.{name}"
            if full not in field_names():
                raise RecipeError("GD7804", f"{file}: no setting {full!r}; {nearest(full, field_names())}")
            yield full, value


def _validated(values: dict[str, Any], origins: dict[str, str], files: Mapping[str, str | None]) -> Recipe:
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        stage, key = name.split(".", 1)
        is_text = origins[name] in files or name not in _LISTS_OF_NUMBERS
        nested.setdefault(stage, {})[key] = value if is_text else _parsed(value)
    try:
        return Recipe.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        place = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and "[" not in part)
        place = place.removesuffix(".str")  # which kind of value pydantic tried last
        reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
        if first["type"] == "missing" and place.count(".") == 2:
            reason = f"it must be said, by --set {place}=..., in a recipe or by a --preset"
        if file := files.get(origins.get(name, "")):
            raise RecipeError("GD7805", f"{file}: {place}: {reason}") from None
        if "." not in name:  # values that are legal one by one and wrong together
            raise UsageError("GD0202", reason) from None
        raise UsageError("GD0202", f"{place}: {reason}, found {shown(first['input'], limit=80)}") from None


# Where pydantic speaks of its own types.
_REASONS = {
    "extra_forbidden": "there is no such setting; gcsl-data schema show recipe lists them",
    "dict_type": "a table of names and values is needed",
    "model_type": "a table of names and values is needed",
    "string_type": "text is needed",
    "missing": "it must be said",
    "too_short": "at least one is needed",
}
_LISTS_OF_NUMBERS = ("splits.shares", "rewards.clip", "goals.scale")


def _parsed(value: Any) -> Any:
    """A flag or environment value as the recipe wants it: `0.8,0.1,0.1` is three numbers."""
    if not isinstance(value, str):
        return value
    if "," in value and all(_is_number(part) for part in value.split(",")):
        return [float(part) for part in value.split(",")]
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
