"""Playing what was recorded to the result: nose2 is told as if it happened now, but for the time.

nose2 and its plugins ask for the time when they are told of something. Here that is later, so they
are given the time that was recorded.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nose2_aio import stacks
from nose2_aio.accounts import Part, Total
from nose2_aio.lanes import Found
from nose2_aio.outputs import Outputs
from nose2_aio.recorders import Call, Hook
from nose2_aio.writers import Logged, Piece, Text

__all__ = ["Clock", "Player", "time_of_plugins"]

_UNWRITTEN = "what was printed or logged between two tests could not be shown: {}"


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
        self._test: Any = None
        """The test of which the result was told that it has begun, and not that it is over."""
        self._has_failed = False
        """Whether its output could not be replayed."""
        self._texts: list[Piece] = []
        """Output that was not written so far."""
        self._merge = merge

    def run(self, suite: Any) -> None:
        """Run a suite on the result, here and now."""
        try:
            suite(self.result)
        finally:
            self._output.settle()

    @property
    def is_in_test(self) -> bool:
        """Whether the result was told that a test has begun, and not that it is over."""
        return self._test is not None

    def flush(self) -> None:
        """Write what was not written so far; where that raises, it is the error of the test."""
        if not self._texts:
            return
        texts, self._texts = self._texts, []
        try:
            self._output.replay(*texts)
        except Exception as error:  # a handler's, say, that lets no record pass
            found = error.with_traceback(stacks.users(error))
            if self._test is None:
                line = traceback.format_exception_only(found)[-1].rstrip()
                self._merge(Found([], Part(Total(), ()), [_UNWRITTEN.format(line)]))
            else:
                self._has_failed = True
                is_failure = isinstance(found, AssertionError)
                tell = self.result.addFailure if is_failure else self.result.addError
                tell(self._test, (type(found), found, found.__traceback__))

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
        if piece.name == "startTest":
            self._test, self._has_failed = piece.args[0], False
        elif piece.name == "stopTest":
            self._test = None
        elif piece.name == "addSuccess" and self._has_failed:
            return
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
