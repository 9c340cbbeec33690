"""Lengths in tokens, by a tokenizer that somebody names: of all records, or of an even sample where there are many."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gcsl_data.audit.sections.text import Tokens, length_of
from gcsl_data.audit.subject import PLACE, Subject
from gcsl_data.errors import InputError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SAMPLE = 20_000  # records: some seconds, and a median that is off by less than a hundredth of the spread


def count_tokens(subject: Subject, name: str) -> tuple[Tokens, pl.DataFrame]:
    """The section, and the facts with `response_tokens` of the records that were read.

    Raises InputError (66) when `name` is no tokenizer.json and no folder with one, UsageError (2) without `tokenizers`.
    """
    tokenizer = _load(name)
    facts = subject.facts
    step = max(1, -(-facts.height // SAMPLE))
    found = subject.texts(facts.gather_every(step)).sort(PLACE)
    counted = found.select(
        *PLACE,
        prompt_tokens=pl.Series(_count(tokenizer, found["prompt"]), dtype=pl.Int64),
        response_tokens=pl.Series(_count(tokenizer, found["response"]), dtype=pl.Int64),
    )
    tokens = Tokens(
        tokenizer=Path(name).name,
        records=counted.height,
        prompt=length_of(counted["prompt_tokens"]),
        response=length_of(counted["response_tokens"]),
    )
    return tokens, facts.join(counted.drop("prompt_tokens"), on=PLACE, how="left", maintain_order="left")


def _count(tokenizer: "Tokenizer", texts: pl.Series) -> list[int]:
    return [len(read.ids) for read in tokenizer.encode_batch_fast(texts.to_list(), add_special_tokens=False)]


def _load(name: str) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("GD0271", "--tokenizer needs the package tokenizers; pip install tokenizers") from None
    path = Path(name)
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            "GD6612", f"--tokenizer {name}: no such file; give a tokenizer.json, or a model's folder that has one"
        )
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises plain Exception for a file it cannot read
        raise InputError("GD6613", f"--tokenizer {name} is no tokenizer.json: {error}") from None
