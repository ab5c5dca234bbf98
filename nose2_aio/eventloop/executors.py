"""The default executor of an event loop. Its threads never delay the end of a test or of the run.

Python joins the threads of a `ThreadPoolExecutor` at the end of the process. So a thread that is
blocked for minutes delays the end for minutes. The threads of this executor are daemons, which are
not joined. It also knows which job each thread runs.
"""

import concurrent.futures.thread
import contextvars
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

from nose2_aio.eventloop.jobs import JobFunction
from nose2_aio.introspection import locations
from nose2_aio.introspection.locations import Origin

__all__ = ["Executor", "abandoned_threads", "describe_job", "function_to_thread", "is_idle"]

abandoned_threads: set[int] = set()
"""The threads of this process that still run a job of a closed event loop, by identity."""
_numbers = itertools.count()
"""Gives each executor of this process a number, for the names of its threads."""


class Job(NamedTuple):
    """A submitted function call."""

    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    origin: Origin
    """Where it was submitted."""

    def __str__(self) -> str:
        """Return the name and place of the function, and where it was submitted."""
        place = locations.format_origin(self.origin)
        name = locations.describe(function_to_thread(self.function))
        return f"{name}{f', handed over at {place}' if place else ''}"


def describe_job(function: object) -> str:
    """Return what a job is, given its function; None: not known."""
    return f"the executor job {locations.describe(function)}" if function else "an executor job"


def function_to_thread(function: Any) -> Any:
    """Return the function that was given to `asyncio.to_thread`; any other as it is.

    ``to_thread`` submits ``functools.partial(context.run, function, …)``.
    """
    if isinstance(function, JobFunction):
        function = function.__wrapped__
    if isinstance(function, functools.partial) and function.args:
        context = getattr(function.func, "__self__", None)
        if isinstance(context, contextvars.Context) and function.func == context.run:
            return function.args[0]
    return function


class Executor(ThreadPoolExecutor):
    """A pool of daemon threads, with as many threads as asyncio's own default executor."""

    def __init__(self) -> None:
        # asyncio accepts no other type as default executor; we use nothing of the base class
        super().__init__(max_workers=1)
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        """The jobs that no thread has begun; None ends a thread."""
        self._own_threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        """Counts the threads that wait for a job."""
        self._max_threads = min(32, (os.cpu_count() or 1) + 4)
        self._guard = threading.Lock()
        self._is_shut_down = False
        self._number = next(_numbers)
        self.running: dict[int, Job] = {}
        """The job that each thread runs, by the thread's identity."""
        self.unfinished: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in one of the threads; raise `RuntimeError` after `shutdown`."""
        with self._guard:
            if self._is_shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[Any] = Future()
            self.unfinished.add(future)
            future.add_done_callback(self.unfinished.discard)
            origin = locations.capture_origin(sys._getframe(1))
            self._waiting.put(Job(future, fn, args, kwargs, origin))
            if not self._idle.acquire(blocking=False) and (
                len(self._own_threads) < self._max_threads
            ):
                name = f"asyncio_{self._number}_{len(self._own_threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._own_threads.append(thread)
                thread.start()
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 -- as its base has it
        """Accept no more jobs. The threads end after the jobs that were submitted.

        With ``wait``, return only when they have ended. With ``cancel_futures``, cancel the jobs
        that no thread has begun.
        """
        with self._guard:
            self._is_shut_down = True
            for future in list(self.unfinished) if cancel_futures else ():
                future.cancel()
            for _ in self._own_threads:
                self._waiting.put(None)
        for thread in self._own_threads if wait else ():
            thread.join()

    def _work(self) -> None:
        """Run jobs, one after the other. This is what each thread does."""
        own = threading.get_ident()
        while (job := self._waiting.get()) is not None:
            if job.future.set_running_or_notify_cancel():
                self.running[own] = job
                _run(job)
                del self.running[own]
                abandoned_threads.discard(own)
            del job
            self._idle.release()


def _run(job: Job) -> None:
    try:
        value = job.function(*job.args, **job.kwargs)
    except BaseException as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(value)


def is_idle(identity: int, frame: FrameType) -> bool:
    """Return True if a thread of any thread pool waits for a job, given its innermost frame.

    A thread of another pool is not idle if a job waits for it, or if it has just been given one.
    """
    if frame.f_code is _WORKER:
        return frame.f_lasti in _get_calls() and not _has_job(identity)
    return frame.f_code is Executor._work.__code__


@functools.cache
def _get_calls() -> frozenset[int]:
    """Return the offsets in the code of `_WORKER` at which it calls ``get`` of its queue."""
    found = set()
    is_next = False
    for instruction in dis.get_instructions(cast(CodeType, _WORKER)):
        if instruction.argval == "get":
            is_next = True
        elif is_next and instruction.opname.startswith("CALL"):
            found.add(instruction.offset)
            is_next = False
    return frozenset(found)


def _has_job(identity: int) -> bool:
    """Return True if a thread of a thread pool has been given a job, or ends with its pool.

    - Up to Python 3.12, a job is in the queue until a thread takes it.
    - From Python 3.13 on, the queue may give a job directly to a thread that waits. Then the pool
      counts fewer idle threads than it has threads.
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
"""The function that threads of a ThreadPoolExecutor run. No public way shows if one is idle."""
