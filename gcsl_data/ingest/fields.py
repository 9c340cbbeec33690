"""What each record field is: what a mapping, the variants of a row and its shape say of it, in one order."""

import polars as pl

from gcsl_data.errors import UsageError
from gcsl_data.ingest.conversations import split_conversation
from gcsl_data.ingest.expressions import expression
from gcsl_data.ingest.shapes.settings import Sql
from gcsl_data.ingest.shapes.shaped import Shaped
from gcsl_data.ingest.shapes.variants import chosen
from gcsl_data.recipe import RecordStage


def prompt_and_response(stage: RecordStage, shaped: Shaped) -> tuple[pl.Expr, pl.Expr]:
    """Prompt and response, or both out of a conversation. Raises UsageError (2) for two that say the same."""
    if "messages" not in stage.map and "messages" not in shaped.variants:
        return field("prompt", stage, shaped), field("response", stage, shaped)
    for name in ("prompt", "response"):
        if name in stage.map or name in shaped.variants:
            raise UsageError("GD0204", f"--map {name} and --map messages both say what the {name} is; give one of them")
    return split_conversation(field("messages", stage, shaped))


def logged_reward(name: str, stage: RecordStage, shaped: Shaped) -> pl.Expr:
    """The logged reward, or that of one aspect, which may be called like anything."""
    if name in stage.rewards:
        return expression(name, stage.rewards[name], shaped.columns, flag="--reward")
    return field(name, stage, shaped)


def field(name: str, stage: RecordStage, shaped: Shaped) -> pl.Expr:
    """What a record field is: as each variant says, else as mapped, else as the shape has it, else the column of its name."""
    if name not in shaped.variants:
        return _unvaried(name, stage.map.get(name), shaped)
    said = shaped.variants[name]
    is_whole = all(own is not None for own in said)
    if name in stage.map and is_whole:
        raise UsageError(
            "GD0262",
            f"--map {name}: shape.variants says the {name} of each variant; change it there (that of a preset in a copy: "
            "gcsl-data schema logs NAME > my.toml, then --preset my.toml)",
        )
    rest = pl.lit(None) if is_whole else _unvaried(name, stage.map.get(name), shaped)
    return chosen(name, [rest if own is None else own for own in said], shaped.columns)


def _unvaried(name: str, sql: Sql | None, shaped: Shaped) -> pl.Expr:
    if sql is None and name in shaped.fields:
        return shaped.fields[name]
    return expression(name, sql, shaped.columns)


def says(name: str, stage: RecordStage, shaped: Shaped) -> bool:
    """Whether anything says what this field is, beyond a column that happens to be called like it."""
    return name in stage.map or name in shaped.fields or name in shaped.variants
