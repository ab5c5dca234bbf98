"""Tests that run on several loops: the run is repeated.

1. Repetition *k* runs each coroutine test that has more than *k* loops on that one; the first runs
   everything else as well. Each is an execution of a suite by itself, so unittest sets up and
   tears down the fixtures of classes, modules and layers each time.
2. A test that has several has the name of its loop in its id: ``module.Case.test[uvloop]``. One
   that was selected by such a name runs on that loop alone, in the repetition that it belongs to.
3. Only what is declared to be a coroutine test has several. What merely gives an awaitable runs on
   the first loop.

The later repetitions run copies, made before any test runs: a test changes its test case.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn
from unittest import TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.eventloop import event_loops
from nose2_aio.running import decorators, hypothesis_examples, plans
from nose2_aio.suites import copies

__all__ = ["Repetition", "named", "repeated", "selected"]

_LOOP = "__nose2_aio_loop__"
"""What has the name of a test's loop, where that stands in its id."""
_MARK = "__nose2_aio_name__"
_NAMED = re.compile(r"(?P<name>.+)\[(?P<loop>[\w<>-]+)\]")
_FAILED = "nose2.loader"
"""The module of the tests that stand for what could not be loaded."""


class Repetition(NamedTuple):
    """One execution of a suite."""

    number: int
    """Which of its loops each test runs on."""
    suite: Any


class _Choice(NamedTuple):
    """The loops of one test."""

    factories: Mapping[int, Factory] = MappingProxyType({})
    """By the repetitions; none where nobody chose, or where the test runs itself."""
    is_declared: bool = False
    """Whether it is declared to be a coroutine test, which runs on each."""
    error: InvalidValueError | None = None
    """What is wrong with what was chosen."""

    @property
    def has_several(self) -> bool:
        """Whether it runs more than once."""
        return self.is_declared and len(self.factories) > 1

    def indexes(self, loop: str | None) -> list[int]:
        """Return the repetitions that the test takes part in; that of one loop, if it is named."""
        if loop is not None:
            return [index for index, one in self.factories.items() if one.name == loop]
        indexes = list(self.factories) or [0]
        return indexes if self.is_declared else indexes[:1]


_NONE = _Choice()


def repeated(suite: Any, settings: Settings) -> list[Repetition] | None:
    """Return what to execute in the place of a suite; None where nobody chose a loop.

    The suite itself loses what doesn't run in the first repetition.
    """
    choices = {}
    count = 1
    for test in unittest_internals.flattened(suite):
        choice = _choice(test, settings)
        if choice is not _NONE:
            choices[id(test)] = choice
            count = max(count, *(index + 1 for index in choice.indexes(_loop_name(test))))
    if not choices and not settings.loop:
        return None
    parts = [(index, _part(suite, index, choices)) for index in reversed(range(count))]
    return [Repetition(index, part) for index, part in reversed(parts) if part is not None]


def named(name: str, module: object = None) -> tuple[str, str] | None:
    """Return the name of a test and that of its loop; None where a name has none.

    A name in brackets that is the test's own is no loop's.
    """
    match = _NAMED.fullmatch(name)
    if match is None:
        return None
    parts = name.split(".")
    for length in range(len(parts) - 1, -1, -1):
        owner = module if not length else sys.modules.get(".".join(parts[:length]))
        if owner is not None and _has(owner, parts[length:]):
            return None
    return match["name"], match["loop"]


def selected(suite: Any, loop: str, name: str, settings: Settings) -> list[Any]:
    """Return the coroutine tests of a suite that run on a loop, named by that.

    What stands for something that could not be loaded is returned as it is. Raises
    `InvalidValueError` where no test of that name runs on such a loop.
    """
    tests = list(unittest_internals.flattened(suite))
    if any(type(test).__module__ == _FAILED for test in tests):
        return tests
    found = []
    known: dict[str, None] = {}
    for test in tests:
        choice = _choice(test, settings)
        if choice.error is not None:
            raise choice.error
        if choice.is_declared:
            known.update(dict.fromkeys(one.name for one in choice.factories.values()))
            if choice.indexes(loop):
                _name(test, loop)
                found.append(test)
    if not found:
        hint = "no loop was chosen for it; add --aio-loop or @aio.loop"
        if known:
            hint = f"known: {', '.join(known)}"
        elif settings.loop:
            hint = "it is no coroutine test, so it runs once, without the name of a loop"
        raise InvalidValueError(f"{name} doesn't run on a loop of the name {loop!r}: {hint}")
    return found


