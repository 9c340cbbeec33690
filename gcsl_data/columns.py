"""The glossary: every column that a stage may name, with its dtype and what it means.

log      what a team has: any columns
record   one row of a log, in our names
example  one training row: a record that demonstrates one goal
"""

from dataclasses import dataclass

import polars as pl

from gcsl_data.dataset.manifest import Kind

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String})
MESSAGES = pl.List(MESSAGE)
OURS = "_gcsl_"  # what begins like this is not a name that a log would use itself
ROW_INDEX = "_gcsl_row"  # what a scan adds to a log
PLACE = "_gcsl_place"  # of a row among those of all logs, in their order
FRAGMENT = "_gcsl_fragment"  # the index of the fragment that a row is in
PART_INDEX = "_gcsl_part"  # which response of its row a shape made a row of
SHAPE_FAULT = "_gcsl_fault"  # why a shape leaves a row out, or cannot use it
TIME = "_gcsl_time"  # when a record was logged, where a log says so
RAW_COLUMN = "reward_raw"  # a reward as it was before it was normalised; of an aspect: reward_raw_<aspect>
ASPECT_PREFIX = "reward_"  # several rewards stand side by side as reward_<aspect>
ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `dtype` in Polars' words, `about` in ours. A prompt may also be plain text (pl.String)."""

    name: str
    dtype: pl.DataType
    about: str
    nullable: bool = False


PROMPT = Column("prompt", MESSAGES, "what the model was asked: chat messages, or text")
RESPONSE = Column("response", pl.String(), "what was answered, complete")
REWARD = Column("reward", pl.Float64(), "the grade of the response; higher is better, finite, 12 significant digits")
GROUP = Column("group", pl.String(), "prompt or task; by default the hash of the normalised prompt")
SOURCE = Column("source", pl.String(), "the log file, relative to the inputs' common parent")
ROW = Column("row", pl.Int64(), "1-based record number in that file")
PART = Column("part", pl.Int32(), "which response of a row with several; 0 when it has one")

RECORD = (PROMPT, RESPONSE, REWARD, GROUP, SOURCE, ROW, PART)

EXAMPLE = (
    Column("id", pl.String(), "first 16 hex digits of SHA-256 over source, row, part and copy"),
    Column("prompt", MESSAGES, "the record's prompt with the goal in it, at the manifest's placement"),
    Column("completion", MESSAGES, "the response: one assistant message, or text"),
    Column("goal", pl.String(), "the goal sentence; null in goal-free rows", nullable=True),
    Column("goal_index", pl.Int32(), "k of the goal 'reaches threshold k'", nullable=True),
    Column("threshold", pl.Float64(), "value of the number the goal prints, in the log's own unit", nullable=True),
    Column("level", pl.Int32(), "how many thresholds the record reaches, 0..K"),
    REWARD,
    Column("weight", pl.Float64(), "weight of the row in the loss"),
    GROUP,
    SOURCE,
    ROW,
    PART,
)

_ID = Column("id", pl.String(), "first 16 hex digits of SHA-256 over source, row, part and copy")
_PROMPT = Column("prompt", MESSAGES, "the record's prompt")
_COMPLETION = Column("completion", MESSAGES, "the response: one assistant message, or text")
_CHOSEN = Column("chosen", MESSAGES, "the better response: one assistant message, or text")
_CHOSEN_REWARD = Column("chosen_reward", pl.Float64(), "the grade of the chosen response")
_WEIGHT = Column("weight", pl.Float64(), "weight of the row in the loss")
_COPY = Column("copy", pl.Int32(), "running number of the row among those of its record, from 0")
_LABELS = (GROUP, SOURCE, ROW, PART, _COPY)

# Kinds of dataset for other methods, in the forms that TRL reads. In pairs, source, row and part are those of the chosen.
PAIRS = (
    _ID,
    _PROMPT,
    _CHOSEN,
    Column("rejected", MESSAGES, "the worse response: one assistant message, or text"),
    _CHOSEN_REWARD,
    Column("rejected_reward", pl.Float64(), "the grade of the rejected response"),
    _WEIGHT,
    Column("smoothing", pl.Float64(), "label smoothing of the pair, 0 to less than 0.5"),
    *_LABELS,
    Column("rejected_source", pl.String(), "the log file of the rejected response"),
    Column("rejected_row", pl.Int64(), "its 1-based record number"),
    Column("rejected_part", pl.Int32(), "which response of its row"),
)
UNPAIRED = (
    _ID,
    _PROMPT,
    _COMPLETION,
    Column("label", pl.Boolean(), "whether the response is a good one"),
    REWARD,
    _WEIGHT,
    *_LABELS,
)
MULTI_NEGATIVE = (
    _ID,
    _PROMPT,
    _CHOSEN,
    Column("rejected", pl.List(MESSAGES), "worse responses, the lowest reward first"),
    _CHOSEN_REWARD,
    Column("rejected_reward", pl.List(pl.Float64()), "the grade of each rejected response"),
    _WEIGHT,
    *_LABELS,
    Column("rejected_source", pl.List(pl.String()), "the log file of each rejected response"),
    Column("rejected_row", pl.List(pl.Int64()), "their 1-based record numbers"),
    Column("rejected_part", pl.List(pl.Int32()), "which response of their rows"),
)
GROUPS = (
    _ID,
    _PROMPT,
    _COMPLETION,
    REWARD,
    Column("advantage", pl.Float64(), "how many standard deviations the reward is above the mean of its group"),
    _WEIGHT,
    *_LABELS,
)

KINDS: dict[Kind, tuple[Column, ...]] = {
    "examples": EXAMPLE,
    "pairs": PAIRS,
    "unpaired": UNPAIRED,
    "multi-negative": MULTI_NEGATIVE,
    "groups": GROUPS,
}

# What TRL's trainers call the columns of each kind; it has none that takes groups as they are.
TRAINER_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "examples": ("prompt", "completion"),
    "pairs": ("prompt", "chosen", "rejected"),
    "unpaired": ("prompt", "completion", "label"),
    "multi-negative": ("prompt", "chosen", "rejected"),
}

# Names that the plan uses itself, so a kept column of a log cannot have them.
OUR_COLUMNS = frozenset(
    {column.name for column in (*RECORD, *EXAMPLE)}
    | {ROW_INDEX, TIME, "log", "split", "fault", "reject", "prompt_hash", "logged"}
)
