"""What a suspended task waits for in the end, in words.

1. The frames of asyncio at the end of an await chain say what kind of wait it is, as ``Queue.get``.
2. The frames of the user before them say what the object is called: ``Uploader.jobs``.
3. A future may stand for others: that of ``gather`` for its members, that of ``shield`` for a task.
   If a task completes the future in a done callback, the wait is for that task.
"""

import asyncio
import asyncio.base_subprocess
import concurrent.futures
import enum
import functools
import itertools
import re
from asyncio import Future, Task
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import await_chains, holders, locations, object_names, sockets
from nose2_aio.introspection.locations import code_of

__all__ = [
    "Kind",
    "Links",
    "Names",
    "Wait",
    "by_name",
    "describe_in",
    "describe_timer",
    "listed",
    "of_task",
]

_MAX_NAMES = 4
"""How many tasks are named that a task waits for, at most."""
_MAX_STEPS = 4
"""How far futures are followed that stand for others."""

_Locals = dict[str, Any]
"""The local variables of a frame."""
_Called = Callable[[object, str], str]
"""Given an object and a noun, returns ``the noun name``; ``a noun`` if the object has no name."""


class Kind(enum.IntEnum):
    """What has to happen so that a wait ends. The first ones say most about a hang."""

    ACTION = enum.auto()
    """Some code has to act: set an event, complete a future, put an item into a queue."""
    RELEASE = enum.auto()
    """A lock or a semaphore has to be released."""
    DATA = enum.auto()
    """A socket or a pipe has to be ready."""
    WORK = enum.auto()
    """A job of an executor, or a child process, has to end."""
    TIMER = enum.auto()
    """Time has to pass."""
    NOTHING = enum.auto()
    """Nothing: it is about to run."""


class Wait(NamedTuple):
    """What a task waits for."""

    kind: Kind
    words: str
    """``waits for the lock Uploader.lock``."""
    details: str = ""
    """``, held by worker-1 (work) since uploader.py:12 in work``; "" if that is not known."""
    tasks: tuple[Task[Any], ...] = ()
    """The tasks that it waits for."""
    stream: asyncio.StreamReader | None = None
    """The stream whose data it waits for."""
    holders: tuple[Task[Any], ...] = ()
    """The tasks that hold what it waits for."""

    @property
    def full_words(self) -> str:
        """The words with the details."""
        return f"{self.words}{self.details}"


class Links:
    """Which tasks complete which futures in done callbacks. The futures must not end meanwhile."""

    def __init__(self, tasks: Iterable[Task[Any]]) -> None:
        self._by_future: dict[int, dict[Task[Any], None]] = {}
        for task in tasks:
            for future in _reached(task):
                self._by_future.setdefault(id(future), {})[task] = None

    def completing(self, future: Future[Any]) -> list[Task[Any]]:
        """Return the tasks that complete a future."""
        return list(self._by_future.get(id(future), ()))


class Names(NamedTuple):
    """What a report knows of tasks and futures."""

    task: Callable[[Task[Any]], str]
    """Returns the name of a task."""
    future: Callable[[Future[Any], str], Wait | None] = lambda *_: None
    """Returns the wait for a future that is called so; None if nothing is known of it."""
    job: Callable[[Future[Any]], Wait | None] = lambda _: None
    """Returns the wait for a future of an executor job; None if it is not one."""
    links: Callable[[], Links] = lambda: Links(())
    """Returns which tasks complete which futures."""
    frames: Sequence[FrameType] = ()
    """Where else names of objects are looked for."""


