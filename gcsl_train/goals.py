"""The goals a model was trained with, as a run keeps them in goals.json: which exist, where they stand, which to ask for."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gcsl_data.dataset.goal import PLACEMENTS, Message, Messages, Placement, place, token
from gcsl_data.dataset.manifest import Format, Goal, Manifest
from gcsl_data.errors import DataError, UsageError, shown
from gcsl_data.fit import GoalForm
from gcsl_train.errors import nearest, reason

WORDS = ("highest", "lowest", "none")
REWARD_TOKEN = "<|reward|>"  # stands in prompts where the trainer embeds the reward itself


@dataclass(frozen=True, slots=True)
class Asked:
    """One goal to put into prompts; all are None for no goal, the index alone for a text of the user's own.

    `reward` (in the unit of the `reward` column) is what the text stands for where the trainer embeds rewards.
    """

    index: int | None
    text: str | None
    reward: float | None = None

    @property
    def key(self) -> int | float | None:
        """What tells it from the other goals of its book."""
        return self.index if self.reward is None else self.reward


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Goals that are rewards: the one to ask for, and the lowest and highest that were trained.

    All are in the unit of the `reward` column; `sign` times that is what the log has, and what people read and write.
    """

    inference: float
    minimum: float
    maximum: float
    sign: int

    def __post_init__(self) -> None:
        numbers = (self.inference, self.minimum, self.maximum)
        if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers) or self.sign not in (1, -1):
            raise ValueError("rewards that are no numbers")

    def logged(self, reward: float) -> float:
        """A reward in the log's own unit; zero never has a sign."""
        return self.sign * reward + 0.0

    def ask(self, wanted: str) -> Asked:
        """The goal for `highest` or a number in the log's own unit. Raises UsageError (2) for anything else."""
        try:
            reward = self.inference if wanted == "highest" else self.sign * float(wanted) + 0.0
        except ValueError:
            reward = math.nan
        if not math.isfinite(reward):
            raise UsageError(
                "GT0214",
                f"goal {shown(wanted)}: goals are rewards here; ask for a number such as "
                f"{self.logged(self.inference):g}, for highest, or none",
            )
        return Asked(None, REWARD_TOKEN, reward)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalBook:
    """Goals and layout of one dataset. `form` is how goals are written; None: they are not.

    `embedded` says which rewards can be asked for, where the trainer reads those instead of goals.
    """

    dataset_id: str
    format: Format
    placement: Placement
    form: GoalForm | None
    inference_goal: int | None
    inference_text: str | None
    goals: tuple[dict[str, Any], ...]
    embedded: Embedded | None = None

    def __post_init__(self) -> None:
        """Raises DataError (65) when goals are tokens and one does not read as its token does."""
        for goal in self.goals if self.form == "token" else ():
            if goal["text"] != token(goal["index"]):
                raise DataError(
                    "GT6526",
                    f"goal {goal['index']} reads {shown(goal['text'])}, expected the special token "
                    f"{token(goal['index'])}; build the dataset again",
                )

    @property
    def tokens(self) -> tuple[str, ...]:
        """The special tokens that goals are, lowest first; empty where goals are sentences or there are none."""
        if self.embedded:
            return (REWARD_TOKEN,)
        return tuple(self.kept.values()) if self.form == "token" else ()

    @property
    def kept(self) -> dict[int, str]:
        """Index and text of every goal that training rows carried."""
        return {g["index"]: g["text"] for g in self.goals if g["dropped"] is None and g["text"] is not None}

    @property
    def has_goals(self) -> bool:
        """Whether there is anything to ask for."""
        return bool(self.embedded or self.kept or self.inference_text is not None)

    def ask(self, wanted: str) -> Asked:
        """What `--goal` means: highest, lowest, none, the number of a kept goal, or any other text as it stands.

        Where goals are rewards a number is one, in the log's own unit, and there is no lowest and no text.

        Raises UsageError (2) for a number that is not a kept goal (it names those) and for a mistyped word.
        """
        if wanted == "none":
            return Asked(None, None)
        if self.embedded:
            return self.embedded.ask(wanted)
        if wanted == "highest" and self.inference_text is not None:
            return Asked(self.inference_goal, self.inference_text)
        if wanted in WORDS or wanted.lstrip("-").isdigit():
            if not self.kept:
                if self.inference_text is not None:
                    raise UsageError("GT0214", f"goal {wanted}: these goals have no numbers; ask for highest or a text")
                raise UsageError("GT0214", f"goal {wanted}: this dataset has no goals; ask for --goal none")
            index = {"highest": max(self.kept), "lowest": min(self.kept)}.get(wanted)
            index = int(wanted) if index is None else index
            if index not in self.kept:
                kept = ", ".join(map(str, self.kept))
                raise UsageError("GT0214", f"goal {wanted} is not one that was trained; kept goals: {kept}")
            return Asked(index, self.kept[index])
        if " " not in wanted and "did you mean" in (hint := nearest(wanted, list(WORDS))):
            raise UsageError("GT0215", f"unknown goal {wanted!r}; {hint}")
        try:
            wanted.encode()
        except UnicodeEncodeError:
            raise UsageError("GT0215", "the text of --goal is not UTF-8") from None
        by_text = {text: index for index, text in self.kept.items()}
        if self.tokens and wanted not in by_text:
            known = ", ".join(map(str, self.kept))
            raise UsageError("GT0214", f"goals are special tokens here, not texts; ask for one of {known}, or none")
        return Asked(by_text.get(wanted), wanted)

    def place(self, prompt: str | Messages, asked: Asked) -> str | list[Message]:
        """The prompt as the model is to see it. Raises DataError (65) when it has no turn for the goal to stand in."""
        if isinstance(prompt, str) and self.format == "messages":
            prompt = [Message(role="user", content=prompt)]
        if not isinstance(prompt, str) and self.format == "text":
            raise DataError("GT6512", "the dataset holds plain text, this prompt is a conversation; give text prompts")
        try:
            return place(prompt, asked.text, self.placement)
        except ValueError as error:
            raise DataError("GT6513", str(error)) from None

    def named(self, asked: Asked) -> dict[str, Any]:
        """What a log says of the goal that was asked for: `goal`, `goal_index`, and `goal_reward` where goals are rewards."""
        if self.embedded is None:
            return {"goal": asked.text, "goal_index": asked.index}
        reward = None if asked.reward is None else self.embedded.logged(asked.reward)
        return {"goal": None, "goal_index": None, "goal_reward": reward}

    def warning(self, asked: Asked) -> str | None:
        """What to say of a reward that lies outside of those that were trained."""
        found = self.embedded
        if found is None or asked.reward is None or found.minimum <= asked.reward <= found.maximum:
            return None
        low, high = sorted(found.logged(end) for end in (found.minimum, found.maximum))
        return f"warning: the reward {found.logged(asked.reward):g} is outside of those trained, {low:g} to {high:g}"

    def as_json(self) -> dict[str, Any]:
        """The content of goals.json."""
        return asdict(self)


