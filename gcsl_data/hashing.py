"""Hashes of text inside the plan: SHA-256 by polars-hash, whose values are fixed (`Expr.hash` changes with Polars)."""

import polars as pl
import polars_hash  # noqa: F401  (adds the `chash` namespace to expressions)

# White space in ASCII that is no space. A range of bytes is found about ten times as fast as `\s`, which is all of Unicode.
_ASCII_BREAK = "[\t-\r]"
_RUN = r"\s{2,}|[^\S ]"  # what one space stands for, but for the single space, which `\s+` would find everywhere


def sha256_hex(text: pl.Expr) -> pl.Expr:
    """64 hex digits per value; null stays null."""
    return text.chash.sha2_256()  # pyright: ignore[reportAttributeAccessIssue]


def prompt_hash(prompt: pl.Expr, *, is_text: bool) -> pl.Expr:
    """Hash of a prompt after NFKC and white-space collapse, case kept: text and the same text as one user turn agree."""
    text = prompt if is_text else conversation_text(prompt)
    return sha256_hex(_normalised(text).str.strip_chars(" "))


def _normalised(text: pl.Expr) -> pl.Expr:
    """NFKC, and every run of white space as one space.

    ASCII that has none but single spaces is that already, and is left alone: the rest would take most of the time of a pass.
    """
    is_other = _is_not_ascii(text)
    has_run = text.str.contains("  ", literal=True) | text.str.contains(_ASCII_BREAK)
    compatible = pl.coalesce(pl.when(is_other).then(text).str.normalize("NFKC"), text)
    changed = pl.when(has_run | is_other).then(compatible).str.replace_all(_RUN, " ")
    return pl.coalesce(changed, text)


def _is_not_ascii(text: pl.Expr) -> pl.Expr:
    return text.str.len_bytes() != text.str.len_chars()


def conversation_text(messages: pl.Expr) -> pl.Expr:
    """Chat messages as one text: a lone user turn as it is, else each turn after its role."""
    first = messages.list.first()
    is_one_user_turn = (messages.list.len() == 1) & (first.struct.field("role") == "user")
    turn = pl.element().struct.field("role") + "\n" + pl.element().struct.field("content")
    return (
        pl.when(is_one_user_turn)
        .then(first.struct.field("content"))
        .otherwise(messages.list.eval(turn).list.join("\n\n"))
    )