def of_task(task: Task[Any], names: Names) -> Wait:
    """Return what a suspended task waits for in the end: ``sleeps, 9.5 s to go``."""
    pending, done = _awaited(task, names.links)
    tasks = tuple(sorted((one for one in pending if isinstance(one, Task)), key=by_name))
    if tasks:
        count = f" ({done} of {done + len(pending)} done)" if done else ""
        words = f"waits for {listed([names.task(one) for one in tasks])}{count}"
        return Wait(Kind.ACTION, words, tasks=tasks)
    frames = list(await_chains.frames(task))
    end = list(itertools.takewhile(await_chains.is_hidden, reversed(frames)))
    users = frames[: len(frames) - len(end)]

    def called(value: object, noun: str) -> str:
        name = object_names.name_in([*names.frames, *users], value)
        return f"the {noun} {name}" if name else f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

    # outermost first: a barrier waits for a condition, and is what the user has called
    for frame in reversed(end):
        if frame.f_code in _WORDS:
            own = frame.f_locals
            kind, describe = _WORDS[frame.f_code]
            stream = own["self"] if frame.f_code is _READ else None
            words = describe(own, called)
            if words == _ABOUT_TO_RUN:
                return Wait(Kind.NOTHING, words)
            held = tuple(holders.holding(frame))
            details = holders.describe(frame, names.task, task)
            library = _library(users)
            words += f", in {library}" if library else ""
            return Wait(kind, words, details, stream=stream, holders=held)
    if not pending:
        return Wait(Kind.NOTHING, _ABOUT_TO_RUN)
    future = pending[0]
    name = called(future, "future")
    library = _library(users)
    if library:
        return names.job(future) or Wait(Kind.DATA, f"waits in {library}")
    return names.future(future, name) or _of_future(future, name)


def describe_timer(function: Callable[..., Any], describe: Callable[[float], str]) -> None:
    """Let a function describe the waits in another one that has local variables as ``sleep``.

    They are ``loop``, and ``h`` for the timer. ``describe`` gets the seconds to go.
    """
    describe_in(function, Kind.TIMER, lambda own: describe(_seconds_left(own)))


def describe_in(
    function: Callable[..., Any], kind: Kind, describe: Callable[[_Locals], str]
) -> None:
    """Let a function describe the waits in another one, given its local variables."""
    _WORDS[function.__code__] = (kind, lambda own, _: describe(own))


def by_name(task: Task[Any]) -> tuple[str, int]:
    """Return a sort key that puts Task-2 before Task-10."""
    name = task.get_name()
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if tail.isdecimal() else (name, 0)


def listed(names: list[str]) -> str:
    """Return names as a list in words: ``a, b and 3 more tasks``."""
    left = len(names) - _MAX_NAMES
    if left > 0:
        return f"{', '.join(names[:_MAX_NAMES])} and {left} more task{'s' * (left != 1)}"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _library(frames: list[FrameType]) -> str:
    """Return what the user's code has called of a library, ``read of package``, if it is in one."""
    called = list(itertools.takewhile(lambda one: not locations.of_user(one), reversed(frames)))
    named = [one for one in called if not one.f_code.co_name.startswith("__")]
    for one in reversed(named or called):
        return f"{one.f_code.co_qualname} of {locations.package_of(one)}"
    return ""


def _of_future(future: Future[Any], name: str) -> Wait:
    """Return the wait for a future that nobody knows more of."""
    if any(_code(callback) in _CHAINED for callback in _registered(future)):
        return Wait(Kind.WORK, "waits for a job of an executor or thread")
    return Wait(Kind.ACTION, f"waits for {name} that nobody has completed")


def _awaited(task: Task[Any], links: Callable[[], Links]) -> tuple[list[Future[Any]], int]:
    """Return the tasks and futures that a task waits for, and how many others are done."""
    *_, last = [None, *await_chains.frames(task)]
    find = None if last is None else _FUTURES_IN.get(last.f_code)
    found: list[Any] = [] if find is None or last is None else list(find(last.f_locals))
    if not found:
        waiter = _waiter(task)
        found = [] if waiter is None else _members(waiter)
    pending = [one for one in found if not one.done() and one is not task]
    done = len(found) - len(pending)
    if len(pending) == 1 and not isinstance(pending[0], Task):
        pending = [one for one in links().completing(pending[0]) if one is not task] or pending
    return pending, done


