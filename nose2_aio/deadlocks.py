"""Whether anything can still wake a loop that has nothing to do, no timer, no file to watch.

Only what runs at the same time could: another thread that calls back, or a signal whose handler
does; a child process may send that. What isn't known to be harmless may: a thread that runs
anything, and a thread that isn't Python's.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from nose2_aio import executors

__all__ = ["can_be_woken", "note_threads"]

_THREADS = "/proc/self/task"
_foreign_threads = 0
"""How many threads that aren't Python's there were when the run began."""


def note_threads() -> None:
    """Take the threads of libraries that are there now for harmless: BLAS has a pool, say."""
    global _foreign_threads  # noqa: PLW0603 -- there is one process
    _foreign_threads = _count_foreign_threads()


def can_be_woken() -> bool:
    """Tell whether another thread, or the handler of a signal, may call back."""
    own = threading.get_ident()
    return (
        any(
            not executors.is_idle_worker(frame.f_code)
            for thread, frame in sys._current_frames().items()
            if thread != own and thread not in executors.abandoned
        )
        or _count_foreign_threads() > _foreign_threads
        or _has_child()
        or any(_is_users(signal.getsignal(number), number) for number in signal.valid_signals())
    )


def _count_foreign_threads() -> int:
    try:
        return len(os.listdir(_THREADS)) - len(sys._current_frames())  # noqa: PTH208 -- a count
    except OSError:  # no Linux
        return 0


def _has_child() -> bool:
    """Tell whether there is a child process, which may send a signal."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):  # none; no such call
        return False
    return True


def _is_users(handler: Any, number: int) -> bool:
    """Tell whether the handler of a signal is one that may call back."""
    if not callable(handler) or isinstance(handler, signal.Handlers):
        return False
    if number == signal.SIGINT:  # Python's own, or that of asyncio.Runner
        inner = getattr(handler, "func", handler)
        return (
            handler is not signal.default_int_handler
            and getattr(inner, "__name__", "") != "_on_sigint"
        )
    return not (getattr(handler, "__module__", None) or "").startswith(_PACKAGE)


_PACKAGE = __name__.partition(".")[0]
