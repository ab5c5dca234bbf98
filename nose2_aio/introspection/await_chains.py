"""Await chains: where a task is suspended, line by line.

``Task.get_stack`` shows only one frame of a suspended task. So we follow the chain ourselves:

1. Begin with the coroutine of the task.
2. Ask each coroutine, generator or async generator for its frame, and for the object it awaits.
3. The chain ends at a future. When that is done, the event loop runs the task again.

Frames of asyncio and of this package are not shown as lines; `waits` has words for them. Of frames
of libraries between those of the user, only their number is shown.
"""

import gc
import itertools
import linecache
import types
from asyncio import Task
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import locations

__all__ = [
    "Line",
    "format_lines",
    "frames",
    "innermost",
    "innermost_of_frame",
    "is_hidden",
    "of_frame",
    "of_task",
    "shown",
    "to_lines",
]

_HIDDEN_PACKAGES = ("asyncio", "concurrent", "nose2_aio", "selectors", "threading", "uvloop")
"""Packages whose frames are not shown."""
_RUNNERS = ("nose2", "unittest")
_MAX_LINES = 30
"""How many lines of one chain are shown, at most."""
_MAX_FRAMES = 200
"""How far a chain is followed: it may be circular."""
_MAX_LIBRARY_LINES = 2
"""How many lines of libraries are shown in a row, at most."""
_MAX_SOURCE = 90
"""How long a line of source code may be, in characters."""


class Line(NamedTuple):
    """One line of a chain, in the user's code or a library's."""

    place: str
    """``file:line in function``."""
    source: str
    """The source code of the line; "" if it is not known."""


def of_task(task: Task[Any]) -> list[Line]:
    """Return the lines where a suspended task awaits, outermost first."""
    return to_lines((frame, frame.f_lineno) for frame in shown(task))


def of_frame(frame: FrameType | None) -> list[Line]:
    """Return the lines of a running stack, given its innermost frame; outermost first.

    They begin where the event loop, unittest or nose2 calls the user's code.
    """
    return to_lines(reversed(_entries(frame)))


def innermost(entries: Iterable[tuple[FrameType, int]]) -> Line | None:
    """Return the last of these lines that is the user's; of a library, if there is none."""
    last = None
    for entry in entries:
        if last is None or locations.of_user(entry[0]) or not locations.of_user(last[0]):
            last = entry
    return last and _line(*last)


def innermost_of_frame(frame: FrameType | None) -> Line | None:
    """Return the innermost line of a running stack, given its innermost frame."""
    return innermost(reversed(_entries(frame)))


def _entries(frame: FrameType | None) -> list[tuple[FrameType, int]]:
    """Return the frames of a running stack that are shown, with their lines; innermost first."""
    found: list[tuple[FrameType, int]] = []
    while frame is not None and locations.package_of(frame) not in _RUNNERS:
        if found and locations.package_of(frame) == "asyncio":
            break
        if not is_hidden(frame):
            found.append((frame, frame.f_lineno))
        frame = frame.f_back
    return found


def format_lines(lines: list[Line], indent: str = "  ") -> list[str]:
    """Return the lines as text, with their source code in one column."""
    width = max((len(line.place) for line in lines if line.source), default=0)
    return [f"{indent}{line.place:<{width}}  {_cut(line.source)}".rstrip() for line in lines]


def frames(task: Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of a suspended task, outermost first."""
    one: Any = task.get_coro()
    for _ in range(_MAX_FRAMES):
        if one is None:
            return
        frame, following = _step(one)
        if frame is not None:
            yield frame
        one = following


def shown(task: Task[Any]) -> list[FrameType]:
    """Return those frames of a suspended task that are shown as lines."""
    return [frame for frame in frames(task) if not is_hidden(frame)]


def _step(one: Any) -> tuple[FrameType | None, Any]:
    """Return the frame of an awaited object, and the object that it awaits in turn."""
    for prefix, attribute in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
        frame = getattr(one, f"{prefix}_frame", None)
        if frame is not None:
            return frame, getattr(one, f"{prefix}_{attribute}")
    if (type(one).__module__, type(one).__qualname__) in _WRAPPERS:
        for inner in gc.get_referents(one):  # such a wrapper has no attribute for it
            if isinstance(inner, types.AsyncGeneratorType | types.CoroutineType):
                return None, inner
    return None, None


def is_hidden(frame: FrameType) -> bool:
    """Return True if a frame is not shown as a line."""
    return locations.package_of(frame) in _HIDDEN_PACKAGES


def to_lines(entries: Iterable[tuple[FrameType, int]]) -> list[Line]:
    """Return the lines for frames with their line numbers.

    Of many frames of libraries in a row, only the number is shown, and the innermost one if it ends
    the chain. Of many lines, the middle is left out.
    """
    lines: list[Line] = []
    for is_users, group in itertools.groupby(entries, lambda entry: locations.of_user(entry[0])):
        run = list(group)
        found = [_line(frame, number) for frame, number in run]
        if not is_users and len(run) > _MAX_LIBRARY_LINES:
            packages = dict.fromkeys(locations.package_of(frame) for frame, _ in run)
            found = [Line(f"... {len(run) - 1} frames of {', '.join(packages)} ...", ""), found[-1]]
        lines += found
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        left_out = Line(f"... {len(lines) - _MAX_LINES} more lines ...", "")
        return [*lines[:half], left_out, *lines[-half:]]
    return lines


def _line(frame: FrameType, number: int) -> Line:
    code = frame.f_code
    source = linecache.getline(code.co_filename, number or 0, frame.f_globals).strip()
    return Line(locations.line_in(code.co_filename, number, code.co_name), source)


def _cut(source: str) -> str:
    return source if len(source) <= _MAX_SOURCE else f"{source[: _MAX_SOURCE - 4]} ..."


_WRAPPERS = frozenset(
    ("builtins", name)
    for name in (
        "async_generator_asend",
        "async_generator_athrow",
        "coroutine_wrapper",
        "anext_awaitable",
    )
)
"""Types, by module and name, that wrap an awaited coroutine or async generator.

They are compared by name, since no module has them as attributes.
"""
