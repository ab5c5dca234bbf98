"""What outside of an event loop can still wake it: another thread, a child process, a signal.

Whatever is not known to be harmless counts: a thread that runs any code, and a thread that Python
did not start.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed doesn't have it
import asyncio
import os
import selectors
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import executors
from nose2_aio.eventloop.alarms import process_alarms
from nose2_aio.introspection import await_chains, locations, sockets
from nose2_aio.introspection.locations import Origin

__all__ = [
    "ProcessState",
    "alarm_can_wake",
    "describe",
    "describe_file",
    "ignore_foreign_threads",
    "other_frames",
    "process_can_wake",
    "process_state",
    "signal_can_wake",
    "without_pairs",
]

_THREADS = "/proc/self/task"
"""The directory on Linux that has a directory for each thread of this process."""
_PROCESS = "/proc/{}/stat"
_BIRTH = 50e-6
"""Seconds that it takes to start a child process, at least."""
_XDIST = "execnet"
"""The package in which pytest-xdist has a thread in each worker: it never wakes a loop."""


class ProcessState:
    """What we know about the threads and child processes of this process.

    A foreign thread is one that Python did not start.
    """

    def __init__(self) -> None:
        self.harmless_threads: int | None = None
        """How many foreign threads there were at the beginning of the run; None: not counted."""
        self.childless_at = 0.0
        """When we last saw that there was no child process, by `time.monotonic`."""
        self.counts_by_links = False
        """True if the link count of `_THREADS` tells how many threads there are.

        To read it takes a tenth of the time that it takes to list the directory.
        """
        self.inherited_files: frozenset[tuple[int, int]] = frozenset()
        """The device and the inode of each file that other processes may have open, too."""
        self.note_inherited_files()

    def note_inherited_files(self) -> None:
        """Called when the package is imported, and after each fork, in both processes."""
        self.inherited_files = frozenset(sockets.open_files().values())


process_state = ProcessState()
getattr(os, "register_at_fork", lambda **_: None)(
    after_in_child=process_state.note_inherited_files,
    after_in_parent=process_state.note_inherited_files,
)


def ignore_foreign_threads() -> None:
    """Take the foreign threads that there are now for harmless, such as a pool of BLAS."""
    process_state.counts_by_links = False
    count = _count_threads()
    process_state.counts_by_links = True
    process_state.counts_by_links = _count_threads() == count
    process_state.harmless_threads = count - len(other_frames()) - 1


def process_can_wake() -> bool:
    """Return True if another thread, or a child process, may wake a loop."""
    frames = other_frames()
    if (frames and _busy_threads(frames)) or _has_foreign_thread(frames):
        return True
    now = monotonic()
    if now - process_state.childless_at < _BIRTH:
        return False
    if _has_child():
        return True
    process_state.childless_at = now
    return False


def signal_can_wake() -> bool:
    """Return True if the handler of a signal may wake a loop, whoever sends the signal."""
    return any(_is_users(signal.getsignal(number), number) for number in signal.valid_signals())


def alarm_can_wake() -> bool:
    """Return True if the tested code has set a timer for SIGALRM that may wake a loop."""
    try:
        handler = _signal.getsignal(signal.SIGALRM)  # without the time to make an enum of it
    except AttributeError:  # Windows has no such signal
        return False
    return _is_users(handler, signal.SIGALRM) and signal.getitimer(signal.ITIMER_REAL)[0] > 0


def describe(origin_of_child: Callable[[int], Origin] = lambda _: ()) -> list[str]:
    """Return the reasons for `process_can_wake` and `alarm_can_wake`, in words.

    The argument returns where a child process was started, given its number.
    """
    frames = other_frames()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for identity in _busy_threads(frames):
        line = await_chains.innermost_of_frame(frames[identity])
        place = "" if line is None else f", at {line.place}"
        found.append(f"the thread {names.get(identity, identity)}{place}")
    if _has_foreign_thread(frames):
        found.append(
            "a thread that Python did not start, of a library that was used since the start"
        )
    if _has_child():
        found += _running_children(origin_of_child)
    if alarm_can_wake():
        found.append("the alarm of signal.setitimer")
    return found


def describe_file(key: selectors.SelectorKey, origin: Origin) -> str:
    """Return which file a loop waits for, which functions it calls then, and where it was opened.

    Functions of asyncio are left out.
    """
    called = [locations.callback_of(handle) for handle in key.data or () if handle]
    names = [
        locations.describe(function)
        for function in called
        if not str(getattr(function, "__module__", "")).startswith("asyncio.")
    ]
    called_then = f", for {' and '.join(names)}" if names else ""
    return f"{sockets.name_of_file(key.fd)}{called_then}{_at('opened', origin)}"


def without_pairs(files: list[selectors.SelectorKey]) -> list[selectors.SelectorKey]:
    """Return the files without connections of which both ends are among them."""
    ends = [sockets.ends_of_file(key.fd) for key in files]
    return [
        key for key, pair in zip(files, ends, strict=True) if pair is None or pair[::-1] not in ends
    ]


def _at(done: str, origin: Origin) -> str:
    place = locations.format_origin(origin)
    return f", {done} at {place}" if place else ""


def other_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each other thread, by the thread's identity."""
    frames = sys._current_frames()
    # our own frame refers to this dict: a reference cycle would keep the other frames alive
    if frames.pop(threading.get_ident(), None) is None:  # gevent gives each greenlet a number
        del frames[next(number for number in frames if frames[number] is sys._getframe(1))]
    return frames


