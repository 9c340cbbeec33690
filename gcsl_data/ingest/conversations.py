"""Shapes that a log may have instead of one prompt and one response a row."""

import polars as pl


def last_index_of_role(messages: pl.Expr, role: str) -> pl.Expr:
    """0-based position (Int64) of the last message with this role; null when there is none."""
    found = messages.list.eval(pl.element().struct.field("role") == role)
    last = messages.list.len().cast(pl.Int64) - 1 - found.list.reverse().list.arg_max().cast(pl.Int64)
    return pl.when(found.list.any()).then(last)


def split_conversation(messages: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Prompt and response of a conversation: the last assistant turn is the response, what stands before it the prompt.

    Turns after it are left out, since nobody answered them. Without an assistant turn both are null.
    """
    at = last_index_of_role(messages, "assistant")
    response = messages.list.get(at, null_on_oob=True).struct.field("content")
    return pl.when(at.is_not_null()).then(messages.list.head(at)), response


def is_messages(dtype: pl.DataType) -> bool:
    """Whether a column holds chat messages: lists of structs with at least a role and a content that are text."""
    if not (isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)):
        return False
    fields = {field.name: field.dtype for field in dtype.inner.fields}
    return fields.get("role") == pl.String and fields.get("content") == pl.String
