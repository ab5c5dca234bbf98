"""Where a cancelled task goes on: the ``except``, or the like, that has caught its CancelledError.

Python names each handler that an exception reaches, also one that raises it again (`monitoring`).
If the task did not end, the last handler is the one that matters.
"""

from __future__ import annotations

import asyncio
import dis
import linecache
import re
import weakref
from asyncio import Task
from types import CodeType
from typing import Any

from nose2_aio.introspection import await_chains, locations, monitoring
from nose2_aio.introspection.await_chains import Line

__all__ = ["describe"]

_HANDLER = dis.opmap.get("PUSH_EXC_INFO")
"""The first instruction of a handler that code of a module has. Others only clean up."""
_CANCELLED = asyncio.CancelledError
_CATCHES = r"except\s*(:|.*(CancelledError|BaseException))"

_reached: weakref.WeakKeyDictionary[Task[Any], tuple[CodeType, int]] = weakref.WeakKeyDictionary()
"""The handler that a CancelledError has reached last, by task."""


def describe(task: Task[Any]) -> str:
    """Return how often a task was cancelled, and where it went on, if that is known."""
    count = task.cancelling()
    times = {1: "", 2: " twice"}.get(count, f" {count} times")
    place = _place(*_reached[task]) if task in _reached else ""
    if not place:
        return "; ".join(
            [f"was cancelled{times}, and went on", *_waits_at(await_chains.of_task(task))]
        )
    return f"was cancelled{times}, and went on at {place}"


def _waits_at(lines: list[Line]) -> list[str]:
    return [f"it waits at {lines[-1].place}"] if lines else []


def _note(code: CodeType, offset: int, error: BaseException) -> None:
    if not isinstance(error, _CANCELLED) or code.co_code[offset] != _HANDLER:
        return
    if code.co_filename.startswith(monitoring.ASYNCIO):
        return  # a task group waits for its other tasks
    task = monitoring.current_task()
    if task is not None:
        _reached[task] = code, offset


def _place(code: CodeType, offset: int) -> str:
    """Return ``file:line in function`` of a handler: of the clause that names the exception."""
    lines = [line for _, end, line in code.co_lines() if end > offset and line]
    if not lines:
        return ""
    texts = {line: linecache.getline(code.co_filename, line).strip() for line in lines}
    found = lines[0]
    if texts[found].startswith("except"):
        found = next((line for line in lines if re.match(_CATCHES, texts[line])), found)
    return locations.line_in(code.co_filename, found, code.co_name)


monitoring.at_handler(_note)
