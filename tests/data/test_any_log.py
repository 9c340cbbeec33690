"""Whatever bytes and flags come: one line, one JSON object, all or nothing. The long form is in tests/soak."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzz import Log, commands, flags, hold_to_the_contract, logs


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(commands, flags, st.lists(logs(), min_size=1, max_size=2))
def test_any_log_and_flags_keep_the_contract(command: str, given_flags: list[str], content: list[Log]) -> None:
    hold_to_the_contract(command, given_flags, content)
