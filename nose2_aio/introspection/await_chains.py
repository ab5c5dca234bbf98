"""What a task waits for: the chain of its awaits, outermost first, and what is at its end.

``Task.get_stack`` shows one frame of a task that is suspended; so each coroutine, generator and
async generator is asked what it awaits, down to the future that the loop will wake the task for.
Frames of asyncio's and ours are left out: they say what is waited for, not where.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import linecache
import types
from asyncio import Future, Task
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import locations

__all__ = ["Line", "awaited", "formatted", "of_frame", "of_lines", "of_task", "waits_for"]

_LEFT_OUT = ("asyncio", "concurrent", "nose2_aio", "selectors", "threading")
_RUNNERS = ("nose2", "unittest")
_MOST = 30
"""How many lines of one chain are worth reading."""
_HOPS = 200
_WIDTH = 100
_SOURCE = 70


class Line(NamedTuple):
    """One line of the user's, or of a library's, in a chain."""

    place: str
    """``file:line in function``."""
    source: str


def of_task(task: Task[Any]) -> list[Line]:
    """Return the lines where a suspended task awaits, outermost first."""
    return of_lines((frame, frame.f_lineno) for frame in _frames(task) if not _is_left_out(frame))


def of_frame(frame: FrameType | None) -> list[Line]:
    """Return the lines of a running stack, outermost first, from where the loop or unittest is."""
    found: list[tuple[FrameType, int]] = []
    while frame is not None and locations.package(frame) not in _RUNNERS:
        if found and locations.package(frame) == "asyncio":
            break
        if not _is_left_out(frame):
            found.append((frame, frame.f_lineno))
        frame = frame.f_back
    return of_lines(reversed(found))


def formatted(lines: list[Line], indent: str = "  ") -> list[str]:
    """Return lines of text, the sources in one column."""
    width = max((len(line.place) for line in lines), default=0)
    return [f"{indent}{line.place:<{width}}  {line.source[:_SOURCE]}".rstrip() for line in lines]


def awaited(task: Task[Any]) -> list[Task[Any]]:
    """Return the tasks that a task waits for, directly or in a group."""
    *_, last = [None, *_frames(task)]
    look = None if last is None else _TASKS.get(last.f_code)
    found = () if look is None or last is None else look(last.f_locals)
    if not found:
        waiter = _waiter(task)
        found = getattr(waiter, "_children", None) or [waiter]
    return [
        one for one in found if isinstance(one, asyncio.Task) and not one.done() and one is not task
    ]


def waits_for(task: Task[Any], name: Callable[[Task[Any]], str]) -> str:
    """Return what a suspended task waits for in the end, in words: ``sleeps, 9.5 s to go``.

    ``name`` gives the name of another task.
    """
    tasks = awaited(task)
    if tasks:
        return f"waits for {_listed([name(one) for one in tasks])}"
    end = itertools.takewhile(_is_left_out, reversed(list(_frames(task))))
    for frame in reversed(list(end)):  # a queue waits for an event, say
        words = _WORDS.get(frame.f_code)
        if words is not None:
            return words(frame.f_locals)
    waiter = _waiter(task)
    if waiter is None:
        return "is about to run"
    if any(
        getattr(callback, "__qualname__", "").startswith("_chain_future.")
        for callback, _ in getattr(waiter, "_callbacks", None) or ()
    ):
        return "waits for a job of an executor"
    return f"waits for a future that nobody has completed: {_short(waiter)}"


def _waiter(task: Task[Any]) -> Future[Any] | None:
    # nothing public says what a task waits for
    waiter: Future[Any] | None = getattr(task, "_fut_waiter", None)
    return waiter


def _frames(task: Task[Any]) -> Iterator[FrameType]:
    one: Any = task.get_coro()
    for _ in range(_HOPS):
        if one is None:
            return
        frame, following = _step(one)
        if frame is not None:
            yield frame
        one = following


def _step(one: Any) -> tuple[FrameType | None, Any]:
    """Return the frame of something that is awaited, and what that awaits."""
    for prefix, attribute in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
        frame = getattr(one, f"{prefix}_frame", None)
        if frame is not None:
            return frame, getattr(one, f"{prefix}_{attribute}")
    if type(one).__name__ in _WRAPPERS:
        for inner in gc.get_referents(one):  # nothing else leads from a step to its generator
            if isinstance(inner, types.AsyncGeneratorType | types.CoroutineType):
                return None, inner
    return None, None


def _is_left_out(frame: FrameType) -> bool:
    return locations.package(frame) in _LEFT_OUT


def of_lines(frames: Iterable[tuple[FrameType, int]]) -> list[Line]:
    """Return frames and line numbers as lines."""
    lines = []
    for frame, number in frames:
        code = frame.f_code
        source = linecache.getline(code.co_filename, number or 0, frame.f_globals).strip()
        lines.append(Line(locations.line_in(code.co_filename, number, code.co_name), source))
    if len(lines) > _MOST:
        half = _MOST // 2
        left_out = Line(f"... {len(lines) - _MOST} lines more ...", "")
        return [*lines[:half], left_out, *lines[-half:]]
    return lines


def _listed(names: list[str], most: int = 4) -> str:
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more tasks"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _short(value: object) -> str:
    text = " ".join(locations.text_of(value).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _sleep(names: dict[str, Any]) -> str:
    if "h" not in names:
        return "is about to run"
    left = max(0.0, names["h"].when() - names["loop"].time())
    return f"sleeps, {left:.4g} s to go"


def _own(words: str) -> Callable[[dict[str, Any]], str]:
    def told(names: dict[str, Any]) -> str:
        return f"{words} {_short(names['self'])}"

    return told


def _reader(names: dict[str, Any]) -> str:
    transport = getattr(names["self"], "_transport", None)
    peer = None if transport is None else transport.get_extra_info("peername")
    return f"waits for data{f' from {peer}' if peer else ''}"


def _socket(words: str) -> Callable[[dict[str, Any]], str]:
    def told(names: dict[str, Any]) -> str:
        return f"waits to {words} {_short(names['sock'])}"

    return told


def _code(owner: Any, name: str) -> Any:
    """Return the code of a function of asyncio's; None where a new Python has no such function."""
    return getattr(getattr(owner, name, None), "__code__", None)


