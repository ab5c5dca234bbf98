"""The phase of a test: its ``setUp``, the test itself, ``tearDown``, a cleanup, or a wider fixture.

If something hangs, or Ctrl-C comes, the report says which phase it was, and whether the test itself
had passed before. For a cleanup, it says where the cleanup was registered.
"""

import unittest
import weakref
from types import FrameType
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.errors import DeadlockError, InterruptedRunError, TimeLimitError
from nose2_aio.introspection import locations, monitoring
from nose2_aio.introspection.locations import code_of

__all__ = ["CLEANUP", "Phase", "Phases"]

CLEANUP = "cleanup"
_HANGS = (DeadlockError, InterruptedRunError, TimeLimitError)


class Phase(NamedTuple):
    """A phase of a test, or a fixture of a class, a module or a layer."""

    name: str
    """The name of the fixture, or `CLEANUP`."""
    owner: object
    """The test case, the class, the name of the module, the layer."""
    function: Any = None
    """The cleanup."""
    number: int = -1
    """How many cleanups were registered before this one."""

    def __str__(self) -> str:
        """Return the phase in words: ``tearDown``, ``setUpClass of tests.Case``."""
        owner = self.owner
        if isinstance(owner, type):
            owner = f"{owner.__module__}.{owner.__qualname__}"
        of_owner = f" of {owner}" if isinstance(owner, str) else ""
        if self.name != CLEANUP:
            return f"{self.name}{of_owner}"
        place = _place_of(self.owner, self.number)
        name = getattr(locations.unwrap(self.function), "__qualname__", "")
        if not place or not name:
            return f"the cleanup{of_owner}: {locations.describe(self.function)}"
        name = name.rpartition("<locals>.")[2]
        return f"the cleanup {name}{of_owner}, registered at {place}"


class Phases:
    """Knows the phase of the test that runs; None for the test itself."""

    current: Phase | None = None
    has_passed = False
    """True if the test itself has passed."""

    def begin(self, fixture: Any, owner: object) -> None:
        """Begin a fixture wider than a test, unless it is a cleanup that has begun."""
        if self.current is None or self.current.function is not fixture:
            self.current = Phase(getattr(fixture, "__name__", "a fixture"), owner)

    def explain(self, error: BaseException) -> None:
        """Add the phase to the error for a hang or for Ctrl-C, below its first line."""
        phase = self.current
        if phase is None or not isinstance(error, _HANGS):
            return
        is_of_test = isinstance(phase.owner, TestCase)
        passed = "; the test itself had passed" if self.has_passed and is_of_test else ""
        line = f"\nIt was in {phase}{passed}."
        head, newline, rest = str(error).partition("\n")
        if not f"{newline}{rest}".startswith(line):
            error.args = (f"{head}{line}{newline}{rest}",)


class _Registrations:
    """Where the cleanups of a test, of a class, or of modules were registered."""

    def __init__(self) -> None:
        self._owner: weakref.ref[Any] | None = None
        self._places: dict[int, tuple[Any, int]] = {}

    def note(self, owner: object, frame: FrameType) -> None:
        """Note the last registration, given the frame of ``addCleanup``."""
        if self._owner is None or self._owner() is not owner:
            self._owner, self._places = weakref.ref(owner), {}
        number = len(unittest_internals.cleanups_of(owner)) - 1
        self._places[number] = monitoring.callers(frame, 1)[0]

    def place(self, owner: object, number: int) -> str:
        """Return ``file:line in function`` of one registration; "" if it is not known."""
        if self._owner is None or self._owner() is not owner or number not in self._places:
            return ""
        return locations.format_origin((locations.at_instruction(*self._places[number]),))


_of_tests, _of_classes, _of_modules = _Registrations(), _Registrations(), _Registrations()


def _place_of(owner: object, number: int) -> str:
    if isinstance(owner, TestCase):
        return _of_tests.place(owner, number)
    if isinstance(owner, type):
        return _of_classes.place(owner, number)
    return _of_modules.place(unittest.case, number)


monitoring.at_return(
    code_of(TestCase, "addCleanup"),
    lambda frame, _: _of_tests.note(frame.f_locals["self"], frame),
)
monitoring.at_return(
    code_of(TestCase, "addClassCleanup"),
    lambda frame, _: _of_classes.note(frame.f_locals["cls"], frame),
)
monitoring.at_return(
    code_of(unittest.case, "addModuleCleanup"),
    lambda frame, _: _of_modules.note(unittest.case, frame),
)
