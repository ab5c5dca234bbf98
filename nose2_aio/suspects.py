"""Suspects: tests that have failed beside others, and might not have failed alone.

Each is run again with nothing beside it. It stays failed, but what it failed with says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from nose2_aio import copies
from nose2_aio.recorders import Ran
from nose2_aio.units import Unit

__all__ = ["Interference", "Log", "Suspect", "annotate", "retried", "sort_out"]

CATEGORY = "interference"
"""What nose2's summary calls them."""

_MOST = 20
"""How many of the tests that ran at the same time are named."""
_ENOUGH = 25
"""After how many that fail alone too, and none that passes, the others are let be."""


_LET_BE = "{count} tests that failed beside others fail alone, too; {left} more were not run again"


class Suspect(NamedTuple):
    """A test that has failed beside others."""

    ran: Ran
    unit: Unit
    beside: Sequence[str]
    """The names of the tests that ran at the same time."""

    def again(self) -> Any:
        """Return what to execute to have it run again, with its fixtures."""
        return self.unit.only(self.ran.test, copies.copied(self.ran.test, self.ran.state))


class Interference(NamedTuple):
    """A test that fails beside others and passes alone."""

    test: Any
    name: str
    note: str


def sort_out(
    tests: Iterable[Any], names: Collection[str], categories: dict[str, list[Any]]
) -> None:
    """Give the events of nose2's that report these tests a category of their own.

    ``names`` are those of the ones that have run in another process.
    """
    here = {id(test) for test in tests}
    for category in ("errors", "failures"):
        found = categories.get(category, [])
        moved = [
            event
            for event in found
            if id(_case_of(event.test)) in here or (names and _name_of(event.test) in names)
        ]
        if moved:
            found[:] = [event for event in found if event not in moved]
            categories.setdefault(CATEGORY, []).extend(moved)


def annotate(tree: Any, interference: Iterable[Interference]) -> None:
    """Have the report that nose2 writes as JUnit's XML say so too."""
    notes = {one.name.partition("\n")[0]: one.note for one in interference}
    for case in tree.iter("testcase"):
        note = notes.get(f"{case.get('classname')}.{case.get('name')}".split(" (")[0])
        for child in case if note else ():
            if child.tag in ("error", "failure"):
                child.text = f"{child.text}{note}\n"


def _case_of(test: Any) -> Any:
    """Return a test, or that in which it is, for a subtest."""
    return getattr(test, "test_case", test)


def _name_of(test: Any) -> str:
    """Return the name of that; "" for a layer."""
    return str(getattr(_case_of(test), "id", str)())


class Log:
    """Knows which tests have run at the same time as another one."""

    def __init__(self) -> None:
        self._ended: deque[tuple[float, str]] = deque()
        """When which test was over, for those that may have run beside one that still does."""
        self._many = 64

    def add(self, ran: Ran, running: Callable[[], list[Ran]]) -> list[str]:
        """Note that a test is over; return the names of those beside it, if it has failed.

        ``running`` gives those that still run.
        """
        beside = []
        if ran.errors:
            beside = [name for ended, name in self._ended if ended > ran.began]
            beside += [one.name for one in running()]
        self._ended.append((ran.ended, ran.name))
        if len(self._ended) > self._many:
            oldest = min((one.began for one in running()), default=ran.ended)
            while self._ended and self._ended[0][0] < oldest:
                self._ended.popleft()
            self._many = 64 + 2 * len(self._ended)
        return beside


def retried(
    suspects: Sequence[Suspect], passes: Callable[[Any], bool]
) -> tuple[list[Interference], list[str]]:
    """Return those that pass alone, and what else there is to say.

    ``passes`` executes a suite, and tells whether nothing has failed in it. What they have failed
    with gets a note.
    """
    found: list[Interference] = []
    for count, suspect in enumerate(suspects):
        if count >= _ENOUGH and not found:
            return [], [_LET_BE.format(count=count, left=len(suspects) - count)]
        if passes(suspect.again()):
            note = _note(suspect.beside)
            for error in suspect.ran.errors:
                error.add_note(note)
            found.append(Interference(suspect.ran.test, suspect.ran.name, note))
    return found, []


def _note(names: Sequence[str]) -> str:
    if not names:
        return "\npasses in the main thread: beside nothing, it ran in another one"

    more = [f"  and {len(names) - _MOST} more"] if len(names) > _MOST else []
    shown = [f"  {' '.join(name.split())}" for name in names[:_MOST]]
    return "\n".join(["", "passes alone: it and these ran at the same time:", *shown, *more])
