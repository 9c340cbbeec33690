"""How a run speaks to people: one line at a time, to whoever listens."""

from collections.abc import Callable

Say = Callable[[str], None]