def _members(future: Any, steps: int = _MAX_STEPS) -> list[Any]:
    """Return the tasks and futures that a future stands for; by default itself."""
    inner = list(getattr(future, "_children", ()))
    for callback in _registered(future):
        if _code(callback) in _SHIELDS:
            inner += [one for one in _held_by(callback) if one is not future]
    if not inner or not steps:
        return [future]
    return [member for one in inner for member in _members(one, steps - 1)]


def _reached(task: Task[Any]) -> Iterator[Any]:
    """Yield the futures that done callbacks lead to, from a task and from one future to another."""
    outer: list[Any] = [task]
    for _ in range(_MAX_STEPS):
        held = [
            each for one in outer for callback in _registered(one) for each in _held_by(callback)
        ]
        yield from held
        outer = [each for each in held if not isinstance(each, Task)]


def _registered(future: Any) -> list[Any]:
    """Return the done callbacks of a future of asyncio, or of concurrent.futures."""
    if isinstance(future, concurrent.futures.Future):
        return list(future._done_callbacks)  # type: ignore[attr-defined]  # nothing public has them
    return [callback for callback, _ in getattr(future, "_callbacks", None) or ()]


def _held_by(callback: Any) -> list[Any]:
    """Return the futures that a callback has in its closure, or as arguments."""
    held: list[Any] = []
    if isinstance(callback, functools.partial):
        held += [*callback.args, *callback.keywords.values()]
        callback = callback.func
    names = getattr(_code(callback), "co_freevars", ())
    cells = dict(zip(names, getattr(callback, "__closure__", None) or (), strict=True))
    cells.pop("cur_task", None)  # the task that waits, in asyncio's callbacks from Python 3.14 on
    for cell in cells.values():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # it is empty
            continue
    return [one for one in held if isinstance(one, Future | concurrent.futures.Future)]


def _code(callback: Any) -> CodeType | None:
    return getattr(callback, "__code__", None)


def _waiter(task: Task[Any]) -> Future[Any] | None:
    # no public function returns the future that a task waits for
    waiter: Future[Any] | None = getattr(task, "_fut_waiter", None)
    return waiter


_ABOUT_TO_RUN = "is about to run"


def _sleep(own: _Locals, _: _Called) -> str:
    if "h" not in own:  # ``sleep(0)`` sets no timer
        return _ABOUT_TO_RUN
    return f"sleeps, {_seconds_left(own):.4g} s to go"


def _seconds_left(own: _Locals) -> float:
    left: float = own["h"].when() - own["loop"].time()
    return max(0.0, left)


def _join(own: _Locals, called: _Called) -> str:
    queue = own["self"]
    count = queue._unfinished_tasks
    return f"waits until all items of {called(queue, 'queue')} are done, with {count} left"


def _read(own: _Locals, _: _Called) -> str:
    name = sockets.name_of_transport(getattr(own["self"], "_transport", None))
    return f"waits for data from {name}"


def _drain(own: _Locals, _: _Called) -> str:
    name = sockets.name_of_transport(getattr(own["self"], "_transport", None))
    return f"waits until {name} takes more data"


def _closed(own: _Locals, _: _Called) -> str:
    return f"waits until {sockets.name_of_transport(own['self'].transport)} is closed"


def _process(own: _Locals, _: _Called) -> str:
    process = getattr(own["self"], "_proc", None)
    args = getattr(process, "args", "")
    program = args if isinstance(args, str) else args[0]
    return f"waits for the end of the process {own['self'].get_pid()} ({program})"


def _to_socket(words: str) -> Callable[[_Locals, _Called], str]:
    return lambda own, _: f"{words} {sockets.name_of_socket(own['sock'])}"


def _named(words: str) -> Callable[[_Locals, _Called], str]:
    """Return a function that returns words, with the name of ``self`` in place of the braces."""

    def describe(own: _Locals, called: _Called) -> str:
        before, noun, after = re.split(r"[{}]", words)
        return f"{before}{called(own['self'], noun)}{after}"

    return describe