def _busy_threads(frames: dict[int, FrameType]) -> list[int]:
    """Return the identities of the threads that may wake a loop.

    An abandoned thread of an executor can't wake its loop, which is closed. But if another thread
    waits, the abandoned one may notify that.
    """
    busy, abandoned = [], []
    is_waiting = False
    for identity, frame in frames.items():
        if identity in process_alarms.threads or executors.is_idle(identity, frame):
            continue
        if _is_of_xdist(frame):
            continue
        if _waits_for_another(frame):
            is_waiting = True
        elif identity in executors.abandoned_threads:
            abandoned.append(identity)
        else:
            busy.append(identity)
    return busy + abandoned if is_waiting else busy


def _is_of_xdist(frame: FrameType | None) -> bool:
    """Return True if a thread belongs to pytest-xdist."""
    while frame is not None and locations.package_of(frame) != _XDIST:
        frame = frame.f_back
    return frame is not None


def _waits_for_another(frame: FrameType) -> bool:
    """Return True if a thread waits without a timeout until another thread notifies it.

    A thread that was notified, and has not yet run, does not wait any more.
    """
    if frame.f_code is not _WAIT:
        return False
    own = frame.f_locals
    return own.get("timeout") is None and own.get("waiter") in own["self"]._waiters


def _has_foreign_thread(frames: dict[int, Any]) -> bool:
    """Return True if there are more foreign threads than at the beginning of the run."""
    if process_state.harmless_threads is None:  # there is no run: a decorator is used by itself
        ignore_foreign_threads()
    return _count_threads() - len(frames) - 1 > (process_state.harmless_threads or 0)


def _count_threads() -> int:
    """Return how many threads there are; only those of Python if the system is not Linux."""
    try:
        if process_state.counts_by_links:
            return os.stat(_THREADS).st_nlink - 2  # noqa: PTH116 -- called for each jump
        return len(os.listdir(_THREADS))  # noqa: PTH208 -- only the count is needed
    except OSError:  # the system is not Linux
        return len(other_frames()) + 1


def _has_child() -> bool:
    """Return True if a child process is running."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):  # there is no child; Windows has no such function
        return False
    if ended is None and _tracker() is None:
        return True
    return bool(_running_children())


def _running_children(origin_of_child: Callable[[int], Origin] = lambda _: ()) -> list[str]:
    """Return the running child processes, in words.

    Left out are children that have ended and that nobody has waited for, and the resource tracker
    of multiprocessing, which runs until this process ends.
    """
    try:
        threads = os.listdir(_THREADS)  # noqa: PTH208 -- names
        texts = [_text(f"{_THREADS}/{thread}/children") for thread in threads]
        states = [_text(_PROCESS.format(child)) for text in texts for child in text.split()]
    except OSError:
        return ["a child process"]  # it is not known which
    found = []
    for state in states:
        head, _, rest = state.rpartition(")")
        number, _, name = head.partition(" (")
        is_zombie = rest.split()[0] == "Z"
        if not is_zombie and number != str(_tracker()):
            started = _at("started", origin_of_child(int(number)))
            found.append(f"the child process {number} ({name}){started}")
    return found


def _tracker() -> int | None:
    """Return the number of multiprocessing's resource tracker process, if there is one."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    number: int | None = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return number


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 -- a name in /proc
        return file.read()


def _is_users(handler: Any, number: int) -> bool:
    """Return True if the handler of a signal is the user's, and so may wake a loop.

    Our own handlers are defined in several modules, which this one can't import. So they are
    recognized by the package that they are defined in.
    """
    if not callable(handler) or isinstance(handler, signal.Handlers):
        return False
    module = getattr(handler, "__module__", None) or ""
    if module.partition(".")[0] == _PACKAGE:
        return False
    if number == signal.SIGINT:
        method = getattr(handler, "func", handler)  # asyncio.Runner sets a functools.partial
        is_asyncios = _ON_SIGINT is not None and getattr(method, "__func__", None) is _ON_SIGINT
        return handler is not signal.default_int_handler and not is_asyncios
    return True


_WAIT = locations.code_of(threading.Condition, "wait")
_ON_SIGINT = getattr(asyncio.Runner, "_on_sigint", None)
_PACKAGE = __name__.partition(".")[0]
