"""Built rows to dataset rows: responses as assistant messages or text, prompts as in the record or with a goal, an id."""

import polars as pl

from gcsl_data.columns import KINDS
from gcsl_data.dataset.manifest import Kind
from gcsl_data.stages.render import Layout, example_id, prompt_of

# What an example says of goals when it demonstrates none of them.
_GOAL_FREE = {
    "goal": pl.lit(None, pl.String),
    "goal_index": pl.lit(None, pl.Int32),
    "threshold": pl.lit(None, pl.Float64),
    "level": pl.lit(0, pl.Int32),
}


def to_rows(built: pl.LazyFrame, *, kind: Kind, layout: Layout, keep: tuple[str, ...] = ()) -> pl.LazyFrame:
    """The columns of `columns.KINDS[kind]` and `keep`, in that order; the order of the rows is kept.

    Text prompts become one user turn under "messages"; the format "text" needs text prompts. Where rows have a `goal`, it
    is put into the prompt.
    """
    schema = built.collect_schema()
    names = [column.name for column in KINDS[kind]]
    changed = {name: value for name, value in _GOAL_FREE.items() if name in names and name not in schema}
    changed["id"] = example_id(pl.col("copy"))
    changed["prompt"] = prompt_of(layout, is_text=schema["prompt"] == pl.String, has_goal="goal" in schema)
    if layout.format == "messages":
        changed |= {name: _as_turn(name, kind) for name in names if name in ("completion", "chosen", "rejected")}
    return built.with_columns(**changed).select(*names, *keep)


def _as_turn(name: str, kind: Kind) -> pl.Expr:
    if name == "rejected" and kind == "multi-negative":
        return pl.col(name).list.eval(_turn(pl.element()))
    return _turn(pl.col(name))


def _turn(content: pl.Expr) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=content))
