"""Await chains: where a task is suspended, line by line, and what it waits for in the end.

``Task.get_stack`` shows only one frame of a suspended task. So we follow the chain ourselves:

1. Begin with the coroutine of the task.
2. Ask each coroutine, generator or async generator for its frame, and for the object it awaits.
3. The chain ends at a future. When that is done, the event loop runs the task again.

Frames of asyncio and of this package are not shown as lines. They are used to find the words for
what a task waits for: "sleeps", "waits for the lock", ….
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import linecache
import types
from asyncio import Future, Task
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import holders, locations
from nose2_aio.introspection.locations import code_of

__all__ = [
    "Line",
    "awaited_tasks",
    "describe_wait",
    "format_lines",
    "of_frame",
    "of_task",
    "to_lines",
]

_HIDDEN_PACKAGES = ("asyncio", "concurrent", "nose2_aio", "selectors", "threading", "uvloop")
"""Packages whose frames are not shown."""
_RUNNERS = ("nose2", "unittest")
_MAX_LINES = 30
"""How many lines of one chain are shown, at most."""
_MAX_FRAMES = 200
"""How far a chain is followed: it may be circular."""
_MAX_TASKS = 4
"""How many tasks are named that a task waits for, at most."""
_MAX_REPR = 100
_MAX_SOURCE = 70

_Names = dict[str, Any]
"""The local variables of a frame."""


class Line(NamedTuple):
    """One line of a chain, in the user's code or a library's."""

    place: str
    """``file:line in function``."""
    source: str
    """The source code of the line; "" if it is not known."""


def of_task(task: Task[Any]) -> list[Line]:
    """Return the lines where a suspended task awaits, outermost first."""
    return to_lines((frame, frame.f_lineno) for frame in _frames(task) if not _is_hidden(frame))


def of_frame(frame: FrameType | None) -> list[Line]:
    """Return the lines of a running stack, given its innermost frame; outermost first.

    They begin where the event loop, unittest or nose2 calls the user's code.
    """
    found: list[tuple[FrameType, int]] = []
    while frame is not None and locations.package_of(frame) not in _RUNNERS:
        if found and locations.package_of(frame) == "asyncio":
            break
        if not _is_hidden(frame):
            found.append((frame, frame.f_lineno))
        frame = frame.f_back
    return to_lines(reversed(found))


def format_lines(lines: list[Line], indent: str = "  ") -> list[str]:
    """Return the lines as text, with their source code in one column."""
    width = max((len(line.place) for line in lines), default=0)
    return [
        f"{indent}{line.place:<{width}}  {line.source[:_MAX_SOURCE]}".rstrip() for line in lines
    ]


def awaited_tasks(task: Task[Any]) -> list[Task[Any]]:
    """Return the tasks that a task awaits, directly or in ``wait``, ``gather`` or a task group."""
    *_, last = [None, *_frames(task)]
    find_tasks = None if last is None else _TASKS_IN.get(last.f_code)
    found = () if find_tasks is None or last is None else find_tasks(last.f_locals)
    if not found:
        waiter = _waiter(task)
        found = getattr(waiter, "_children", None) or [waiter]
    return [
        one for one in found if isinstance(one, asyncio.Task) and not one.done() and one is not task
    ]


def describe_wait(task: Task[Any], name: Callable[[Task[Any]], str]) -> str:
    """Return what a suspended task waits for in the end, in words: ``sleeps, 9.5 s to go``.

    ``name`` returns the name of a task.
    """
    tasks = awaited_tasks(task)
    if tasks:
        return f"waits for {_listed([name(one) for one in tasks])}"
    end = itertools.takewhile(_is_hidden, reversed(list(_frames(task))))
    # outermost first: a barrier waits for a condition, and is what the user has called
    for frame in reversed(list(end)):
        words = _WORDS.get(frame.f_code)
        if words is not None:
            return words(frame.f_locals) + holders.describe(frame, name, task)
    waiter = _waiter(task)
    if waiter is None:
        return "is about to run"
    callbacks = [callback for callback, _ in getattr(waiter, "_callbacks", None) or ()]
    if any(getattr(callback, "__code__", None) in _CHAINED for callback in callbacks):
        return "waits for a job of an executor"
    return f"waits for a future that nobody has completed: {_short(waiter)}"


def _waiter(task: Task[Any]) -> Future[Any] | None:
    # no public function returns the future that a task waits for
    waiter: Future[Any] | None = getattr(task, "_fut_waiter", None)
    return waiter


def _frames(task: Task[Any]) -> Iterator[FrameType]:
    one: Any = task.get_coro()
    for _ in range(_MAX_FRAMES):
        if one is None:
            return
        frame, following = _step(one)
        if frame is not None:
            yield frame
        one = following


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


def _is_hidden(frame: FrameType) -> bool:
    return locations.package_of(frame) in _HIDDEN_PACKAGES


def to_lines(frames: Iterable[tuple[FrameType, int]]) -> list[Line]:
    """Return the lines for frames with their line numbers. Of many, the middle is left out."""
    lines = []
    for frame, number in frames:
        code = frame.f_code
        source = linecache.getline(code.co_filename, number or 0, frame.f_globals).strip()
        lines.append(Line(locations.line_in(code.co_filename, number, code.co_name), source))
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        left_out = Line(f"... {len(lines) - _MAX_LINES} more lines ...", "")
        return [*lines[:half], left_out, *lines[-half:]]
    return lines


def _listed(names: list[str]) -> str:
    if len(names) > _MAX_TASKS:
        return f"{', '.join(names[:_MAX_TASKS])} and {len(names) - _MAX_TASKS} more tasks"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _short(value: object) -> str:
    text = " ".join(locations.text_of(value).split())
    return text if len(text) <= _MAX_REPR else f"{text[: _MAX_REPR - 3]}..."


def _describe_sleep(names: _Names) -> str:
    if "h" not in names:  # ``sleep(0)`` sets no timer
        return "is about to run"
    left = max(0.0, names["h"].when() - names["loop"].time())
    return f"sleeps, {left:.4g} s to go"


def _describe_reader(names: _Names) -> str:
    transport = getattr(names["self"], "_transport", None)
    peer = None if transport is None else transport.get_extra_info("peername")
    return f"waits for data{f' from {peer}' if peer else ''}"


def _describing(words: str, variable: str = "self") -> Callable[[_Names], str]:
    """Return a function that returns ``words`` and the `repr` of a local variable."""
    return lambda names: f"{words} {_short(names[variable])}"


_WAIT = code_of(asyncio.tasks, "_wait")
_WAIT_FOR = code_of(asyncio.tasks, "wait_for")
_GROUP = {code_of(asyncio.TaskGroup, name) for name in ("__aexit__", "_aexit")} - {None}
_TASKS_IN: dict[CodeType | None, Callable[[_Names], Iterable[Any]]] = {
    _WAIT: lambda names: names["fs"],
    _WAIT_FOR: lambda names: [names["fut"]],  # Python 3.11
    **dict.fromkeys(_GROUP, lambda names: names["self"]._tasks),
}
"""By function: return the futures that it waits for, from its local variables."""
_WORDS: dict[CodeType | None, Callable[[_Names], str]] = {
    code_of(asyncio.tasks, "sleep"): _describe_sleep,
    code_of(asyncio.Event, "wait"): _describing("waits for the event"),
    code_of(asyncio.Lock, "acquire"): _describing("waits for the lock"),
    code_of(asyncio.Semaphore, "acquire"): _describing("waits for the semaphore"),
    code_of(asyncio.Condition, "wait"): _describing("waits for the condition"),
    code_of(asyncio.Barrier, "wait"): _describing("waits for the barrier"),
    code_of(asyncio.Queue, "get"): _describing("waits for an item of"),
    code_of(asyncio.Queue, "put"): _describing("waits for room in"),
    code_of(asyncio.Queue, "join"): _describing("waits until all is done of"),
    code_of(asyncio.StreamReader, "_wait_for_data"): _describe_reader,
    code_of(asyncio.SelectorEventLoop, "sock_recv"): _describing("waits to receive from", "sock"),
    code_of(asyncio.SelectorEventLoop, "sock_accept"): _describing("waits to accept on", "sock"),
    code_of(asyncio.SelectorEventLoop, "sock_connect"): _describing("waits to connect", "sock"),
    code_of(asyncio.SelectorEventLoop, "sock_sendall"): _describing("waits to send to", "sock"),
}
"""By function: return what a task in it waits for, in words, from its local variables."""
_CHAIN = code_of(asyncio.futures, "_chain_future")
_CHAINED = frozenset(
    constant
    for constant in (_CHAIN.co_consts if _CHAIN is not None else ())
    if isinstance(constant, CodeType)
)
"""The functions inside of ``_chain_future``.

asyncio makes a future for the job of an executor with it, and adds one of them as a callback.
"""
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
