"""Conversations as the one who answers sees them: its own turns are the assistant's, all others the user's."""

from collections.abc import Sequence

import polars as pl

from gcsl_data.columns import MESSAGES, ROLES


def seen_from(messages: pl.Expr, speaker: pl.Expr, *, answers: Sequence[str], system: Sequence[str]) -> pl.Expr:
    """Messages of `said(...)` with the roles as `speaker` (one of `answers`, an expression) sees them (MESSAGES).

    Instructions stay instructions, and what a tool returned stays so.
    """
    views = [pl.when(speaker == own).then(messages.list.eval(_turn(own, system))) for own in answers]
    return pl.coalesce(*views, pl.lit(None, MESSAGES)).cast(MESSAGES)


def said(role: str, content: str) -> pl.Expr:
    """For `list.eval`: a turn with these fields as role and content."""
    fields = pl.element().struct
    return pl.struct(role=fields.field(role).cast(pl.String), content=fields.field(content).cast(pl.String))


def _turn(own: str, system: Sequence[str]) -> pl.Expr:
    role = pl.element().struct.field("role")
    kept = [name for name in ROLES if name not in ("user", "assistant") and name != own]
    seen = (
        pl.when(role == own).then(pl.lit("assistant"))
        .when(role.is_in([*system])).then(pl.lit("system"))
        .when(role.is_in(kept)).then(role)
        .when(role.is_not_null()).then(pl.lit("user"))
    )  # fmt: skip
    return pl.struct(role=seen, content=pl.element().struct.field("content"))


def opens(messages: pl.Expr) -> pl.Expr:
    """Whether nobody spoke before: there are no messages but instructions. Who has no role may be anybody."""
    role = pl.element().struct.field("role")
    return ~messages.list.eval(~role.is_in(["system", "developer"]).fill_null(False)).list.any()
