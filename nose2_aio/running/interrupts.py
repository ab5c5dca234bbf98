"""Ctrl-C, SIGTERM, SIGQUIT and Ctrl-Z: the run ends in good order, reports where it is, or pauses.

Ctrl-C: Python raises KeyboardInterrupt where the test is. With unittest, that ends the run at once,
without ``tearDown`` and fixtures. So the first one that comes out of a test or a fixture becomes an
error of the test or fixture, and the run stops after it. A second one stops the run at once. If a
test catches a KeyboardInterrupt, nothing of this happens. SIGTERM does the same.

Child processes that tests fork get none of these handlers.
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
from nose2_aio.eventloop import alarms
from nose2_aio.eventloop.alarms import Alarm
from nose2_aio.introspection import tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.running.host import Host

__all__ = [
    "Interrupts",
    "call_around_suspension",
    "cancelling",
    "interrupting",
    "print_on_sigquit",
    "treat_sigterm_as_ctrl_c",
]

_Handler = Callable[[int, FrameType | None], None]
# the public functions look for enums: on Python 3.11 that takes 7 µs, four times for each step
_c_functions: Any = signal._signal  # type: ignore[attr-defined]


class Interrupts:
    """How a run reacts to Ctrl-C and SIGTERM."""

    def __init__(self) -> None:
        self.stop: Callable[[], Any] | None = None
        """Ends the run after the current test."""
        self.count = 0
        self.interrupt: Callable[[int], None] | None = None
        """Interrupts the run while tests run in worker processes."""
        self.cause = "Ctrl-C"
        """The name of what interrupts the run: ``Ctrl-C`` or ``SIGTERM``."""

    def error_to_raise(self, error: BaseException) -> BaseException:
        """Return what something is to fail with: for the first Ctrl-C an error of ours."""
        if not isinstance(error, KeyboardInterrupt) or self.stop is None:
            return error
        # a second one may come while the first has its coroutine end
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
def print_on_sigquit(
    tell: Callable[[FrameType | None], str], descriptor: int | None = None
) -> Iterator[None]:
    """Print what ``tell`` returns whenever SIGQUIT comes, inside the block, and go on.

    It is written to a file descriptor, or else to stderr.
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
def treat_sigterm_as_ctrl_c(interrupts: Interrupts) -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C inside the block: what CI sends before it kills a run."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        interrupts.cause = "SIGTERM"
        handler = signal.getsignal(signal.SIGINT)
        if interrupts.interrupt is not None:
            interrupts.interrupt(number)
        elif callable(handler):
            handler(number, frame)
        else:  # Ctrl-C is ignored, as in the background of a shell
            raise KeyboardInterrupt

    with _handled("SIGTERM", on_signal):
        yield


@contextmanager
def interrupting(interrupts: Interrupts, interrupt: Callable[[int], None]) -> Iterator[None]:
    """Call ``interrupt`` inside the block, where Ctrl-C or SIGTERM would raise KeyboardInterrupt.

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
def cancelling(host: Host, grace: float) -> Iterator[None]:
    """Inside the block, cancel the job of a host at Ctrl-C; then raise KeyboardInterrupt.

    That is what `asyncio.Runner` does: a job can handle the cancellation. KeyboardInterrupt is
    raised at once by a second Ctrl-C, if the job is being cancelled already, and after ``grace``
    seconds, also in code that does not await.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or _c_functions.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    places: list[str] = []
    alarm: Alarm | None = None

    def on_signal(_: int, __: FrameType | None) -> None:
        nonlocal alarm
        places.append("" if places else hang_report.describe_loop(host.loop, host.task))
        if host.is_being_cancelled or not host.is_busy:
            raise KeyboardInterrupt
        host.cancel()
        host.is_being_cancelled = True
        host.loop.call_soon_threadsafe(_wake)
        alarm = Alarm()
        alarm.set((monotonic() + grace, lambda _: KeyboardInterrupt()))

    _c_functions.signal(signal.SIGINT, on_signal)
    try:
        yield
    except asyncio.CancelledError as error:
        if not places or host.task is None or host.task.uncancel() > 0:
            raise
        interrupt = KeyboardInterrupt()
        interrupt.add_note(f"\n{places[0]}")
        raise interrupt from error
    finally:
        if alarm is not None:
            alarm.close()
        if _c_functions.getsignal(signal.SIGINT) is on_signal:
            _c_functions.signal(signal.SIGINT, signal.default_int_handler)


def _wake() -> None:
    """Let the loop look for what to run next."""


@contextmanager
def call_around_suspension(
    before: Callable[[], object], after: Callable[[float], object]
) -> Iterator[None]:
    """Call ``before`` when Ctrl-Z suspends the process, inside the block.

    Call ``after`` when it goes on, with the seconds for which it was suspended. No alarm rings
    before that.
    """

    def on_signal(_: int, __: FrameType | None) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {alarms.SIGNAL})
        began = monotonic()
        try:
            before()
            os.kill(os.getpid(), signal.SIGSTOP)
            after(monotonic() - began)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    with _handled("SIGTSTP", on_signal):
        yield


class _InstalledHandlers:
    """The signal handlers of this package that are installed in this process.

    Signals belong to the process, so there is one object for it.
    """

    def __init__(self) -> None:
        self.by_signal: dict[int, _Handler] = {}

    def is_free(self, number: int) -> bool:
        """True if a signal has its default handler or ours: a worker replaces its parent's."""
        handler = signal.getsignal(number)
        return handler is signal.SIG_DFL or handler is self.by_signal.get(number)

    def uninstall(self) -> None:
        """Restore the default handlers. Called in a child process that a test has forked."""
        for number, handler in self.by_signal.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)
        self.by_signal.clear()


_installed = _InstalledHandlers()


@contextmanager
def _handled(name: str, handler: _Handler) -> Iterator[None]:
    """Handle a signal inside the block, if the system has it and no other code handles it.

    Python can set handlers only in the main thread. In others, this does nothing.
    """
    number = getattr(signal, name, None)
    is_main = threading.current_thread() is threading.main_thread()
    if number is None or not is_main or not _installed.is_free(number):
        yield
        return
    before, outer = signal.signal(number, handler), _installed.by_signal.get(number)
    _installed.by_signal[number] = handler
    try:
        yield
    finally:
        if outer is None:
            _installed.by_signal.pop(number, None)
        else:
            _installed.by_signal[number] = outer
        if signal.getsignal(number) is handler:
            signal.signal(number, before)


def _ignored(**_: Callable[[], None]) -> None:
    """Stand for `os.register_at_fork` where nothing forks."""


getattr(os, "register_at_fork", _ignored)(after_in_child=_installed.uninstall)
