"""The tasks, jobs and callbacks that have ended on a loop: often one of them is why it hangs.

Only the last ones are kept, and of an error only its text. An exception or a frame would keep
objects of the user alive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from nose2_aio.introspection import locations, tracebacks

__all__ = ["Ending", "Endings"]

_MAX = 8
"""How many failed ones are kept, and how many others."""
_MAX_TEXT = 200
"""How many characters of an error message are kept."""


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

    @property
    def how(self) -> tuple[str, str]:
        """How it has ended, and its error."""
        if self.error is None:
            return "ended", ""
        return ("failed", f": {self.error}") if self.error else ("was cancelled", "")

    def describe(self, now: float) -> str:
        """Return what has ended, how, and how many seconds before ``now``."""
        what = self.what() if callable(self.what) else self.what
        name = f" ({self.name.rpartition('<locals>.')[2]})" if self.name else ""
        how, error = self.how
        return f"{what}{name} {how} {max(0.0, now - self.when):.2f} s before{error}"


class Endings:
    """What has ended on one loop, the last ones only."""

    def __init__(self) -> None:
        self._failed: deque[Ending] = deque(maxlen=_MAX)
        self.others: deque[Any] = deque(maxlen=_MAX)
        """Those that did not fail: tuples with the fields of an `Ending`."""

    def __iter__(self) -> Iterator[Ending]:
        """Iterate over those that failed, and then over the others; the last one comes first."""
        yield from reversed(self._failed)
        for one in reversed(self.others):
            yield Ending(*one)

    def add_failed(
        self, when: float, owner: object, what: Any, name: str, error: BaseException
    ) -> None:
        """Add what has ended with an error."""
        self._failed.append(Ending(when, owner, what, name, _text(error)))

    def forget(self, owner: object) -> None:
        """Forget what a test or scope has created, which is over."""
        for kept in (self._failed, self.others):
            remaining = [one for one in kept if one[1] is not owner]
            kept.clear()
            kept.extend(remaining)


def _text(error: BaseException) -> str:
    """Return type, message and innermost line of an error, in one line."""
    message = " ".join(locations.text_of(error, str).split())
    if len(message) > _MAX_TEXT:
        message = f"{message[: _MAX_TEXT - 4]} ..."
    place = tracebacks.innermost_line(error)
    text = f"{type(error).__name__}{': ' if message else ''}{message}"
    return f"{text}, {place}" if place else text
