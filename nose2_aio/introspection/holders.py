"""Who holds a lock or a semaphore, who has used a queue, and at which line.

asyncio does not know that: it only knows whether a lock is locked. So we note it where a task
acquires a lock, or takes an item (`monitoring`). Only a report makes text of it.

Nothing is kept alive by these notes, and only the last ones of each object are kept.
"""

import asyncio
import collections
import itertools
import weakref
from asyncio import Task
from collections import deque
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import await_chains, locations, monitoring
from nose2_aio.introspection.locations import code_of
from nose2_aio.introspection.monitoring import Callers, Handler

__all__ = ["User", "describe", "holding", "user_of"]

_MAX_NOTED = 50
"""How many uses of one object are noted."""
_MAX_CALLERS = 3
"""How many functions are noted where something is acquired; for a queue, it is one."""
_MAX_SHOWN = 4
"""How many of them are shown, at most."""


class User:
    """A task that has used something. It is not kept alive."""

    __slots__ = ("end", "name", "reference")

    def __init__(self, task: Task[Any]) -> None:
        key = id(task)
        self.reference = weakref.ref(task, lambda _: _users.pop(key, None))
        self.name = ""
        """The names of the task and its coroutine; "" if it is one of ours, which runs a test."""
        self.end = "has ended"
        """How it has ended: ``failed (KeyError: 12, shop.py:12 in get)``."""
        code = getattr(coroutine := task.get_coro(), "cr_code", None)
        if code is None or not monitoring.is_own(code):
            name = getattr(coroutine, "__qualname__", "").rpartition("<locals>.")[2]
            self.name = f"{task.get_name()} ({name})"

    def describe(self, name: Callable[[Task[Any]], str], waiting: Task[Any]) -> str:
        """Return who it is, in words, and how it has ended."""
        task = self.reference()
        if task is waiting:
            return "this task itself"
        if task is not None and not task.done():
            return name(task)
        return f"{self.name or 'a test or fixture'}, which {self.end},"


_users: dict[int, User] = {}
"""The tasks that have used something and still exist, by ``id()``."""


class _Use(NamedTuple):
    """The use of an object, and where."""

    user: User | None
    """None: it was used outside of a task."""
    callers: Callers
    """The user's functions, the innermost first."""

    @property
    def place(self) -> str:
        """``file:line in function, called at …``."""
        return locations.format_callers(
            tuple(itertools.starmap(locations.at_instruction, self.callers))
        )


_Noted = tuple[User | None, Callers]
"""The fields of a `_Use`: to make one takes longer than the rest."""


class _Uses:
    """The last uses of a lock, a semaphore, an event or a queue."""

    __slots__ = ("held", "last", "reference")

    def __init__(self, reference: weakref.ref[Any]) -> None:
        self.reference = reference
        self.held: deque[_Noted] = deque(maxlen=_MAX_NOTED)
        """What was acquired, or taken out of a queue, and was not given back."""
        self.last: dict[str, _Noted] = {}
        """The last use of each method, by its name."""


_noted: dict[int, _Uses] = {}
"""By ``id()``, since an object of the user may define equality."""


def describe(frame: FrameType, name: Callable[[Task[Any]], str], waiting: Task[Any]) -> str:
    """Return who has used the object that a task waits for, in words; "" if that is not known.

    ``frame`` is that of the method of asyncio in which the task waits. ``name`` returns the name
    of a task.
    """
    answer = _ANSWERS.get(frame.f_code)
    if answer is None or not monitoring.is_on():
        return ""
    thing = frame.f_locals["self"]
    uses = _find(thing) or _Uses(weakref.ref(thing))

    def by(used: Iterable[_Noted], since: str) -> str:
        return _by(used, since, lambda user: user.describe(name, waiting))

    return answer(uses, by)


def holding(frame: FrameType) -> list[Task[Any]]:
    """Return the tasks that hold the lock, slots or items that a task waits for.

    ``frame`` is that of the method of asyncio in which the task waits.
    """
    uses = _find(frame.f_locals["self"]) if frame.f_code in _HELD else None
    if uses is None or not monitoring.is_on():
        return []
    held = [uses.last["acquire"]] if frame.f_code is _ACQUIRE else list(uses.held)
    tasks = [user.reference() for user, _ in held if user is not None]
    pending = [one for one in dict.fromkeys(tasks) if one is not None and not one.done()]
    thing = frame.f_locals["self"]
    return [one for one in pending if not _is_waiting_for(one, thing)]


def _is_waiting_for(task: Task[Any], thing: object) -> bool:
    """Return True if a task waits for an object, such as for the next item of a queue."""
    return any(
        frame.f_code in _ANSWERS and frame.f_locals["self"] is thing
        for frame in await_chains.frames(task)
    )


def _find(thing: object) -> _Uses | None:
    uses = _noted.get(id(thing))
    return uses if uses is not None and uses.reference() is thing else None


def user_of(task: object) -> User | None:
    """Return what is known of a task that has used something; None if it has not."""
    user = _users.get(id(task))
    return user if user is not None and user.reference() is task else None


