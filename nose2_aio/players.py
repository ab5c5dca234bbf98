"""Playing what was recorded to the result: nose2 is told as if it happened now, but for the time.

nose2 and its plugins ask for the time when they are told of something. Here that is later, so they
are given the time that was recorded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nose2_aio.lanes import Found
from nose2_aio.outputs import Outputs
from nose2_aio.recorders import Call, Hook
from nose2_aio.writers import Logged, Piece, Text

__all__ = ["Clock", "Player", "time_of_plugins"]


class Clock:
    """Stands for the module `time` where plugins ask how long a test took, as it is played."""

    moment: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        """Return when that was which is played."""
        return time.time() if self.moment is None else self.moment


class Player:
    """Plays to a result what was recorded."""

    def __init__(
        self, result: Any, clock: Clock, output: Outputs, merge: Callable[[Found], None]
    ) -> None:
        self.result = result
        self._clock = clock
        self._output = output
        self.is_in_test = False
        """Whether the result was told that a test has begun, and not that it is over."""
        self._texts: list[Piece] = []
        """Output that was not written so far."""
        self._merge = merge

    def run(self, suite: Any) -> None:
        """Run a suite on the result, here and now."""
        try:
            suite(self.result)
        finally:
            self._output.settle()

    def flush(self) -> None:
        """Write what was not written so far."""
        if self._texts:
            self._output.replay(*self._texts)
            self._texts.clear()

    def play(self, piece: Any) -> None:
        """Play one piece."""
        if isinstance(piece, Text | Logged):
            self._texts.append(piece)
            return
        self.flush()
        if isinstance(piece, Hook):
            piece.call(piece.event)
            self._output.settle()
            return
        assert isinstance(piece, Call)
        if piece.name == "found":
            self._merge(*piece.args)
            return
        self.is_in_test = piece.name != "stopTest" and (
            self.is_in_test or piece.name == "startTest"
        )
        self._clock.moment = piece.moment
        try:
            getattr(self.result, piece.name)(*piece.args)
        finally:
            self._clock.moment = None
            self._output.settle()


@contextmanager
def time_of_plugins() -> Iterator[Clock]:
    """Have nose2 and its plugins take the time from another clock inside the block.

    They ask when they are told of something, and that is later.
    """
    clock = Clock()
    with ExitStack() as stack:
        for name in _TIMED:
            module: Any = sys.modules.get(name)
            if module is not None:
                stack.callback(setattr, module, "time", module.time)
                module.time = clock
        yield clock


_TIMED = ("nose2.result", "nose2.plugins.junitxml")
