"""Trees: replies to replies. Every answer is a record; the prompt is the path that leads to it.

Answers to the same message have the same prompt, so they are of one group by default: ranks among siblings become rewards
with `--direction lower`, and comparable ones with `--normalize rank --normalize-by group`.
"""

import polars as pl

from gcsl_data.columns import PART_INDEX, ROW_INDEX, SHAPE_FAULT
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns, typed
from gcsl_data.ingest.shapes.chats import opens, seen_from
from gcsl_data.ingest.shapes.settings import Trees
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.shapes.turns import OPENING
from gcsl_data.ingest.shapes.types import as_key, as_type, common, require_text

MAX_DEPTH = 1000
MAX_LEVELS = 32  # of a tree in a row: the plan has a part for each, and the time to make it grows with their cube
_DIGITS = 10  # a place among siblings, as text that sorts
TURN = "turn"
_PATH, _CONTEXT, _NODE, _NEXT = "_gcsl_path", "_gcsl_context", "_gcsl_node", "_gcsl_next"


def reshape(columns: Columns, shape: Trees) -> Shaped:
    """Adds `turn` (the answer with all its fields), and in a log of trees `PART_INDEX` (its place in its tree, from 0).

    Rows that are no answers are only prompts. An answer to nothing is left out, as `OPENING`; one whose path breaks off,
    because a message that it replies to is not in the log, cannot be used (no_parent).
    """
    frame = _of_trees(columns, shape) if shape.root is not None else _of_messages(columns, shape)
    speaker = pl.col(TURN).struct.field(shape.role).cast(pl.String)
    seen = seen_from(pl.col(_PATH), speaker, answers=shape.answers, system=shape.system)
    is_opening = pl.col(TURN).is_not_null() & opens(pl.col(_CONTEXT))
    frame = (
        frame.with_columns(seen.alias(_CONTEXT))
        .with_columns(pl.coalesce(SHAPE_FAULT, pl.when(is_opening).then(pl.lit(OPENING))).alias(SHAPE_FAULT))
        .drop(_PATH)
    )
    response = pl.col(TURN).struct.field(shape.content).cast(pl.String)
    return Shaped(columns.of(frame), {"prompt": pl.col(_CONTEXT), "response": response})


def _of_messages(columns: Columns, shape: Trees) -> pl.LazyFrame:
    """A row is a message. The path is followed upwards, a step at a time, as far as the deepest answer needs."""
    key, parent = _key("id", shape.id, columns), _key("parent", shape.parent, columns)
    role, content = _text("role", shape.role, columns), _text("content", shape.content, columns)
    links = columns.frame.select(id=key, parent=parent, role=role)
    table = columns.frame.select(
        key.alias(_NEXT), pl.struct(role=role, content=content).alias(_NODE), parent.alias("_gcsl_up")
    ).filter(pl.col(_NEXT).is_not_null())
    own = [name for name in columns.schema if name not in (ROW_INDEX, PART_INDEX)]
    frame = columns.frame.filter(role.is_in([*shape.answers]) | role.is_null()).with_columns(
        pl.when(role.is_not_null()).then(pl.struct(own)).alias(TURN),
        parent.alias(_NEXT),
        pl.lit([], pl.List(pl.Struct({"role": pl.String, "content": pl.String}))).alias(_PATH),
        pl.lit(None, pl.String).alias(SHAPE_FAULT),
    )
    for _ in range(_depth(links, shape, columns)):
        is_missing = pl.col(_NEXT).is_not_null() & pl.col(_NODE).is_null()
        longer = (
            pl.when(pl.col(_NODE).is_not_null()).then(pl.concat_list(pl.concat_list(_NODE), _PATH)).otherwise(_PATH)
        )
        frame = (
            frame.join(table, on=_NEXT, how="left", maintain_order="left")
            .with_columns(
                longer.alias(_PATH),
                pl.when(is_missing).then(pl.lit("no_parent")).otherwise(SHAPE_FAULT).alias(SHAPE_FAULT),
            )
            .with_columns(pl.col("_gcsl_up").alias(_NEXT))
            .drop(_NODE, "_gcsl_up")
        )
    return frame.drop(_NEXT)


def _text(part: str, name: str | None, columns: Columns) -> pl.Expr:
    found, dtype = _named(part, name, columns)
    require_text(dtype, f"the {part} of a message", columns)
    return found.cast(pl.String)


def _key(part: str, name: str | None, columns: Columns) -> pl.Expr:
    found, dtype = _named(part, name, columns)
    require_text(dtype, f"the {part} of a message", columns)
    return as_key(found, dtype)


def _named(part: str, name: str | None, columns: Columns) -> tuple[pl.Expr, pl.DataType]:
    """The column of that name, whatever characters it has."""
    quoted = str(name).replace('"', '""')
    return typed(part, f'"{quoted}"', columns, flag="shape.trees")


