"""A test's own output, while many run at once: recorded piece by piece, and replayed in its turn.

What is written to ``sys.stdout`` and ``sys.stderr``, and what is logged, goes to the output of
the test on whose behalf that happens (``writers.py``). What is on behalf of none goes on at once.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from logging import Handler, LogRecord
from typing import Any

from nose2_aio import changes, logs, writers
from nose2_aio.streams import StandIn
from nose2_aio.writers import Logged, Piece, Text

__all__ = ["Outputs", "own"]


class Outputs:
    """Where recorded output ends up; all in the main thread."""

    def __init__(self, handle: Callable[[Handler, LogRecord], Any]) -> None:
        self._handle = handle
        self._streams = {name: StandIn(name) for name in ("stdout", "stderr")}

    def settle(self) -> None:
        """Take what a plugin has put at ``sys.stdout`` and ``sys.stderr`` as what lies behind them.

        To be called behind each hook that may do so. If it wraps what stood there before, what it
        hands on gets there.
        """
        for stream in self._streams.values():
            stream.settle()

    def replay(self, *pieces: Piece) -> None:
        """Write and log pieces of output, in this order, as if that happened now."""
        for stream, found in itertools.groupby(pieces, _stream_of):
            if stream:
                parts = [piece.text for piece in found if isinstance(piece, Text)]
                self._streams[stream].play(parts)
            else:
                for piece in found:
                    self._log(piece)

    def leave(self) -> None:
        """Have ``sys.stdout`` and ``sys.stderr`` be what lies behind them."""
        for stream in self._streams.values():
            stream.leave()

    def _log(self, piece: Piece) -> None:
        assert isinstance(piece, Logged)
        self._handle(piece.handler, piece.record)


@contextmanager
def own() -> Iterator[Outputs]:
    """While the block runs, what a test writes and logs is its own.

    Entered and left in the main thread, on behalf of no test.
    """
    with ExitStack() as stack:
        handle = stack.enter_context(logs.own())
        stack.enter_context(changes.noted())
        stack.enter_context(_threads_carry())
        outputs = Outputs(handle)
        stack.callback(outputs.leave)
        yield outputs


@contextmanager
def _threads_carry() -> Iterator[None]:
    """Have a thread that a test starts inside the block write on its behalf.

    Not one of a thread pool, which may run the jobs of many.
    """
    before = threading.Thread.start

    @functools.wraps(before)
    def start(self: threading.Thread) -> None:
        target = getattr(self, "_target", None)
        if getattr(target, "__module__", None) != "concurrent.futures.thread":
            self.run = writers.carried(self.run)  # type: ignore[method-assign]
        before(self)

    threading.Thread.start = start  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.start = before  # type: ignore[method-assign]


def _stream_of(piece: Piece) -> str:
    return piece.stream if isinstance(piece, Text) else ""
