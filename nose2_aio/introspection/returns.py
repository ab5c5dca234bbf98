"""Where tasks have returned: a task that has ended no longer knows at which line.

Often that explains a hang: a handler that returned early, and left open what another one waits for.
So the coroutine functions of tasks are monitored (`monitoring`). Without it, nothing is known.
"""

from __future__ import annotations

from asyncio import Task
from types import CodeType, FrameType
from typing import Any

from nose2_aio.introspection import monitoring

__all__ = ["take", "watch"]

_MAX = 1000
"""How many lines are kept. Those of tasks that nobody asks for are forgotten then."""
_returned: dict[int, tuple[CodeType, int]] = {}
"""The code and the line, by the identity of the task."""


def watch(coroutine: Any) -> None:
    """Note where a coroutine returns, if it is that of a task."""
    monitoring.at_return(getattr(coroutine, "cr_code", None), _note, is_first=True)


def take(task: Any) -> tuple[CodeType, int] | None:
    """Return the code and the line where a task has returned, and forget it; None: not known."""
    return _returned.pop(id(task), None)


def _note(frame: FrameType, _: Any) -> None:
    task = monitoring.current_task()
    if isinstance(task, Task) and getattr(task.get_coro(), "cr_frame", None) is frame:
        if len(_returned) >= _MAX:
            _returned.clear()
        _returned[id(task)] = frame.f_code, frame.f_lineno