def _depth(links: pl.LazyFrame, shape: Trees, columns: Columns) -> int:
    """How many steps lead from the deepest message up, counting one to a message that is missing.

    The only look at a log before the plan runs: how often a frame is joined with itself must be known to write the plan.
    """
    found = links.collect(engine="streaming")
    twice = found.filter(pl.col("id").is_not_null() & pl.col("id").is_duplicated())
    if twice.height:
        raise DataError("GD1247", f"{columns.uri}: two messages have the id {twice['id'].first()!r}; make ids unique")
    roles = found["role"].drop_nulls().unique().sort()
    if roles.len() and not roles.is_in([*shape.answers]).any():
        raise DataError(
            "GD1250",
            f"{columns.uri}: no message is of {' or '.join(shape.answers)}; name the role of answers in "
            f"shape.trees.answers, there are {', '.join(roles.head(8))}",
        )
    waiting = found.filter(pl.col("parent").is_not_null()).select("id", "parent")
    above = found.select(parent="id", up="parent")
    for depth in range(MAX_DEPTH):
        if waiting.is_empty():
            return depth
        waiting = (
            waiting.join(above, on="parent", how="left")
            .select("id", parent="up")
            .filter(pl.col("parent").is_not_null())
        )
    raise DataError(
        "GD1248",
        f"{columns.uri}: the message {waiting['id'].first()!r} has more than {MAX_DEPTH} above it, or is one of them itself; "
        "mend what it replies to",
    )


def _of_trees(columns: Columns, shape: Trees) -> pl.LazyFrame:
    """A row is a tree, gone through level by level; its answers then stand in the order of a reader, top to bottom."""
    root, dtype = typed("root", shape.root, columns, flag="shape.trees")
    levels = _levels(dtype, shape, columns)
    fields = _fields(levels, shape, columns)
    empty = pl.lit([], pl.List(pl.Struct({"role": pl.String, "content": pl.String})))
    frame = columns.frame.with_columns(root.alias(_NODE), empty.alias(_PATH), pl.lit("").alias("_gcsl_place"))
    gathered = []
    for depth, level in enumerate(levels):
        own = pl.col(_NODE).struct
        turn = pl.struct(
            (as_type(own.field(name), level[name], kind) if name in level else pl.lit(None, kind)).alias(name)
            for name, kind in fields.items()
        )
        role = own.field(shape.role).cast(pl.String) if shape.role in level else pl.lit(None, pl.String)
        is_answer = role.is_in([*shape.answers])
        # A row whose tree is missing stays, as one that cannot be used.
        kept = is_answer | pl.col(_NODE).is_null() if depth == 0 else is_answer
        gathered.append(
            frame.with_columns(pl.when(is_answer).then(turn).alias(TURN)).filter(kept.fill_null(True)).drop(_NODE)
        )
        if depth + 1 < len(levels):
            frame = _one_level_down(frame, role, level, shape)
    together = pl.concat(gathered, how="vertical").sort(ROW_INDEX, "_gcsl_place", maintain_order=True)
    part = pl.int_range(pl.len(), dtype=pl.Int32).over(ROW_INDEX)
    return together.with_columns(part.alias(PART_INDEX), pl.lit(None, pl.String).alias(SHAPE_FAULT)).drop("_gcsl_place")


def _one_level_down(frame: pl.LazyFrame, role: pl.Expr, level: dict[str, pl.DataType], shape: Trees) -> pl.LazyFrame:
    own = pl.col(_NODE).struct
    content = own.field(shape.content).cast(pl.String) if shape.content in level else pl.lit(None, pl.String)
    replies = own.field(shape.replies)
    places = pl.int_ranges(0, replies.list.len(), dtype=pl.Int32)
    return (
        frame.with_columns(
            pl.concat_list(_PATH, pl.concat_list(pl.struct(role=role, content=content))).alias(_PATH),
            replies.alias(_NODE),
            places.alias(_NEXT),
        )
        .explode(_NODE, _NEXT, empty_as_null=False, keep_nulls=False)
        .with_columns(
            # Text that sorts as a reader goes: a message, the replies to it, its next sibling.
            pl.concat_str("_gcsl_place", pl.col(_NEXT).cast(pl.String).str.zfill(_DIGITS)).alias("_gcsl_place"),
        )
        .drop(_NEXT)
    )


def _levels(dtype: pl.DataType, shape: Trees, columns: Columns) -> list[dict[str, pl.DataType]]:
    """The fields of messages, level by level, as deep as any tree of the log goes."""
    levels: list[dict[str, pl.DataType]] = []
    inner: object = dtype
    while isinstance(inner, pl.Struct):
        levels.append({item.name: item.dtype for item in inner.fields})  # pyright: ignore[reportArgumentType]
        if len(levels) > MAX_LEVELS:
            raise DataError(
                "GD1252",
                f"{columns.uri}: a tree has more than {MAX_LEVELS} levels; write each message as a row and name its "
                "shape.trees.id and parent",
            )
        below = levels[-1].get(shape.replies)
        inner = below.inner if isinstance(below, pl.List) else None
    if not levels:
        raise DataError(
            "GD1240", f"{columns.uri}: shape.trees.root must be an object, found {shown(dtype)}; name one that is"
        )
    return levels


def _fields(levels: list[dict[str, pl.DataType]], shape: Trees, columns: Columns) -> dict[str, pl.DataType]:
    """The fields of an answer with the type that a field has in common on all levels; one that has none is left out."""
    kinds: dict[str, list[pl.DataType]] = {}
    for level in levels:
        for name, kind in level.items():
            kinds.setdefault(name, []).append(kind)
    for name in (shape.role, shape.content):
        if name not in kinds:
            known = ", ".join(kinds)
            raise DataError(
                "GD1241", f"{columns.uri}: the messages of shape.trees have no field {name!r}; they have {known}"
            )
        for kind in kinds[name]:
            require_text(kind, f"the field {name!r} of a message", columns)
    shared = {name: common(found) for name, found in kinds.items() if name != shape.replies}
    return {name: kind for name, kind in shared.items() if kind is not None}
