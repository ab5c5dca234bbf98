"""Timeouts of the user's own that expire: which one it was, and what its tasks waited for then.

A ``TimeoutError`` says neither how long the timeout was, nor what happened in other tasks. So we
note both (`monitoring`): the seconds where ``asyncio.timeout`` or ``asyncio.wait_for`` makes a
timeout, and the waits where it expires. If a test fails because of it, its error gets a note.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import weakref
from asyncio import Task
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from nose2_aio.introspection import locations, monitoring, tracebacks
from nose2_aio.introspection.locations import code_of
from nose2_aio.reporting import verdicts
from nose2_aio.reporting.loop_tasks import LoopTasks

__all__ = ["explain"]

_MAX_TASKS = 5
"""How many tasks are shown, at most."""
_EXIT = code_of(asyncio.Timeout, "__aexit__")

_made: weakref.WeakKeyDictionary[asyncio.Timeout, tuple[float, CodeType, int]] = (
    weakref.WeakKeyDictionary()
)
"""How many seconds each timeout has, and the line where it was made."""
_waits = weakref.WeakKeyDictionary[asyncio.Timeout, list[str]]()
"""What the tasks of each timeout that has expired waited for then."""


def explain(error: BaseException) -> None:
    """Add notes on the timeouts that an error comes from."""
    for timeout in _timeouts(error):
        lines = _waits.pop(timeout, None)
        if lines:
            head = f"The timeout{_origin_of(timeout)} expired. At that moment:"
            error.add_note("\n".join(["", head, *(f"  {line}" for line in lines)]))


def _origin_of(timeout: asyncio.Timeout) -> str:
    if timeout not in _made:
        return ""
    delay, code, offset = _made[timeout]
    if code.co_filename.startswith(monitoring.ASYNCIO):
        return f" of {delay:g} s"
    place = locations.format_origin((locations.at_instruction(code, offset),))
    return f" of {delay:g} s, made at {place},"


def _timeouts(error: BaseException) -> Iterator[asyncio.Timeout]:
    """Yield the timeouts that have raised an error, or one of those that are reported with it."""
    for one in tracebacks.reported_with(error):
        for entry in tracebacks.entries(one):
            if entry.tb_frame.f_code is _EXIT:
                yield entry.tb_frame.f_locals["self"]


def _note_made(frame: FrameType, timeout: Any) -> None:
    delay = frame.f_locals["delay"]
    if delay is not None:
        _made[timeout] = delay, *monitoring.callers(frame, 1)[0]


def _note_expired(frame: FrameType, _: Any) -> None:
    timeout = frame.f_locals["self"]
    with contextlib.suppress(Exception):  # it would be raised in the user's event loop
        _waits[timeout] = _describe(timeout._task)


def _describe(task: Task[Any]) -> list[str]:
    """Return what a task waits for, and what those wait for that it waits for."""
    tasks = LoopTasks(task.get_loop(), None)
    found = [task]
    for one in found:  # it grows meanwhile
        found += [each for each in tasks.awaited(one) if each not in found]
    return [_line(tasks, one) for one in itertools.islice(found, _MAX_TASKS)]


def _line(tasks: LoopTasks, task: Task[Any]) -> str:
    place = verdicts.place_of(task)
    at = f", at {place}" if place else ""
    return f"{tasks.name_of(task)}{at}, {tasks.wait_of(task).full_words}"


monitoring.at_return(code_of(asyncio, "timeout"), _note_made)
monitoring.at_start(code_of(asyncio.Timeout, "_on_timeout"), _note_expired)
