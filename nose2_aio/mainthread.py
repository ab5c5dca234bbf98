"""What only the main thread can do: it is noted where a test tries to do it in another one.

Python sets signal handlers in the main thread alone; elsewhere that is a ValueError. A debugger
would talk to the user there while others run.
"""

from __future__ import annotations

import bdb
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nose2_aio.errors import LoopError

__all__ = ["noted"]

_NAMES = ("signal", "set_wakeup_fd", "siginterrupt")
_SETS_HANDLER = "sets a signal handler"
_BREAKS = "asks for a debugger"


@contextmanager
def noted(note: Callable[[str], bool]) -> Iterator[None]:
    """Call ``note`` with what a test tries in vain, inside the block, in another thread.

    It tells whether a test runs there, which is to run in the main thread then.
    """
    before = {name: getattr(signal, name) for name in _NAMES if hasattr(signal, name)}
    set_trace = bdb.Bdb.set_trace

    @functools.wraps(set_trace)
    def trace(self: bdb.Bdb, frame: Any = None, **options: Any) -> None:
        if note(_BREAKS):
            raise LoopError("a debugger can't be used beside other tests")
        set_trace(self, frame or sys._getframe(1), **options)

    for name, function in before.items():
        setattr(signal, name, _noting(function, note))
    bdb.Bdb.set_trace = trace  # type: ignore[method-assign]
    try:
        yield
    finally:
        bdb.Bdb.set_trace = set_trace  # type: ignore[method-assign]
        for name, function in before.items():
            setattr(signal, name, function)


def _noting(function: Callable[..., Any], note: Callable[[str], bool]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            note(_SETS_HANDLER)
        return function(*args, **kwargs)

    return call
