"""What outside of a loop can still wake it: another thread, a child process, a signal.

What isn't known to be harmless can: a thread that runs anything, and one that isn't Python's.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import alarms, executors
from nose2_aio.introspection import await_chains, locations

__all__ = [
    "alarm_can_wake",
    "described",
    "note_threads",
    "other_frames",
    "process_can_wake",
    "signal_can_wake",
]

_THREADS = "/proc/self/task"
_PROCESSES = "/proc/{}/stat"
_foreign_threads: int | None = None
"""How many threads that aren't Python's there were when the run began."""
_BIRTH = 50e-6
"""Seconds that it takes to make a child process, at the very least."""
_childless_at = 0.0
"""When there was none."""
_counts_by_links = False
"""Whether the links of that folder say how many threads there are: that takes a tenth."""


def note_threads() -> None:
    """Take the threads of libraries that are there now for harmless: BLAS has a pool, say."""
    global _foreign_threads, _counts_by_links  # noqa: PLW0603 -- there is one process
    _counts_by_links = False
    count = _count_threads()
    _counts_by_links = True
    _counts_by_links = _count_threads() == count
    _foreign_threads = count - len(other_frames()) - 1


def process_can_wake() -> bool:
    """Tell whether another thread, or a child process, may call back."""
    global _childless_at  # noqa: PLW0603 -- there is one process
    frames = other_frames()
    if frames and _busy_threads(frames):
        return True
    if _has_foreign_thread(frames):
        return True
    now = monotonic()
    if now - _childless_at < _BIRTH:
        return False
    if _has_child():
        return True
    _childless_at = now
    return False


def signal_can_wake() -> bool:
    """Tell whether the handler of a signal, whoever sends that, may call back."""
    return any(_is_users(signal.getsignal(number), number) for number in signal.valid_signals())


def alarm_can_wake() -> bool:
    """Tell whether this process is to send itself a signal, by `signal.setitimer` or the like."""
    try:
        left, _ = signal.getitimer(signal.ITIMER_REAL)
    except AttributeError:  # no such call
        return False
    return (
        left > 0
        and not alarms.is_ours(left)
        and _is_users(signal.getsignal(signal.SIGALRM), signal.SIGALRM)
    )


def described() -> list[str]:
    """Return what `process_can_wake` and `alarm_can_wake` go by, in words."""
    frames = other_frames()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for identity in _busy_threads(frames):
        *_, place = [
            "",
            *(f", at {line.place}" for line in await_chains.of_frame(frames[identity])),
        ]
        found.append(f"the thread {names.get(identity, identity)}{place}")
    if _has_foreign_thread(frames):
        found.append("a thread that isn't Python's, of a library that was imported or used since")
    if _has_child():
        found += _running_children()
    if alarm_can_wake():
        found.append("the alarm of signal.setitimer")
    return found


def other_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each other thread, by its identity."""
    frames = sys._current_frames()
    # its own one would be a circle, which keeps alive what the others have at hand
    del frames[threading.get_ident()]
    return frames


def _busy_threads(frames: dict[int, FrameType]) -> list[int]:
    """Return those threads that may do something by themselves."""
    busy, abandoned = [], []
    is_waiting = False
    for identity, frame in frames.items():
        if identity in alarms.bells or executors.is_idle(identity, frame):
            continue
        if _waits_for_another(frame):
            is_waiting = True
        elif identity in executors.abandoned:
            abandoned.append(identity)
        else:
            busy.append(identity)
    # what runs on behind the end of its loop may still notify one that waits
    return busy + abandoned if is_waiting else busy


def _waits_for_another(frame: FrameType) -> bool:
    """Tell whether a thread waits, with no limit, to be notified by another one: in a queue, say.

    One that was notified and has yet to run does no more.
    """
    if frame.f_code is not _WAIT:
        return False
    own = frame.f_locals
    return own.get("timeout") is None and own.get("waiter") in own["self"]._waiters


def _has_foreign_thread(frames: dict[int, Any]) -> bool:
    """Tell whether there are more threads that aren't Python's than when the run began."""
    if _foreign_threads is None:  # nobody has told of a run
        note_threads()
    return _count_threads() - len(frames) - 1 > (_foreign_threads or 0)


def _count_threads() -> int:
    """Return how many threads there are, Python's or not."""
    try:
        if _counts_by_links:
            return os.stat(_THREADS).st_nlink - 2  # noqa: PTH116 -- called for each jump
        return len(os.listdir(_THREADS))  # noqa: PTH208 -- a count
    except OSError:  # no Linux
        return len(other_frames()) + 1


def _has_child() -> bool:
    """Tell whether there is a child process that runs."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):  # none; no such call
        return False
    if ended is None and _tracker() is None:
        return True
    return bool(_running_children())


def _running_children() -> list[str]:
    """Return the children that run, in words.

    Not those that have ended, which nobody has waited for, nor the one that multiprocessing
    leaves behind to clean up.
    """
    try:
        threads = os.listdir(_THREADS)  # noqa: PTH208 -- names
        texts = [_text(f"{_THREADS}/{thread}/children") for thread in threads]
        states = [_text(_PROCESSES.format(child)) for text in texts for child in text.split()]
    except OSError:
        return ["a child process"]  # nobody can tell
    found = []
    for state in states:
        head, _, rest = state.rpartition(")")
        number, _, name = head.partition(" (")
        if rest.split()[0] != "Z" and number != str(_tracker()):
            found.append(f"the child process {number} ({name})")
    return found


def _tracker() -> int | None:
    """Return the process of multiprocessing that outlives what it was started for."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    number: int | None = getattr(getattr(module, "_resource_tracker", None), "_pid", None)
    return number


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 -- a name in /proc
        return file.read()


def _is_users(handler: Any, number: int) -> bool:
    """Tell whether the handler of a signal is one that may call back."""
    if not callable(handler) or isinstance(handler, signal.Handlers):
        return False
    if (getattr(handler, "__module__", None) or "").startswith(_PACKAGE):
        return False
    if number == signal.SIGINT:  # Python's own, or that of asyncio.Runner
        inner = getattr(handler, "func", handler)
        return (
            handler is not signal.default_int_handler
            and getattr(inner, "__name__", "") != "_on_sigint"
        )
    return True


_WAIT = locations.code_of(threading.Condition, "wait")
_PACKAGE = __name__.partition(".")[0]
