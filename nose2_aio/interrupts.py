"""Ctrl-C and SIGQUIT: the run ends in good order, or tells where it is.

Ctrl-C: Python raises KeyboardInterrupt where the test is. unittest lets that end the run on the
spot, without ``tearDown`` and fixtures. So the first one that comes out of a test or a fixture
becomes an error of that, and the run is told to stop behind it; a second one stops it at once. A
test that expects a KeyboardInterrupt and catches it is none of our business.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nose2_aio import stacks
from nose2_aio.errors import InterruptedRunError

__all__ = ["Interrupts", "telling"]


class Interrupts:
    """What Ctrl-C does to a run."""

    def __init__(self) -> None:
        self.stop: Callable[[], Any] | None = None
        """Has the run end behind the test that runs."""
        self.count = 0

    def explained(self, error: BaseException) -> BaseException:
        """Return what something is to fail with: for the first Ctrl-C an error of ours."""
        if not isinstance(error, KeyboardInterrupt) or self.stop is None:
            return error
        # a second one may come while the first has its coroutine end
        self.count += 2 if isinstance(error.__context__, KeyboardInterrupt) else 1
        if self.count > 1:
            return error
        self.stop()
        notes = "\n".join(getattr(error, "__notes__", ()))
        message = f"interrupted by Ctrl-C\n{notes}" if notes else "interrupted by Ctrl-C"
        found = InterruptedRunError(message).with_traceback(stacks.users(error))
        found.__suppress_context__ = True
        return found


@contextmanager
def telling(tell: Callable[[FrameType | None], str]) -> Iterator[None]:
    """Print what ``tell`` says whenever SIGQUIT comes, inside the block, and go on.

    Where there is no such signal, or somebody has a handler for it already, nothing is done.
    """
    number = getattr(signal, "SIGQUIT", None)
    if (
        number is None
        or threading.current_thread() is not threading.main_thread()
        or not _is_free(signal.getsignal(number))
    ):
        yield
        return

    def on_signal(_: int, frame: FrameType | None) -> None:
        print(tell(frame), file=sys.__stderr__, flush=True)

    before = signal.signal(number, on_signal)
    try:
        yield
    finally:
        signal.signal(number, before)


def _is_free(handler: Any) -> bool:
    """Tell whether a handler is nobody's: a worker process has that of its parent, ours."""
    return handler is signal.SIG_DFL or getattr(handler, "__module__", None) == __name__
