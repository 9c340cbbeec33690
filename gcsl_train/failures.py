"""What a step says that memory did not hold: which pack it was, which checkpoint there is, and what to do next."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gcsl_data.errors import ResourceError, one_line
from gcsl_train import checkpoint
from gcsl_train.errors import translated
from gcsl_train.plan import Pack
from gcsl_train.table import TokenTable


@contextlib.contextmanager
def memory(step: int, table: TokenTable, pack: Pack, checkpoints: Path) -> Iterator[None]:
    """Raises ResourceError (71), which says how large a pack is, when memory runs out over it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(translated(error), ResourceError):
            raise
        tokens, longest = int(table.lengths[list(pack)].sum()), int(table.lengths[list(pack)].max(initial=0))
        last = checkpoint.newest(checkpoints)
        kept = f"the last checkpoint is {last}" if last else "there is no checkpoint yet"
        documents, why = len(table.documents_of(pack)), one_line(str(error), limit=60) or "no more is known"
        raise ResourceError(
            "GT7102",
            f"step {step}: out of memory on a pack of {tokens:,} tokens in {documents:,} documents (the longest item has "
            f"{longest:,}; {why}); {kept}; lower --max-length, or add --gradient-checkpointing",
        ) from None
