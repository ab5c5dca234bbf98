"""The signals of a run: Ctrl-C and SIGTERM end it, SIGQUIT prints where it is, Ctrl-Z suspends it.

- Ctrl-C: Python raises KeyboardInterrupt in the test. unittest would end the run at once, without
  ``tearDown`` and fixtures. So the first KeyboardInterrupt that leaves a test or fixture becomes an
  error of it, and the run stops after it. A second one ends the run at once. A test that catches
  the KeyboardInterrupt itself is left alone.
- SIGTERM does the same.
- Child processes that a test forks have none of these handlers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import InterruptedRunError
from nose2_aio.introspection import tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.running.host import Host

__all__ = ["Interrupts", "cancelling", "interrupting", "suspending", "telling", "terminating"]

_Handler = Callable[[int, FrameType | None], None]


class Interrupts:
    """What Ctrl-C does in a run."""

    def __init__(self) -> None:
        self.stop: Callable[[], Any] | None = None
        """Ends the run after the current test."""
        self.count = 0
        self.interrupt: Callable[[int], None] | None = None
        """Called in place of KeyboardInterrupt while tests run in worker processes."""
        self.cause = "Ctrl-C"
        """What interrupts the run, for messages."""

    def explained(self, error: BaseException) -> BaseException:
        """Return the error for a test that raised one: our own for the first Ctrl-C."""
        if not isinstance(error, KeyboardInterrupt) or self.stop is None:
            return error
        # a second one may come while the coroutine ends after the first
        self.count += 2 if isinstance(error.__context__, KeyboardInterrupt) else 1
        if self.count > 1:
            return error
        self.stop()
        notes = "\n".join(getattr(error, "__notes__", ()))
        message = f"interrupted by {self.cause}"
        found = InterruptedRunError(f"{message}\n{notes}" if notes else message).with_traceback(
            tracebacks.users_traceback(error)
        )
        found.__suppress_context__ = True
        return found


@contextmanager
def telling(
    tell: Callable[[FrameType | None], str], descriptor: int | None = None
) -> Iterator[None]:
    """Inside the block, print the result of ``tell`` at each SIGQUIT, and go on.

    It is written to the file descriptor, or to stderr if there is none.
    """

    def on_signal(_: int, frame: FrameType | None) -> None:
        text = tell(frame)
        if descriptor is None:
            print(text, file=sys.__stderr__, flush=True)
        else:
            os.write(descriptor, f"{text}\n".encode())

    with _handled("SIGQUIT", on_signal):
        yield


@contextmanager
def terminating(interrupts: Interrupts) -> Iterator[None]:
    """Inside the block, treat SIGTERM as Ctrl-C. CI systems send it before they kill a run."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        interrupts.cause = "SIGTERM"
        handler = signal.getsignal(signal.SIGINT)
        if interrupts.interrupt is not None:
            interrupts.interrupt(number)
        elif callable(handler):
            handler(number, frame)
        else:  # Ctrl-C is ignored, such as in a background job of a shell
            raise KeyboardInterrupt

    with _handled("SIGTERM", on_signal):
        yield


@contextmanager
def interrupting(interrupts: Interrupts, interrupt: Callable[[int], None]) -> Iterator[None]:
    """Inside the block, call ``interrupt`` where Ctrl-C or SIGTERM would raise KeyboardInterrupt.

    It gets the number of the signal.
    """

    def on_signal(number: int, _: FrameType | None) -> None:
        interrupt(number)

    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    is_ours = is_main and before is signal.default_int_handler
    interrupts.interrupt = interrupt
    if is_ours:
        signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        interrupts.interrupt = None
        if is_ours:
            signal.signal(signal.SIGINT, before)


@contextmanager
def cancelling(host: Host) -> Iterator[None]:
    """Inside the block, cancel the job of a host at Ctrl-C; then raise KeyboardInterrupt.

    That is what `asyncio.Runner` does: a job can handle the cancellation. A second Ctrl-C raises
    KeyboardInterrupt at once.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    places: list[str] = []

    def on_signal(_: int, __: FrameType | None) -> None:
        places.append("" if places else hang_report.describe_loop(host.loop, host.task))
        if len(places) > 1 or not host.is_busy:
            raise KeyboardInterrupt
        host.cancel()
        host.loop.call_soon_threadsafe(lambda: None)  # wake it

    signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    except asyncio.CancelledError as error:
        if not places or host.task is None or host.task.uncancel() > 0:
            raise
        interrupt = KeyboardInterrupt()
        interrupt.add_note(f"\n{places[0]}")
        raise interrupt from error
    finally:
        if signal.getsignal(signal.SIGINT) is on_signal:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def suspending(before: Callable[[], object], after: Callable[[float], object]) -> Iterator[None]:
    """Inside the block, call ``before`` when Ctrl-Z suspends the process.

    When it goes on, call ``after`` with the seconds for which it was suspended. No alarm is
    handled until then.
    """

    def on_signal(_: int, __: FrameType | None) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        began = monotonic()
        try:
            before()
            os.kill(os.getpid(), signal.SIGSTOP)
            after(monotonic() - began)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    with _handled("SIGTSTP", on_signal):
        yield


_handlers: dict[int, _Handler] = {}
"""The handlers of this module that are set in this process, by signal."""


@contextmanager
def _handled(name: str, handler: _Handler) -> Iterator[None]:
    """Handle a signal inside the block, unless somebody else does, or the system doesn't have it.

    Does nothing outside of the main thread, where Python sets no handlers.
    """
    number = getattr(signal, name, None)
    is_main = threading.current_thread() is threading.main_thread()
    if number is None or not is_main or not _is_free(number):
        yield
        return
    before, outer = signal.signal(number, handler), _handlers.get(number)
    _handlers[number] = handler
    try:
        yield
    finally:
        if outer is None:
            _handlers.pop(number, None)
        else:
            _handlers[number] = outer
        if signal.getsignal(number) is handler:
            signal.signal(number, before)


def _is_free(number: int) -> bool:
    """Return True if nobody handles a signal, or we do: a worker process replaces its parent's."""
    handler = signal.getsignal(number)
    return handler is signal.SIG_DFL or handler is _handlers.get(number)


def _release() -> None:
    """Remove all handlers: this is a child process that a test has forked."""
    for number, handler in _handlers.items():
        if signal.getsignal(number) is handler:
            signal.signal(number, signal.SIG_DFL)
    _handlers.clear()


def _ignored(**_: Callable[[], None]) -> None:
    """Replace `os.register_at_fork` on systems that can't fork."""


getattr(os, "register_at_fork", _ignored)(after_in_child=_release)