def embeds_reward(manifest: Manifest) -> bool:
    """Whether rows of a dataset carry no goal but their reward, which the trainer embeds."""
    return manifest.inference_reward is not None and manifest.inference_text is None


def from_manifest(manifest: Manifest) -> GoalBook:
    """The goals of a dataset."""
    fit, embedded = manifest.fit, None
    if manifest.inference_reward is not None and embeds_reward(manifest):
        embedded = Embedded(
            inference=manifest.inference_reward, minimum=fit.minimum, maximum=fit.maximum, sign=fit.sign
        )
    return GoalBook(
        dataset_id=manifest.dataset_id,
        format=manifest.format,
        placement=manifest.placement,
        form=manifest.fit.form,
        inference_goal=manifest.inference_goal,
        inference_text=manifest.inference_text,
        goals=tuple(_public(goal) for goal in manifest.goals),
        embedded=embedded,
    )


def read(path: Path) -> GoalBook:
    """The goals of a run. Raises DataError (65) when goals.json is missing or damaged."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        embedded = Embedded(**raw["embedded"]) if raw.get("embedded") else None
        book = GoalBook(**{"form": None, **raw, "goals": tuple(raw["goals"]), "embedded": embedded})
        if book.placement not in PLACEMENTS or book.format not in ("messages", "text"):
            raise ValueError("unknown placement or format")
        for goal in book.goals:
            if not (isinstance(goal["index"], int) and isinstance(goal["text"], str | None) and "dropped" in goal):
                raise ValueError("a goal without index, text or dropped")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            "GT6514", f"{path} cannot be read ({reason(error)}); is this a run folder of gcsl-train?"
        ) from None
    return book


def _public(goal: Goal) -> dict[str, Any]:
    names = ("index", "text", "threshold", "comparator", "dropped")
    return {name: getattr(goal, name) for name in names}
