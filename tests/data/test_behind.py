"""Calls behind their owner: in order, with their failures, and none after an error."""

import threading
import time

import pytest

from gcsl_data.behind import Behind


def test_calls_are_made_in_order_and_all_of_them() -> None:
    made: list[int] = []
    with Behind() as behind:
        for number in range(200):
            behind.call(lambda number=number: made.append(number))
        behind.wait(50)
        assert len(made) >= 150
    assert made == [*range(200)]
    assert not [thread for thread in threading.enumerate() if thread.name == "behind"]


@pytest.mark.parametrize("where", ["call", "wait", "end"])
def test_a_failure_is_raised_to_the_owner_and_nothing_is_called_after_it(where: str) -> None:
    made: list[int] = []

    def fail() -> None:
        raise OSError(28, "full")

    def owner() -> None:
        with Behind() as behind:
            behind.call(fail)
            behind.call(lambda: made.append(1))
            if where == "call":
                while True:
                    behind.call(lambda: made.append(2))
                    time.sleep(0.001)
            if where == "wait":
                behind.wait(1)
                behind.wait(0)

    with pytest.raises(OSError, match="full"):
        owner()
    assert made == []


def test_an_error_of_the_owner_drops_what_was_not_begun() -> None:
    began, goes_on = threading.Event(), threading.Event()
    made: list[int] = []

    def slow() -> None:
        began.set()
        goes_on.wait()
        made.append(1)

    def owner() -> None:
        with Behind() as behind:
            behind.call(slow)
            behind.call(lambda: made.append(2))
            began.wait()
            threading.Timer(0.05, goes_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        owner()
    assert made == [1]
