"""Transcripts: conversations that are written as one text, as chat messages and the answer that ends them.

Of several transcripts in a row the answers begin at the same place, after what they have in common: at the last answer of the
one with the fewest. What a longer one has beyond stays in its response, as it was written.
"""

import polars as pl

from gcsl_data.columns import MESSAGES
from gcsl_data.errors import DataError, shown
from gcsl_data.ingest.expressions import Columns
from gcsl_data.ingest.offers import nearest_columns
from gcsl_data.ingest.shapes.settings import Transcripts

_USER, _ASSISTANT = "\0u", "\0a"  # where turns begin; a text with a NUL of its own is not taken apart


def reshape(columns: Columns, shape: Transcripts) -> Columns:
    """Each of the columns as a struct of `messages` (MESSAGES, the whole), `prompt` (MESSAGES) and `response` (String).

    Without an answer `prompt` and `response` are null. White space around a turn of the prompt belongs to the layout; of the
    response it is one space after the marker. Of two markers that begin at the same place the longer one counts. A text with
    a NUL is its own prompt and response, so that it is set aside for that.
    """
    for name in shape.columns:
        if (dtype := columns.schema.get(name)) != pl.String:
            found = f"found {shown(dtype)}; name one that is" if dtype else nearest_columns(name, columns.schema)
            raise DataError("GD1245", f"{columns.uri}: the transcript {name!r} must be a column of text; {found}")
    marked = {name: _marked(pl.col(name), shape) for name in shape.columns}
    pieces = columns.frame.with_columns(turns.alias(_turns(name)) for name, turns in marked.items())
    answers = pl.min_horizontal(_answers(name).list.len() for name in shape.columns)
    parsed = pieces.with_columns(_parsed(name, answers, shape).alias(name) for name in shape.columns)
    return columns.of(parsed.drop(_turns(name) for name in shape.columns))


def _turns(name: str) -> str:
    return f"_gcsl_turns_{name}"


def _marked(text: pl.Expr, shape: Transcripts) -> pl.Expr:
    """The text in pieces, each of which begins with a letter that says whose it is; the first piece with none."""
    letters = dict(sorted([(shape.user, _USER), (shape.assistant, _ASSISTANT)], key=lambda pair: -len(pair[0])))
    marked = text.str.replace_many([*letters], [*letters.values()], leftmost=True)
    return pl.when(~_has_nul(text)).then(marked.str.split("\0"))


def _has_nul(text: pl.Expr) -> pl.Expr:
    return text.str.contains("\0", literal=True)


def _answers(name: str) -> pl.Expr:
    return pl.col(_turns(name)).list.eval(pl.element().str.starts_with("a").arg_true())


def _parsed(name: str, answers: pl.Expr, shape: Transcripts) -> pl.Expr:
    turns = pl.col(_turns(name))
    start = _answers(name).list.get(answers.cast(pl.Int64) - 1, null_on_oob=True)
    marker = pl.when(pl.element().str.starts_with("a")).then(pl.lit(shape.assistant)).otherwise(pl.lit(shape.user))
    rest = turns.list.slice(start).list.eval(marker + pl.element().str.slice(1)).list.join("")
    response = rest.str.strip_prefix(shape.assistant).str.strip_prefix(" ")
    has_answer = (answers > 0) & start.is_not_null()
    text = pl.col(name)
    whole = pl.concat_list(pl.struct(role=pl.lit("user"), content=text)).cast(MESSAGES)
    return pl.struct(
        messages=pl.when(_has_nul(text)).then(whole).otherwise(_messages(turns, shape)),
        prompt=pl.when(_has_nul(text)).then(whole).when(has_answer).then(_messages(turns.list.head(start), shape)),
        response=pl.when(_has_nul(text)).then(text).when(has_answer).then(response),
    )


def _messages(turns: pl.Expr, shape: Transcripts) -> pl.Expr:
    """Pieces as MESSAGES; what stands before the first marker is a turn unless it is blank."""
    role = pl.when(pl.element().str.starts_with("a")).then(pl.lit("assistant")).otherwise(pl.lit("user"))
    content = pl.element().str.slice(1).str.strip_chars()
    messages = turns.list.slice(1).list.eval(pl.struct(role=role, content=content))
    before = turns.list.first().str.strip_chars()
    first = pl.concat_list(pl.struct(role=pl.lit(shape.first), content=before))
    return pl.when(before != "").then(pl.concat_list(first, messages)).otherwise(messages).cast(MESSAGES)
