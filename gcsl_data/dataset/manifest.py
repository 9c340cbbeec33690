"""The contract between gcsl_data and whoever trains: what `manifest.json` says. Standard library only.

A dataset is a folder with a manifest.json; it is written last, so its presence means that the dataset is complete. It
holds no timestamp, host name or absolute path: the same logs and recipe give the same bytes anywhere. `dataset_id` is the
SHA-256 of everything in it except itself and the tool versions.
"""

import dataclasses
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gcsl_data.dataset.decode import canonical, decode, encode, parse
from gcsl_data.dataset.goal import Placement
from gcsl_data.errors import DataError, InputError, reading, shown
from gcsl_data.fit import Comparator, Fit

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
SIDE_FOLDER = "_gcsl"
PARTS_FOLDER = "parts"  # in the side folder: what jobs wrote, before it is merged
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
_MOST = 2**63  # rows or bytes: what a file system can count
_SHARD_NAME = re.compile(r"data/[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)

Kind = Literal["examples", "pairs", "unpaired", "multi-negative", "groups"]
Format = Literal["messages", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One log that was read; `uri` is relative to the common parent of all inputs. `rejected` counts by reason.

    `rows` are responses, usable or not: of a row with several, each. A table that titles were looked up in has none.
    """

    uri: str
    bytes: int
    sha256: str
    rows: int
    rejected: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Where every row went: rows = used + sum(rejected) + sum(filtered), by reason."""

    rows: int
    used: int
    rejected: dict[str, int]
    filtered: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """What is suspicious in the usable records of the logs, counted before anything that was asked for is left out.

    `duplicates` counts records that repeat an earlier one: the same prompt, response and rewards. `conflicting` counts those
    whose prompt and response stand elsewhere with other rewards. `leaks` counts those that hold a goal's text or a score.
    `control_tokens` counts those that hold a control token of a chat template. `longest` is the most characters of prompt and
    response together.
    """

    duplicates: int
    conflicting: int
    leaks: int
    control_tokens: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Goal k: "reaches threshold k". `threshold` holds the digits as printed; `dropped` says why it is not in use.

    `text` is null where goals are not written (they then only say how often a record was copied).

    `records` is how many used records of the train split reach it, `examples` how many rows of all splits carry it.
    """

    index: int
    text: str | None
    sha256: str | None
    threshold: str
    comparator: Comparator
    dropped: str | None
    records: int
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A goal template: file name and hash of its text; metric, scale and unit as they were filled in."""

    name: str
    sha256: str
    metric: str
    scale: tuple[float, ...] | None
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split: records that were put in it, and rows (examples) written for them."""

    name: str
    records: int
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One Arrow IPC file, named relative to the dataset folder."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The lowest and the highest value over all rows of what `name` says, such as the gap of pairs."""

    name: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of every shard: name, Arrow type as Arrow prints it, whether null may occur."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a reader needs to know about a dataset, and everything that made it.

    At inference, ask for `inference_text`: that of `inference_goal` where goals have an index, or of `inference_reward` (in
    the unit of the `reward` column) where they state a value; without a text the reward itself is what a trainer embeds. All
    are null where prompts carry no goal. `templates` are by aspect; a single reward's stands under "reward". `ranges` is
    empty for rows that demonstrate goals.
    """

    format_version: int
    dataset_id: str
    kind: Kind
    formulation: str
    format: Format
    placement: Placement
    inference_goal: int | None
    inference_text: str | None
    inference_reward: float | None
    tools: dict[str, str]
    inputs: tuple[Input, ...]
    accounting: Accounting
    hygiene: Hygiene
    recipe: dict[str, Any]
    templates: dict[str, Template]
    fit: Fit
    goals: tuple[Goal, ...]
    splits: tuple[Split, ...]
    ranges: tuple[Range, ...]
    shards: tuple[Shard, ...]
    columns: tuple[Field, ...]
    columns_sha256: str

    def goal(self, index: int) -> Goal:
        """Goal k. Raises KeyError for an index that the fit does not have."""
        for goal in self.goals:
            if goal.index == index:
                return goal
        raise KeyError(index)

    @property
    def kept_goals(self) -> tuple[Goal, ...]:
        """The goals that rows carry, lowest first."""
        return tuple(goal for goal in self.goals if goal.dropped is None)

    def split_shards(self, split: str) -> tuple[Shard, ...]:
        """The shards of one split, in order."""
        return tuple(shard for shard in self.shards if shard.split == split)

    def identified(self) -> "Manifest":
        """The same manifest with its `dataset_id` computed from the rest."""
        content = encode(self)
        for name in ("dataset_id", "tools"):
            del content[name]
        return dataclasses.replace(self, dataset_id=hashlib.sha256(canonical(content)).hexdigest())


def template_file(aspect: str) -> str:
    """Where in `SIDE_FOLDER` a dataset keeps the template of an aspect; a single reward's is template.j2."""
    return "template.j2" if aspect == "reward" else f"template-{aspect}.j2"


def has_parts(folder: Path) -> bool:
    """Whether jobs have written parts of a dataset there that are not merged; not, where one may not look."""
    try:
        return (folder / SIDE_FOLDER / PARTS_FOLDER).is_dir()
    except OSError:
        return False


def load(folder: str | os.PathLike[str]) -> Manifest:
    """The manifest of the dataset in `folder`, as it was written: its content has the `dataset_id` that it carries.

    Raises InputError (66) when there is no such folder, DataError (65) when the folder holds no finished dataset or the
    manifest is damaged, edited, of another version, or names a file outside the dataset.
    """
    manifest = load_unidentified(folder)
    if manifest.identified().dataset_id != manifest.dataset_id:
        raise DataError(
            "GD6530",
            f"{Path(folder) / MANIFEST_NAME} does not match its content (it was edited after it was written); "
            "restore it or build the dataset again",
        )
    return manifest


def load_unidentified(folder: str | os.PathLike[str]) -> Manifest:
    """What `load` gives, whether or not the content has the `dataset_id` it carries; for who says so in other words."""
    where = str(Path(folder) / MANIFEST_NAME)
    manifest = from_json(read_document(folder), where)
    for problem in contradictions(manifest):
        raise DataError("GD6511", f"{where}: {problem}; restore it or build the dataset again")
    return manifest


def read_document(folder: str | os.PathLike[str]) -> Any:
    """manifest.json as parsed JSON, not yet checked. Raises InputError (66) and DataError (65) as `load` does."""
    root = Path(folder)
    path = root / MANIFEST_NAME
    with reading(path):
        if not root.is_dir():
            raise InputError("GD6601", f"{root} is not a folder; expected a dataset made by `gcsl-data expand`")
        if not path.is_file() and has_parts(root):
            raise DataError("GD6572", f"{root} holds parts of a dataset; gcsl-data merge {root} makes one of them")
        if not path.is_file():
            raise DataError("GD6501", f"{root} has no {MANIFEST_NAME}, so it holds no finished dataset; build it again")
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise DataError(
                "GD6502", f"{path} is larger than {MAX_MANIFEST_BYTES} bytes; this is not one of our manifests"
            )
        content = path.read_bytes()
    try:
        return parse(content)
    except (ValueError, RecursionError) as error:
        raise DataError(
            "GD6503", f"{path} is not valid JSON ({error}); restore it or build the dataset again"
        ) from None


def from_json(document: Any, where: str) -> Manifest:
    """A parsed manifest.json as a Manifest; `where` names it in errors. Raises DataError (65)."""
    version = document.get("format_version") if isinstance(document, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise DataError(
            "GD6504",
            f"{where}: format_version is {version!r}, this gcsl reads {FORMAT_VERSION}; install the gcsl that wrote it",
        )
    try:
        manifest = decode(Manifest, document)
    except ValueError as error:
        raise DataError("GD6505", f"{where}: {error}; restore it or build the dataset again") from None
    _check_shard_names(manifest, where)
    return manifest


def contradictions(manifest: Manifest) -> Iterator[str]:
    """What no reader could work with: goals and thresholds that do not belong together, numbers that are none."""
    goals, fit = manifest.goals, manifest.fit
    yield from fit.contradictions()
    numbers = [(t.index, t.printed, fit.comparator, t.dropped) for t in fit.thresholds]
    if [(goal.index, goal.threshold, goal.comparator, goal.dropped) for goal in goals] != numbers:
        yield "goals and fit.thresholds are not the same numbers, 1 to K, under one comparator"
    highest = max((goal.index for goal in manifest.kept_goals if goal.text is not None), default=None)
    if manifest.inference_goal != highest:
        yield f"inference_goal is {manifest.inference_goal}, which is not the highest kept goal"
    elif highest is not None and manifest.inference_text != manifest.goal(highest).text:
        yield "inference_text is not the text of the inference goal"
    if not manifest.shards:
        yield "it names no shards"
    for shard in manifest.shards:
        if not (0 <= shard.rows < _MOST and 0 <= shard.bytes < _MOST):
            yield f"{shard.name} cannot have {shard.rows} rows in {shard.bytes} bytes"
    if sum(split.records for split in manifest.splits) < 1:
        yield "it counts no records"


def is_shard_name(name: str) -> bool:
    """Whether it names a file in the data folder of a dataset and nowhere else."""
    return _SHARD_NAME.fullmatch(name) is not None


def _check_shard_names(manifest: Manifest, where: str) -> None:
    counts = Counter(shard.name for shard in manifest.shards)
    for name, count in counts.items():
        if not is_shard_name(name) or count > 1:
            raise DataError(
                "GD6506", f"{where}: {shown(name)} is not a plain shard name of this dataset; do not use this manifest"
            )


def verified_shard(folder: str | os.PathLike[str], shard: Shard) -> Path:
    """The path of a shard whose size and SHA-256 are those of the manifest; a parser may open it.

    Arrow IPC has no checksum and a damaged file can crash a reader, so this comes before any parser.
    Raises DataError (65), naming the shard.
    """
    path = Path(folder) / shard.name
    try:
        info = path.lstat()
    except OSError:
        raise DataError("GD6507", f"{path} is missing; restore it or build the dataset again") from None
    if not stat.S_ISREG(info.st_mode):
        raise DataError("GD6508", f"{path} is not a regular file; restore it or build the dataset again")
    if info.st_size != shard.bytes:
        raise DataError("GD6509", f"{path} has {info.st_size} bytes, the manifest says {shard.bytes}; restore it")
    with reading(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != shard.sha256:
        raise DataError("GD6510", f"{path} is damaged: its SHA-256 is not the manifest's; restore it or build again")
    return path
