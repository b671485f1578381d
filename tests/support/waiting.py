"""Waits for a condition in the real world (a process, a file, a thread): looks often, gives up after a limit."""

import threading
from collections.abc import Callable
from time import monotonic

LOOK_SECONDS = 0.02


def until(condition: Callable[[], object], *, within: float = 20.0, what: str = "the condition") -> None:
    """Return when `condition` is true; AssertionError naming `what` after `within` seconds."""
    end = monotonic() + within
    pause = threading.Event()
    while not condition():
        if monotonic() > end:
            raise AssertionError(f"{what} was not met within {within:g} s")
        pause.wait(LOOK_SECONDS)
