"""What only the main thread can do: it is noted where a test tries to do it in another one.

Python sets signal handlers in the main thread alone; elsewhere that is a ValueError.
"""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["noted"]

_NAMES = ("signal", "set_wakeup_fd", "siginterrupt")


@contextmanager
def noted(note: Callable[[], None]) -> Iterator[None]:
    """Call ``note``, inside the block, in each thread that tries in vain to set a handler."""
    before = {name: getattr(signal, name) for name in _NAMES if hasattr(signal, name)}
    for name, function in before.items():
        setattr(signal, name, _noting(function, note))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(signal, name, function)


def _noting(function: Callable[..., Any], note: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            note()
        return function(*args, **kwargs)

    return call
