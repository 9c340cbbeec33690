"""Built rows to dataset rows: responses as assistant messages or text, prompts as in the record, an id."""

import polars as pl

from gcsl_data.columns import KINDS
from gcsl_data.dataset.manifest import Format
from gcsl_data.stages.render import example_id


def to_rows(built: pl.LazyFrame, *, kind: str, format: Format, keep: tuple[str, ...] = ()) -> pl.LazyFrame:
    """The columns of `columns.KINDS[kind]` and `keep`, in that order; the order of the rows is kept.

    Text prompts become one user turn under "messages"; the format "text" needs text prompts. The kind "examples" has goals
    in its prompts and is made by `render.to_examples`.
    """
    names = [column.name for column in KINDS[kind]]
    changed = {"id": example_id(pl.col("copy"))}
    if format == "messages":
        changed |= {name: _as_turn(name, kind) for name in names if name in ("completion", "chosen", "rejected")}
        if built.collect_schema()["prompt"] == pl.String:
            changed["prompt"] = _turn("user", pl.col("prompt"))
    return built.with_columns(**changed).select(*names, *keep)


def _as_turn(name: str, kind: str) -> pl.Expr:
    if name == "rejected" and kind == "multi-negative":
        return pl.col(name).list.eval(_turn("assistant", pl.element()))
    return _turn("assistant", pl.col(name))


def _turn(role: str, content: pl.Expr) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit(role), content=content))
