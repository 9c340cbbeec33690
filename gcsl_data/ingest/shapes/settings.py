"""What a person declares about the shape of a log: which of the shapes it has, and where its parts stand."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gcsl_data.errors import nearest


def _alternatives(value: Any) -> Any:
    if isinstance(value, list | tuple) and not value:
        raise ValueError("a SQL expression is needed, or several of which the first that fits is taken")
    return tuple(value) if isinstance(value, list) else value


Sql = Annotated[str | tuple[str, ...], BeforeValidator(_alternatives)]
"""A SQL expression over the columns of a row; or several, of which the first that fits the log's columns is taken."""
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: _listed(value))]
"""Names: a list, or text with commas."""


def _listed(value: Any) -> Any:
    """Text with commas as the tuple of its names; anything else as it is."""
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",")) if value.strip() else ()


MAPPED_FIELDS = ("prompt", "response", "reward", "group", "messages", "time")
"""The fields of a record that SQL may say."""


class Shape(BaseModel):
    """One declared shape: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Transcripts(Shape):
    """Conversations that are written as one text, told apart by what stands before each turn."""

    columns: Names = Field(min_length=1)
    """The columns that hold one; each becomes `messages` (all of it), `prompt` and `response`, as in chosen.response."""
    user: str = Field(min_length=1)
    """What stands before a turn of the user, such as "\\n\\nHuman:"."""
    assistant: str = Field(min_length=1)
    """What stands before a turn of the assistant."""
    first: Literal["system", "user"] = "system"
    """Whose turn it is that stands before the first of these, if any."""

    @model_validator(mode="after")
    def _told_apart(self) -> "Transcripts":
        if self.user == self.assistant:
            raise ValueError("the same marker stands before both; say how the two are told apart")
        return self


class Turns(Shape):
    """A conversation in a row, each of whose answers is a record: the prompt is what was said before it."""

    messages: Sql
    """The list of turns, oldest first."""
    role: str = "role"
    """The field of a turn that says who speaks."""
    content: str = "content"
    """The field of a turn that says what."""
    answers: Names = Field(default=("assistant", "gpt", "bot", "model"), min_length=1)
    """Whose turns are responses. To each of them its own turns are the assistant's, and all others the user's."""
    system: Names = ("system",)
    """Whose turns are instructions."""
    which: Literal["all", "last"] = "all"
    """Every answer is a record, or the last one of each conversation."""


class Trees(Shape):
    """Replies to replies: every answer is a record, and answers to the same message are graded against each other.

    Either each row is one message that names its `parent`, or each row is a tree whose messages hold their `replies`.
    """

    role: str = "role"
    """The field of a message that says who speaks."""
    content: str = "text"
    """The field of a message that says what."""
    answers: Names = Field(default=("assistant",), min_length=1)
    """Whose messages are responses."""
    system: Names = ("system",)
    """Whose messages are instructions."""
    id: str | None = None
    """A row is a message: the column with its name ..."""
    parent: str | None = None
    """... and the one that names the message it replies to; null for the first of a conversation."""
    root: Sql | None = None
    """A row is a tree: its first message ..."""
    replies: str = "replies"
    """... and the field of a message that lists the replies to it."""

    @model_validator(mode="after")
    def _one_way(self) -> "Trees":
        if (self.root is None) != (self.id is not None and self.parent is not None):
            raise ValueError("say either id and parent (a row is a message), or root (a row is a tree)")
        return self


class Sequences(Shape):
    """What users chose one after another, and how they rated it: the prompt is the history, the response the next title."""

    user: Sql
    """Who chose."""
    item: Sql
    """What was chosen, as the log and the table of items name it."""
    rating: Sql | None = None
    """How the user rated it: the reward, unless the mapping names another."""
    time: Sql
    """When: histories go by it, and by the order of the log where two times are equal."""
    items: str | None = None
    """The table of items: a path from here, else from the log. Without one the item is its own title."""
    item_key: Sql | None = None
    """The column of the table that names an item, where it is not called as in the log."""
    title: Sql = "title"
    """The column of the table with an item's title."""
    history: int = Field(default=10, ge=1, le=1000)
    """The most titles that a prompt holds, the latest ones (the paper's 10)."""
    min_history: int = Field(default=10, ge=1)
    """Users with fewer rows than this are left out and counted (the paper's 10)."""


class ShapeStage(Shape):
    """How the rows of a log become rows that hold one response each."""

    records: str | None = None
    """Where the rows are inside nested JSON: the path of a list of objects, such as data.items."""
    transcripts: Transcripts | None = None
    """Columns with a whole conversation as one text."""
    variants: str | Names | dict[str, dict[str, Sql]] | None = None
    """Several responses in a row: a list (SQL), columns of one type by name (each row sees the one as `variant`), or for
    each variant by name the record fields that differ, in SQL."""
    turns: Turns | None = None
    """A conversation with several answers."""
    trees: Trees | None = None
    """Reply trees."""
    sequences: Sequences | None = None
    """What users chose one after another."""

    @field_validator("variants", mode="before")
    @classmethod
    def _list_or_columns(cls, value: Any) -> Any:
        return _listed(value) if isinstance(value, str) and "," in value and "(" not in value else value

    @field_validator("variants")
    @classmethod
    def _several(cls, value: Any) -> Any:
        if isinstance(value, tuple | dict) and len(value) < 2:
            raise ValueError("variants are two or more")
        if isinstance(value, tuple) and (twice := [name for name in value if value.count(name) > 1]):
            raise ValueError(f"{twice[0]!r} is named twice")
        for name, fields in value.items() if isinstance(value, dict) else ():
            if not fields:
                raise ValueError(f"the variant {name!r} says nothing; give it a response")
            if unknown := [field for field in fields if field not in MAPPED_FIELDS]:
                raise ValueError(f"{name}.{unknown[0]} is not a record field; {nearest(unknown[0], MAPPED_FIELDS)}")
        return value

    @model_validator(mode="after")
    def _one_shape(self) -> "ShapeStage":
        given = [name for name in ("variants", "turns", "trees", "sequences") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"a log has one shape, and there are {' and '.join(given)}; leave all but one out")
        return self

    @property
    def spans_rows(self) -> bool:
        """Whether a record is made of several rows of the log."""
        return self.sequences is not None or (self.trees is not None and self.trees.id is not None)

    @property
    def is_plain(self) -> bool:
        """Whether a row of the log is a record."""
        return self == ShapeStage()