def _has(owner: object, names: list[str]) -> bool:
    for name in names:
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


def _choice(test: Any, settings: Settings) -> _Choice:
    """Return what was chosen for a test."""
    case = type(test)
    seam = getattr(case, unittest_internals.TEST, None)
    if seam not in (unittest_internals.PLAIN, unittest_internals.ISOLATED):
        return _NONE
    function, owner = nose2_cases.target(test)
    if (
        not settings.loop
        and not getattr(function, "__dict__", None)
        and not tag_lookup.has_tags(owner)
    ):
        return _NONE
    try:
        is_tagged = bool(tag_lookup.read_loop(function, owner))
        found = plans.factories(function, owner, settings)
    except InvalidValueError as error:
        return _Choice(error=error)
    if not found or (
        seam is unittest_internals.ISOLATED and not _takes_loops(case, is_tagged=is_tagged)
    ):
        return _NONE
    is_declared = decorators.is_declared(nose2_cases.declared(function), test)
    if inspect.ismethod(function) and hypothesis_examples.has_examples(function, test):
        is_declared = False  # Hypothesis calls it for one test case alone
    return _Choice(found, is_declared)


def _takes_loops(case: type[TestCase], *, is_tagged: bool) -> bool:
    """Tell whether one of IsolatedAsyncioTestCase's has no loops of its own."""
    has_own = getattr(case, "loop_factory", None) is not None
    return unittest_internals.makes_runner(case) and (is_tagged or not has_own)


def _part(suite: Any, index: int, choices: dict[int, _Choice]) -> Any:
    """Return what of a suite is to run in a repetition: a copy, or the suite itself in the first.

    None where nothing is.
    """
    tests = unittest_internals.tests_in(suite)
    if tests is None:
        return _variant(suite, index, choices.get(id(suite), _NONE))
    parts = [part for one in tests if (part := _part(one, index, choices)) is not None]
    if not parts and (tests or index):
        return None
    if index:
        return unittest_internals.suite_with(suite, parts)
    tests[:] = parts
    return suite


def _variant(test: Any, index: int, choice: _Choice) -> Any:
    """Return the test that runs in a repetition, or None where it doesn't."""
    indexes = choice.indexes(_loop_name(test))
    if index not in indexes:
        return None
    if index != indexes[0]:
        test = copies.copied(test)
    if choice.has_several:
        _name(test, choice.factories[index].name)
    if choice is not _NONE and unittest_internals.is_isolated(type(test)):
        if choice.error is None:
            unittest_internals.give_loops(test, partial(event_loops.new, choice.factories[index]))
        else:
            unittest_internals.give_loops(test, partial(_fail, choice.error))
    return test


def _fail(error: InvalidValueError) -> NoReturn:
    raise error


def _loop_name(test: Any) -> str | None:
    """Return the name of the loop that stands in a test's id."""
    found: str | None = getattr(test, "__dict__", {}).get(_LOOP)
    return found


def _name(test: TestCase, loop: str) -> None:
    """Have the name of a loop stand in a test's id."""
    vars(test)[_LOOP] = loop
    case = type(test)
    for name, face in (("id", _faced_id), ("__str__", _faced_str)):
        found = getattr(case, name)
        if not hasattr(found, _MARK):
            setattr(case, name, face(found))
    nose2_cases.rename(test, test.id())


def _faced_id(found: Callable[[Any], str]) -> Callable[[Any], str]:
    @functools.wraps(found)
    def id_(test: Any) -> str:
        return _with_loop(found(test), test)

    setattr(id_, _MARK, True)
    return id_


def _faced_str(found: Callable[[Any], str]) -> Callable[[Any], str]:
    @functools.wraps(found)
    def str_(test: Any) -> str:
        text = found(test)
        loop = _loop_name(test)
        if loop is None or text.endswith(f" [{loop}]"):
            return text
        name = _with_loop(text, test)
        return name if name == test.id() else f"{text} [{loop}]"

    setattr(str_, _MARK, True)
    return str_


def _with_loop(name: str, test: Any) -> str:
    """Return an id with the name of the loop in it, ahead of the parameters."""
    loop = _loop_name(test)
    first, *rest = name.split("\n")
    if loop is None or first.endswith(f"[{loop}]"):
        return name
    return "\n".join([f"{first}[{loop}]", *rest])
