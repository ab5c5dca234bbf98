"""The default executor of a loop: its threads never hold up the end of a test, or of the run.

The threads of a `ThreadPoolExecutor` are joined when the process ends, so one that is blocked for
minutes holds that up for minutes. Those of this one are daemons. It knows what each of them runs.
"""

from __future__ import annotations

import concurrent.futures.thread
import dis
import functools
import itertools
import os
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import CodeType, FrameType
from typing import Any, NamedTuple, cast

from nose2_aio.introspection import locations
from nose2_aio.introspection.locations import Origin

__all__ = ["Executor", "abandoned", "is_idle"]

_counter = itertools.count()


class Job(NamedTuple):
    """What somebody has submitted."""

    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    origin: Origin

    def __str__(self) -> str:
        """Name the function, and where it was handed over."""
        function = self.function
        inner = getattr(function, "func", None)
        if getattr(inner, "__qualname__", "") == "Context.run":  # by asyncio.to_thread
            function = function.args[0]  # type: ignore[attr-defined]
        place = locations.format_origin(self.origin)
        return f"{locations.describe(function)}{f', handed over at {place}' if place else ''}"


class Executor(ThreadPoolExecutor):
    """A thread pool of daemons, as wide as that of asyncio's own."""

    def __init__(self) -> None:
        # asyncio takes no default executor of another type; nothing else is used of this one
        super().__init__(max_workers=1)
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads_of_ours: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._width = min(32, (os.cpu_count() or 1) + 4)
        self._guard = threading.Lock()
        self._is_shut = False
        self._number = next(_counter)
        self.running: dict[int, Job] = {}
        """What each thread runs, by its identity."""
        self.unfinished: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called in one of the threads; raises `RuntimeError` after `shutdown`."""
        with self._guard:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[Any] = Future()
            self.unfinished.add(future)
            future.add_done_callback(self.unfinished.discard)
            self._waiting.put(
                Job(future, fn, args, kwargs, locations.capture_origin(sys._getframe(1)))
            )
            if not self._idle.acquire(blocking=False) and len(self._threads_of_ours) < self._width:
                name = f"asyncio_{self._number}_{len(self._threads_of_ours)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads_of_ours.append(thread)
                thread.start()
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 -- as its base has it
        """Take no more jobs, and end the threads behind those that are there.

        With ``wait``, only when these have ended; with ``cancel_futures``, without those that no
        thread has begun.
        """
        with self._guard:
            self._is_shut = True
            for future in list(self.unfinished) if cancel_futures else ():
                future.cancel()
            for _ in self._threads_of_ours:
                self._waiting.put(None)
        for thread in self._threads_of_ours if wait else ():
            thread.join()

    def _work(self) -> None:
        own = threading.get_ident()
        while (job := self._waiting.get()) is not None:
            if job.future.set_running_or_notify_cancel():
                self.running[own] = job
                _run(job)
                del self.running[own]
                abandoned.discard(own)
            del job
            self._idle.release()


def is_idle(identity: int, frame: FrameType) -> bool:
    """Tell whether a thread, with this innermost frame, waits in a thread pool for a job to run.

    It isn't idle while there is one that it has yet to take, or that it has just taken.
    """
    if frame.f_code is _WORKER:
        return frame.f_lasti in _get_calls() and not _has_job(identity)
    return frame.f_code is Executor._work.__code__


@functools.cache
def _get_calls() -> frozenset[int]:
    """Return where in its code a thread of a pool waits for a job."""
    found = set()
    is_next = False
    for instruction in dis.get_instructions(cast(CodeType, _WORKER)):
        if instruction.argval == "get":
            is_next = True
        elif is_next and instruction.opname.startswith("CALL"):
            found.add(instruction.offset)
            is_next = False
    return frozenset(found)


def _run(job: Job) -> None:
    try:
        value = job.function(*job.args, **job.kwargs)
    except BaseException as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(value)


def _has_job(identity: int) -> bool:
    """Tell whether a thread pool's thread has been handed a job, or is to end with its pool.

    A job is in the queue until Python 3.12. From then on it may be given to a thread that waits,
    but the pool counts how many of these have none.
    """
    for thread in threading.enumerate():
        if thread.ident == identity:
            args = getattr(thread, "_args", ())
            pool = args[0]() if args else None
            if pool is None:
                return True
            is_queued = not pool._work_queue.empty()
            return is_queued or pool._idle_semaphore._value < len(pool._threads)
    return True


_WORKER = locations.code_of(concurrent.futures.thread, "_worker")
"""Where the threads of thread pools wait; nothing public says whether one is idle."""

abandoned: set[int] = set()
"""The identities of threads that still run a job of a loop that is closed."""
