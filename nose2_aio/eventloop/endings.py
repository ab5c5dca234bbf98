"""The tasks, jobs and callbacks that have ended on a loop: often one of them is why it hangs.

Only the last ones are kept, and of an error only its text. An exception or a frame would keep
objects of the user alive. A task that has ended no longer knows at which line it has returned. So
the coroutine functions of tasks are monitored; without that (`monitoring`), nothing is known.
"""

from asyncio import Task
from collections import deque
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from nose2_aio.introspection import locations, monitoring, tracebacks

__all__ = ["Ending", "Endings", "take_return", "watch_return"]

_MAX = 8
"""How many failed ones are kept, and how many others."""
_MAX_TEXT = 200
"""How many characters of an error message are kept."""
_MAX_RETURNS = 1000
"""How many lines are kept. Those of tasks that nobody asks for are forgotten then."""
_returned: dict[int, tuple[CodeType, int]] = {}
"""The code and the line where a task has returned, by the identity of the task."""


class Ending(NamedTuple):
    """A task, job or callback that has ended."""

    when: float
    """The time then, in seconds."""
    owner: object
    """Identifies the test or scope that has created it."""
    what: Any
    """The name of a task, or a function that returns what has ended."""
    name: str
    """The name of the coroutine of a task; "" if it was no task."""
    error: str | None = None
    """Type, message and innermost line of the error; "" if it was cancelled; None: no error."""
    line: tuple[CodeType, int] | None = None
    """The code and the line where a task has returned, if that is known."""
    times: int = 1
    """How many have failed with this error."""

    def describe(self, now: float) -> str:
        """Return what has ended, how, and how many seconds before ``now``."""
        what = self.what() if callable(self.what) else self.what
        name = f" ({self.name.rpartition('<locals>.')[2]})" if self.name else ""
        how = "failed" if self.error else "ended" if self.error is None else "was cancelled"
        end = f": {self.error}" if self.error else ""
        if self.line is not None and self.error is None:
            code, line = self.line
            end = f", at {locations.line_in(code.co_filename, line, code.co_name)}"
        return f"{what}{name} {how} {max(0.0, now - self.when):.2f} s before{end}"


class Endings:
    """What has ended on one loop, the last ones only."""

    def __init__(self) -> None:
        self._failed: dict[str, Ending] = {}
        """By the text of the error."""
        self.others: deque[Any] = deque(maxlen=_MAX)
        """Those that did not fail: tuples with the fields of an `Ending`."""

    def __iter__(self) -> Iterator[Ending]:
        """Iterate over those that failed, the first one first, and then over the others."""
        yield from self._failed.values()
        for one in self.others:
            yield Ending(*one)

    def add_failed(
        self, when: float, owner: object, what: Any, name: str, error: BaseException
    ) -> str:
        """Add what has ended with an error. Return the text of the error."""
        text = _text(error)
        before = self._failed.get(text)
        if before is not None and before.owner is owner:
            self._failed[text] = before._replace(times=before.times + 1)
            return text
        self._failed[text] = Ending(when, owner, what, name, text)
        if len(self._failed) > _MAX:
            del self._failed[next(iter(self._failed))]
        return text

    def forget(self, owner: object) -> None:
        """Forget what a test or scope has created, which is over."""
        self._failed = {key: one for key, one in self._failed.items() if one.owner is not owner}
        kept = [one for one in self.others if one[1] is not owner]
        self.others.clear()
        self.others.extend(kept)


def _text(error: BaseException) -> str:
    """Return type, message and innermost line of an error, in one line."""
    message = " ".join(locations.text_of(error, str).split())
    if len(message) > _MAX_TEXT:
        message = f"{message[: _MAX_TEXT - 4]} ..."
    place = tracebacks.innermost_line(error)
    text = f"{type(error).__name__}{': ' if message else ''}{message}"
    return f"{text}, {place}" if place else text


def watch_return(coroutine: Any) -> None:
    """Note where a coroutine returns, if it is that of a task."""
    monitoring.at_return(getattr(coroutine, "cr_code", None), _note_return, is_first=True)


def take_return(task: Any) -> tuple[CodeType, int] | None:
    """Return the code and the line where a task has returned, and forget it; None: not known."""
    return _returned.pop(id(task), None)


def _note_return(frame: FrameType, _: Any) -> None:
    task = monitoring.current_task()
    if isinstance(task, Task) and getattr(task.get_coro(), "cr_frame", None) is frame:
        if len(_returned) >= _MAX_RETURNS:
            _returned.clear()
        _returned[id(task)] = frame.f_code, frame.f_lineno
