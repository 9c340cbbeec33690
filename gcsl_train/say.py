"""How a run speaks to people: one line at a time, to whoever listens, and nothing that libraries say beside it."""

import logging
import os
import sys
from collections.abc import Callable

Say = Callable[[str], None]


def quiet_libraries() -> None:
    """Library warnings and bars are for developers: warnings show with python -W, bars with TQDM_DISABLE=0."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of kernels that nobody asked for
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
