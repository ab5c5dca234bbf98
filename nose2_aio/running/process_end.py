"""The end of the process: threads and child processes that tests have left can't hold it up.

At its end, Python waits for every thread that isn't a daemon, such as those of a thread pool, and
for child processes of multiprocessing. A blocked one would hold up the exit for ever.

1. `guard` is called after the summary of a run that is to end the process. It notes the threads
   that are left. If there are any, it starts threads of ours that do nothing yet: while it ends,
   Python 3.12 starts none.
2. When Python begins to end the process, one of ours waits for ``exit-grace`` seconds (`watch`).
3. If one of the threads or a child process is still there then, it is printed with its line. The
   functions that are registered with `atexit` are called, and the process ends with the same exit
   status.

Worker processes begin with step 2 after their last test.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import unittest
from collections.abc import Callable, Iterable
from threading import Thread
from types import FrameType
from typing import Any

from nose2_aio.eventloop import executors
from nose2_aio.introspection import await_chains

__all__ = ["abandoned_jobs", "guard", "leave", "watch", "will_exit"]

_STDERR = 2
_INTERRUPTED = 130
"""The exit status of a process that Ctrl-C has ended, as shells show it."""
_LAST = 10.0
"""Seconds that the functions registered with `atexit` get, if something holds up the exit."""


def abandoned_jobs() -> list[str]:
    """Return a line for each job of a default executor that runs though its loop is closed."""
    threads = [one for one in threading.enumerate() if one.ident in executors.abandoned_threads]
    return [f"still running: {line.strip()}" for line in _thread_lines(threads)]


def guard(result: Any, grace: float) -> None:
    """Let nothing hold up the end of this process, if the runner is about to end it.

    That is so if its program was called with ``exit=True``, the default.
    """
    threads = _threads()
    if will_exit() and _lines(threads):
        is_interrupted = isinstance(sys.exception(), KeyboardInterrupt)
        status = _INTERRUPTED if is_interrupted else int(not result.wasSuccessful())
        # called before the threads are joined
        threading._register_atexit(_ending(threads, grace, status, _STDERR).begin)  # type: ignore[attr-defined]


def watch(grace: float, status: int, descriptor: int = _STDERR) -> None:
    """End the process after ``grace`` seconds if a thread or process that exists now is left.

    What held up the end is written to a file descriptor.
    """
    threads = _threads()
    if _lines(threads):
        _ending(threads, grace, status, descriptor).begin()


class _Waiting(Thread):
    """A daemon thread that exists, and calls a function as soon as `begin` is called."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(name="nose2_aio-exit", daemon=True)
        self._function = function
        self._begun = threading.Event()
        self.start()

    def begin(self) -> None:
        """Let the thread call its function."""
        self._begun.set()

    def run(self) -> None:
        """Wait, and call the function."""
        self._begun.wait()
        self._function()


def _ending(threads: list[Thread], grace: float, status: int, descriptor: int) -> _Waiting:
    last = _Waiting(atexit._run_exitfuncs)
    return _Waiting(lambda: _leave(threads, grace, status, descriptor, last))


def _leave(
    threads: list[Thread],
    grace: float,
    status: int,
    descriptor: int,
    last: _Waiting | None = None,
) -> None:
    threading.Event().wait(grace)  # a test may have replaced `time.sleep`
    lines = _lines(threads)
    if not lines:
        return
    _flush()
    head = f"The process ends without what tests have left running (exit-grace: {grace:g} s):"
    with contextlib.suppress(OSError):
        os.write(descriptor, "\n".join(["", head, *lines, ""]).encode())
    leave(status, last)


def leave(status: int, last: _Waiting | None = None) -> None:
    """End the process at once, but call the functions that are registered with `atexit`.

    ``last`` is the thread for that; None while Python still starts threads.
    """
    for child in _children():
        child.kill()
    last = last or _Waiting(atexit._run_exitfuncs)
    last.begin()
    last.join(_LAST)
    _flush()
    os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # it is closed, or a test has replaced it
            stream.flush()


def will_exit() -> bool:
    """Return True if a unittest program has called this that ends the process after its run."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        program = frame.f_locals.get("self")
        if isinstance(program, unittest.TestProgram):
            return bool(getattr(program, "exit", False))
        frame = frame.f_back
    return False


def _children() -> list[Any]:
    """Return the child processes that Python joins at its end."""
    module = sys.modules.get("multiprocessing")
    return [] if module is None else module.active_children()


def _threads() -> list[Thread]:
    """Return the threads that Python joins at its end."""
    main = threading.main_thread()
    return [one for one in threading.enumerate() if not one.daemon and one is not main]


def _lines(threads: Iterable[Thread]) -> list[str]:
    """Return a line for each of the threads that runs, and for each child process."""
    return [
        *_thread_lines(threads),
        *(f"  child process {child.name} (pid {child.pid})" for child in _children()),
    ]


def _thread_lines(threads: Iterable[Thread]) -> list[str]:
    frames = sys._current_frames()
    found = []
    for thread in threads:
        if thread.is_alive():
            line = await_chains.innermost_of_frame(frames.get(thread.ident or 0))
            place = "" if line is None else f": {line.place}  {line.source}"
            found.append(f"  thread {thread.name}{place}")
    return found