def _inner_codes(owner: object, name: str, ending: str = "") -> frozenset[CodeType]:
    """Return the codes of the functions inside of a function, whose names have this ending."""
    code = code_of(owner, name)
    constants = () if code is None else code.co_consts
    return frozenset(
        one for one in constants if isinstance(one, CodeType) and one.co_name.endswith(ending)
    )


_GROUP = {code_of(asyncio.TaskGroup, name) for name in ("__aexit__", "_aexit")} - {None}
_FUTURES_IN: dict[CodeType | None, Callable[[_Locals], Iterable[Any]]] = {
    code_of(asyncio.tasks, "_wait"): lambda own: own["fs"],
    code_of(asyncio.tasks, "wait_for"): lambda own: _members(own["fut"]),  # Python 3.11
    **dict.fromkeys(_GROUP, lambda own: own["self"]._tasks),
}
"""By function: return the tasks and futures that it waits for, from its local variables."""
_READ = code_of(asyncio.StreamReader, "_wait_for_data")
_WORDS: dict[CodeType | None, tuple[Kind, Callable[[_Locals, _Called], str]]] = {
    code_of(asyncio.tasks, "sleep"): (Kind.TIMER, _sleep),
    code_of(asyncio.Event, "wait"): (Kind.ACTION, _named("waits for {event} to be set")),
    code_of(asyncio.Lock, "acquire"): (Kind.RELEASE, _named("waits for {lock}")),
    code_of(asyncio.Semaphore, "acquire"): (Kind.RELEASE, _named("waits for {semaphore}")),
    code_of(asyncio.Condition, "wait"): (
        Kind.ACTION,
        _named("waits for {condition} to be notified"),
    ),
    code_of(asyncio.Barrier, "wait"): (
        Kind.ACTION,
        lambda own, called: (
            f"waits at {called(own['self'], 'barrier')}, "
            f"with {own['self'].n_waiting} of {own['self'].parties} there"
        ),
    ),
    code_of(asyncio.Queue, "get"): (Kind.ACTION, _named("waits for an item of {queue}")),
    code_of(asyncio.Queue, "put"): (
        Kind.ACTION,
        lambda own, called: (
            f"waits for room in {called(own['self'], 'queue')}, "
            f"with {own['self'].qsize()} of {own['self'].maxsize} in it"
        ),
    ),
    code_of(asyncio.Queue, "join"): (Kind.ACTION, _join),
    _READ: (Kind.DATA, _read),
    code_of(asyncio.streams.FlowControlMixin, "_drain_helper"): (Kind.DATA, _drain),
    code_of(asyncio.StreamWriter, "wait_closed"): (Kind.DATA, _closed),
    code_of(asyncio.base_subprocess.BaseSubprocessTransport, "_wait"): (Kind.WORK, _process),
    code_of(asyncio.SelectorEventLoop, "sock_recv"): (
        Kind.DATA,
        _to_socket("waits to receive from"),
    ),
    code_of(asyncio.SelectorEventLoop, "sock_accept"): (
        Kind.DATA,
        _to_socket("waits to accept on"),
    ),
    code_of(asyncio.SelectorEventLoop, "sock_connect"): (Kind.DATA, _to_socket("waits to connect")),
    code_of(asyncio.SelectorEventLoop, "sock_sendall"): (Kind.DATA, _to_socket("waits to send to")),
}
"""By function: the kind of the wait of a task in it, and its words, from its local variables."""
_CHAINED = _inner_codes(asyncio.futures, "_chain_future")
"""The functions inside of ``_chain_future``.

asyncio makes a future for the job of an executor with it, and adds one of them as a callback.
"""
_SHIELDS = _inner_codes(asyncio, "shield", "_outer_done_callback")
"""The callback of the future that ``shield`` returns. It has the future or task inside."""