_WAIT = _code(asyncio.tasks, "_wait")
_WAIT_FOR = _code(asyncio.tasks, "wait_for")
_GROUP = {_code(asyncio.TaskGroup, name) for name in ("__aexit__", "_aexit")} - {None}
_TASKS: dict[Any, Callable[[dict[str, Any]], Iterable[Any]]] = {
    _WAIT: lambda names: names["fs"],
    _WAIT_FOR: lambda names: [names["fut"]],  # Python 3.11
    **dict.fromkeys(_GROUP, lambda names: names["self"]._tasks),
}
"""Where several tasks are waited for."""
_WRAPPERS = frozenset(
    {"async_generator_asend", "async_generator_athrow", "coroutine_wrapper", "anext_awaitable"}
)
_WORDS: dict[Any, Callable[[dict[str, Any]], str]] = {
    _code(asyncio.tasks, "sleep"): _sleep,
    _code(asyncio.Event, "wait"): _own("waits for the event"),
    _code(asyncio.Lock, "acquire"): _own("waits for the lock"),
    _code(asyncio.Semaphore, "acquire"): _own("waits for the semaphore"),
    _code(asyncio.Condition, "wait"): _own("waits for the condition"),
    _code(asyncio.Barrier, "wait"): _own("waits for the barrier"),
    _code(asyncio.Queue, "get"): _own("waits for an item of"),
    _code(asyncio.Queue, "put"): _own("waits for room in"),
    _code(asyncio.Queue, "join"): _own("waits until all is done of"),
    _code(asyncio.StreamReader, "_wait_for_data"): _reader,
    _code(asyncio.SelectorEventLoop, "sock_recv"): _socket("receive from"),
    _code(asyncio.SelectorEventLoop, "sock_accept"): _socket("accept on"),
    _code(asyncio.SelectorEventLoop, "sock_connect"): _socket("connect"),
    _code(asyncio.SelectorEventLoop, "sock_sendall"): _socket("send to"),
}
