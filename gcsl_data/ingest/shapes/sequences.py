"""Sequences: what users chose one after another. The prompt is the history, the response the next title (paper §4.3)."""

import polars as pl

from gcsl_data.columns import ROW_INDEX, SHAPE_FAULT
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns, expression, typed
from gcsl_data.ingest.shapes.settings import Sequences, Sql
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.shapes.turns import OPENING
from gcsl_data.ingest.shapes.types import as_key, require_text
from gcsl_data.stages.times import time

SHORT_HISTORY = "short_history"
USER, ITEM, TITLE, HISTORY = "user", "item", "title", "history"
_WHEN, _TITLED, _ROWS = "_gcsl_when", "_gcsl_titled", "_gcsl_rows"


def reshape(columns: Columns, shape: Sequences, items: Columns | None) -> Shaped:
    """Adds `user` and `item` (String), `title` (String) and `history` (list of String, oldest first, the latest titles).

    Rows stay where they are in the log. A row without a user, a time or a title is in nobody's history. Left out are the
    first row of each user (`OPENING`), and users with fewer than `min_history` rows (`SHORT_HISTORY`).
    """
    flag = "shape.sequences"
    user = _key("user", shape.user, columns)
    item = _key("item", shape.item, columns)
    when, dtype = typed("time", shape.time, columns, flag=flag)
    fields = {"time": when, "prompt": default_prompt(), "response": pl.col(TITLE)}
    if shape.rating is not None:
        fields["reward"] = expression("reward", shape.rating, columns, flag=flag)
    kept = {f"_gcsl_{name}": fields[name] for name in ("time", "reward") if name in fields}
    frame = columns.frame.with_columns(
        user.alias(USER),
        item.alias(ITEM),
        time(when, dtype, uri=columns.uri).alias(_WHEN),
        **kept,
    )
    frame = _with_titles(frame, columns, shape, items)
    frame = frame.with_columns(_is_known().alias(_TITLED), _rows_of_user().alias(_ROWS))
    earlier = [pl.col(TITLE).shift(step) for step in range(shape.history, 0, -1)]
    by_time = {"partition_by": [USER, _TITLED], "order_by": [_WHEN, ROW_INDEX]}
    lags = [one.over(**by_time).alias(f"_gcsl_lag_{n}") for n, one in enumerate(earlier)]  # pyright: ignore[reportArgumentType]
    names = [f"_gcsl_lag_{n}" for n in range(len(earlier))]
    history = pl.concat_list(names).list.drop_nulls()
    frame = frame.with_columns(lags).with_columns(history.alias(HISTORY)).drop(names)
    frame = frame.with_columns(_left_out(shape.min_history).alias(SHAPE_FAULT)).drop(_WHEN, _TITLED, _ROWS)
    return Shaped(columns.of(frame), fields | {name.removeprefix("_gcsl_"): pl.col(name) for name in kept})


def default_prompt() -> pl.Expr:
    """What is asked of the model unless the mapping says it in other words."""
    titles = pl.col(HISTORY).list.eval('"' + pl.element() + '"').list.join(", ")
    return "The user chose these, the latest last: " + titles + ". Name the title that the user will choose next."


def _with_titles(frame: pl.LazyFrame, columns: Columns, shape: Sequences, items: Columns | None) -> pl.LazyFrame:
    """The title of each row's item; null where the table does not have it. Of two equal keys the first row counts."""
    if items is None:
        return frame.with_columns(pl.col(ITEM).alias(TITLE))
    key = _key("item_key", shape.item_key or shape.item, items)
    title, dtype = typed("title", shape.title, items, flag="shape.sequences")
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise DataError("GD1246", f"{items.uri}: the title must be text, found {shown(dtype)}; name a text column")
    title = title.cast(pl.String)
    told = pl.when(title.str.contains(r"\S")).then(title)  # a blank title tells nobody what to recommend
    table = items.frame.select(key.alias(ITEM), told.alias(TITLE)).unique(ITEM, keep="first", maintain_order=True)
    rest = frame.drop(TITLE, strict=False)
    return rest.join(table, on=ITEM, how="left", maintain_order="left")


def _key(part: str, sql: Sql, columns: Columns) -> pl.Expr:
    found, dtype = typed(part, sql, columns, flag="shape.sequences")
    require_text(dtype, f"the {part}", columns)
    return as_key(found, dtype)


def _is_known() -> pl.Expr:
    return pl.all_horizontal(pl.col(name).is_not_null() for name in (USER, TITLE, _WHEN))


def _rows_of_user() -> pl.Expr:
    return pl.len().over(USER)


def _left_out(min_history: int) -> pl.Expr:
    return (
        pl.when(pl.col(USER).is_null()).then(pl.lit("no_user"))
        .when(pl.col(_WHEN).is_null()).then(pl.lit("no_time"))
        .when(pl.col(_ROWS) < min_history).then(pl.lit(SHORT_HISTORY))
        .when(pl.col(TITLE).is_null()).then(pl.lit("no_title"))
        .when(pl.col(HISTORY).list.len() == 0).then(pl.lit(OPENING))
    )  # fmt: skip