def _current_user() -> User | None:
    task = monitoring.current_task()
    user = user_of(task)
    if user is None and task is not None:
        user = _users[id(task)] = User(task)
    return user


def _noting(most: int, *, is_taken: bool = False) -> Handler:
    """Return a function that notes the use of an object, given the frame of its method.

    It notes ``most`` callers. With ``is_taken``, the task holds something then.
    """

    def note(frame: FrameType, _: Any) -> None:
        thing = frame.f_locals["self"]
        uses = _noted.get(id(thing))
        if uses is None or uses.reference() is not thing:
            key = id(thing)
            uses = _noted[key] = _Uses(weakref.ref(thing, lambda _: _noted.pop(key, None)))
        use = uses.last[frame.f_code.co_name] = _current_user(), monitoring.callers(frame, most)
        if is_taken:
            uses.held.append(use)

    return note


def _note_cleared(frame: FrameType, value: Any) -> None:
    """Note who clears an event, unless it is that of a queue."""
    back = frame.f_back
    if back is None or back.f_code is not _PUT:
        _note(frame, value)


def _note_given_back(frame: FrameType, _: Any) -> None:
    """Forget what this task has taken, or else what was taken first."""
    uses = _find(frame.f_locals["self"])
    if uses is None or not uses.held:
        return
    own = _current_user()
    for number, one in enumerate(tuple(uses.held)):  # another thread may add one
        if one[0] is own:
            del uses.held[number]
            return
    uses.held.popleft()


_By = Callable[[Iterable[_Noted], str], str]
"""Returns by whom an object was used, given the word before each line."""
_Answer = Callable[[_Uses, _By], str]
"""Returns who has used an object, in words."""


def _by(used: Iterable[_Noted], since: str, describe: Callable[[User], str]) -> str:
    places: dict[str, collections.Counter[str]] = {}
    for use in itertools.starmap(_Use, used):
        places.setdefault(use.place, collections.Counter())[
            describe(use.user) if use.user else ""
        ] += 1
    texts = []
    for place, users in places.items():
        names = [f"{name} ({count} times)" if count > 1 else name for name, count in users.items()]
        if len(names) > _MAX_SHOWN:
            names[_MAX_SHOWN - 1 :] = [f"{len(names) - _MAX_SHOWN + 1} more"]
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        texts.append(f"{f'by {listed} ' if listed else ''}{since} {place}")
    if len(texts) > _MAX_SHOWN:
        texts[_MAX_SHOWN - 1 :] = [f"at {len(texts) - _MAX_SHOWN + 1} other lines"]
    return "; ".join(texts)


def _last(method: str, words: str, since: str = "at", nobody: str = "") -> _Answer:
    """Return a function that says who has called a method last."""

    def answer(uses: _Uses, by: _By) -> str:
        use = uses.last.get(method)
        return nobody if use is None else f"{words} {by([use], since)}"

    return answer


def _all(words: str, since: str, nobody: str = "") -> _Answer:
    """Return a function that says who has taken something and not given it back."""

    def answer(uses: _Uses, by: _By) -> str:
        held = uses.held
        return f"{words.format(len(held))} {by(held, since)}" if held else nobody

    return answer


_ACQUIRE, _CLEAR, _GET, _PUT = (
    code_of(asyncio.Lock, "acquire"),
    code_of(asyncio.Event, "clear"),
    code_of(asyncio.Queue, "get_nowait"),
    code_of(asyncio.Queue, "put_nowait"),
)
_SLOT = code_of(asyncio.Semaphore, "acquire")
_ANSWERS: dict[CodeType | None, _Answer] = {
    _ACQUIRE: _last("acquire", ", held", "since"),
    _SLOT: _all(", held", "since"),
    code_of(asyncio.Event, "wait"): _last("clear", "; it was cleared"),
    code_of(asyncio.Queue, "get"): _last(
        "put_nowait", "; the last one was put", nobody="; nobody has put one into it"
    ),
    code_of(asyncio.Queue, "put"): _last(
        "get_nowait", "; the last one was taken", nobody="; nobody has taken one"
    ),
    code_of(asyncio.Queue, "join"): _all(
        "; {} taken and not marked as done:", "at", "; nobody has taken one that is not done"
    ),
}
"""By the method in which a task waits: what a report says of other tasks' uses of the object."""
_HELD = (_ACQUIRE, _SLOT, code_of(asyncio.Queue, "join"))
"""The methods in which a task waits for what others hold."""

_note = _noting(_MAX_CALLERS)
monitoring.at_return(_ACQUIRE, _note)
monitoring.at_return(_CLEAR, _note_cleared)
monitoring.at_return(_SLOT, _noting(_MAX_CALLERS, is_taken=True))
monitoring.at_return(_PUT, _noting(1))
monitoring.at_return(_GET, _noting(1, is_taken=True))
for _code in (code_of(asyncio.Semaphore, "release"), code_of(asyncio.Queue, "task_done")):
    monitoring.at_return(_code, _note_given_back)
