"""What a step that failed says: where it stood, what was in it, which checkpoint there is, and what to do next."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gcsl_data.errors import ResourceError, TrainingError, one_line
from gcsl_train import checkpoint
from gcsl_train.errors import translated
from gcsl_train.plan import Pack
from gcsl_train.table import TokenTable

_NAMED_ROWS = 5


def not_finite(step: int, loss: float, norm: float, suspects: Sequence[str], checkpoints: Path) -> TrainingError:
    """The error for a loss or a gradient that is not finite; `suspects` are ids of rows that it may come from."""
    rows = ", ".join(suspects[:_NAMED_ROWS]) + (f" and {n} more" if (n := len(suspects) - _NAMED_ROWS) > 0 else "")
    return TrainingError(
        "GT7001",
        f"step {step}: loss {loss}, gradient norm {norm}; the step was not taken (rows {rows}); {_kept(checkpoints)}; "
        "lower --learning-rate or leave these rows out",
    )


@contextlib.contextmanager
def memory(step: int, table: TokenTable, pack: Pack, checkpoints: Path) -> Iterator[None]:
    """Raises ResourceError (71), which says how large a pack is, when memory runs out over it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(translated(error), ResourceError):
            raise
        tokens, longest = int(table.lengths[list(pack)].sum()), int(table.lengths[list(pack)].max(initial=0))
        documents, why = len(table.documents_of(pack)), one_line(str(error), limit=60) or "no more is known"
        raise ResourceError(
            "GT7102",
            f"step {step}: out of memory on a pack of {tokens:,} tokens in {documents:,} documents (the longest item has "
            f"{longest:,}; {why}); {_kept(checkpoints)}; lower --max-length, or add --gradient-checkpointing",
        ) from None


def _kept(checkpoints: Path) -> str:
    last = checkpoint.newest(checkpoints)
    return f"the last checkpoint is {last}" if last else "there is no checkpoint yet"
