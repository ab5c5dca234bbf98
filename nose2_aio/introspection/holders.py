"""Who holds a lock or a semaphore, who has used a queue, and at which line.

asyncio does not know that: it only knows whether a lock is locked. So we note it where a task
acquires a lock, or takes an item (`monitoring`). Only a report makes text of it.

Nothing is kept alive by these notes, and only the last ones of each object are kept.
"""

from __future__ import annotations

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

__all__ = ["describe", "holding"]

_MAX_NOTED = 50
"""How many uses of one object are noted."""
_MAX_SHOWN = 4
"""How many of them are shown, at most."""


class _Use(NamedTuple):
    """The use of an object by a task, and the line of it."""

    task: weakref.ref[Task[Any]] | None
    """None: it was used outside of a task."""
    code: CodeType
    line: int

    @property
    def place(self) -> str:
        """``file:line in function``."""
        return locations.line_in(self.code.co_filename, self.line, self.code.co_name)

    def user(self, name: Callable[[Task[Any]], str], waiting: Task[Any]) -> str:
        """Return who it was, in words; "" if it was no task."""
        task = None if self.task is None else self.task()
        if task is waiting:
            return "this task itself"
        if task is not None:
            return f"{name(task)}{', which has ended,' if task.done() else ''}"
        return "" if self.task is None else "a task that has ended,"


_Noted = tuple[weakref.ref[Task[Any]] | None, CodeType, int]
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
        return _by(used, since, lambda use: use.user(name, waiting))

    return answer(thing, uses, by)


def holding(frame: FrameType) -> list[Task[Any]]:
    """Return the tasks that hold the lock, slots or items that a task waits for.

    ``frame`` is that of the method of asyncio in which the task waits.
    """
    uses = _find(frame.f_locals["self"]) if frame.f_code in _HELD else None
    if uses is None or not monitoring.is_on():
        return []
    held = [uses.last["acquire"]] if frame.f_code is _ACQUIRE else list(uses.held)
    tasks = [reference() for reference, _, _ in held if reference is not None]
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


def _note(frame: FrameType) -> tuple[_Uses, _Noted]:
    """Note the use of an object by one of its methods, given the frame of that."""
    thing = frame.f_locals["self"]
    key = id(thing)
    uses = _noted.get(key)
    if uses is None or uses.reference() is not thing:
        uses = _noted[key] = _Uses(weakref.ref(thing, lambda _: _noted.pop(key, None)))
    user = monitoring.caller(frame)
    task = monitoring.current_task()
    use = (None if task is None else weakref.ref(task), user.f_code, user.f_lineno)
    uses.last[frame.f_code.co_name] = use
    return uses, use


def _note_use(frame: FrameType, _: Any) -> None:
    _note(frame)


def _note_taken(frame: FrameType, _: Any) -> None:
    uses, use = _note(frame)
    uses.held.append(use)


def _note_given_back(frame: FrameType, _: Any) -> None:
    """Forget what this task has taken, or else what was taken first."""
    uses = _find(frame.f_locals["self"])
    if uses is None or not uses.held:
        return
    task = monitoring.current_task()
    own = None if task is None else weakref.ref(task)
    for number, one in enumerate(uses.held):
        if one[0] is own:
            del uses.held[number]
            return
    uses.held.popleft()


_By = Callable[[Iterable[_Noted], str], str]
"""Returns by whom an object was used, given the word before each line."""


def _by(used: Iterable[_Noted], since: str, user: Callable[[_Use], str]) -> str:
    places: dict[str, collections.Counter[str]] = {}
    for use in itertools.starmap(_Use, used):
        places.setdefault(use.place, collections.Counter())[user(use)] += 1
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


def _who_holds(_: Any, uses: _Uses, by: _By) -> str:
    use = uses.last.get("acquire")
    return "" if use is None else f", held {by([use], 'since')}"


def _who_has_slots(_: Any, uses: _Uses, by: _By) -> str:
    return f", held {by(uses.held, 'since')}" if uses.held else ""


def _who_cleared(_: Any, uses: _Uses, by: _By) -> str:
    use = uses.last.get("clear")
    return "" if use is None else f"; it was cleared {by([use], 'at')}"


def _who_puts(_: Any, uses: _Uses, by: _By) -> str:
    use = uses.last.get("put_nowait")
    text = (
        "nobody has put one into it" if use is None else f"the last one was put {by([use], 'at')}"
    )
    return f"; {text}"


def _who_gets(_: Any, uses: _Uses, by: _By) -> str:
    use = uses.last.get("get_nowait")
    text = "nobody has taken one" if use is None else f"the last one was taken {by([use], 'at')}"
    return f"; {text}"


def _who_owes(_: Any, uses: _Uses, by: _By) -> str:
    if not uses.held:
        return "; nobody has taken one that is not done"
    return f"; {len(uses.held)} taken and not marked as done: {by(uses.held, 'at')}"


_ACQUIRE, _CLEAR, _GET, _PUT = (
    code_of(asyncio.Lock, "acquire"),
    code_of(asyncio.Event, "clear"),
    code_of(asyncio.Queue, "get_nowait"),
    code_of(asyncio.Queue, "put_nowait"),
)
_SLOT = code_of(asyncio.Semaphore, "acquire")
_ANSWERS: dict[CodeType | None, Callable[[Any, _Uses, _By], str]] = {
    _ACQUIRE: _who_holds,
    _SLOT: _who_has_slots,
    code_of(asyncio.Event, "wait"): _who_cleared,
    code_of(asyncio.Queue, "get"): _who_puts,
    code_of(asyncio.Queue, "put"): _who_gets,
    code_of(asyncio.Queue, "join"): _who_owes,
}
"""By the method in which a task waits: what a report says of other tasks' uses of the object."""
_HELD = (_ACQUIRE, _SLOT, code_of(asyncio.Queue, "join"))
"""The methods in which a task waits for what others hold."""

for _code in (_ACQUIRE, _CLEAR, _PUT):
    monitoring.at_return(_code, _note_use)
for _code in (_SLOT, _GET):
    monitoring.at_return(_code, _note_taken)
for _code in (code_of(asyncio.Semaphore, "release"), code_of(asyncio.Queue, "task_done")):
    monitoring.at_return(_code, _note_given_back)
