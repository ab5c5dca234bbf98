"""Runs tests on several event loops, by repeating the run.

1. Repetitions count from 0. Repetition *k* runs each coroutine test that has more than *k* loops,
   on the loop with that number. Repetition 0 runs all other tests as well.
2. Each repetition executes a suite of its own. So unittest sets up and tears down the fixtures of
   classes, modules and layers in each of them.
3. A test with several loops has the name of its loop in its id: ``module.Case.test[uvloop]``. A
   test that was selected by such a name runs only on that loop, in that loop's repetition.
4. Only a test that is declared as a coroutine test can have several loops. A test that merely
   returns an awaitable runs on the first one.

The later repetitions run copies, made before any test runs: a test changes its test case.
"""

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

__all__ = ["Repetition", "repetitions", "select", "split_name"]

_LOOP = "__nose2_aio_loop__"
"""The attribute of a test with the name of its loop, if its id has that name."""
_MARK = "__nose2_aio_name__"
"""The attribute of our wrappers around ``id`` and ``__str__``."""
_NAME_WITH_LOOP = r"(?P<name>.+)\[(?P<loop>[\w<>-]+)\]"
_FAILED = "nose2.loader"
"""The module of the tests with which nose2 reports that something could not be loaded."""


class Repetition(NamedTuple):
    """One execution of a suite, with each test on one of its loops."""

    number: int
    """The index of the loop, among the loops of a test."""
    suite: Any


class _Choice(NamedTuple):
    """The loops of one test."""

    factories: Mapping[int, Factory] = MappingProxyType({})
    """By repetition. Empty if no loop was chosen, or if the test runs itself."""
    is_declared: bool = False
    """True if the test is declared as a coroutine test, so that it runs on each loop."""
    error: InvalidValueError | None = None
    """The error in the choice, if it has one."""

    @property
    def has_several(self) -> bool:
        """True if the test runs more than once."""
        return self.is_declared and len(self.factories) > 1

    def indexes(self, loop: str | None) -> list[int]:
        """Return the numbers of the repetitions that run the test.

        ``loop`` is the name of the only loop to run it on; None for all its loops.
        """
        if loop is not None:
            return [index for index, one in self.factories.items() if one.name == loop]
        indexes = list(self.factories) or [0]
        return indexes if self.is_declared else indexes[:1]


_NO_CHOICE = _Choice()


def repetitions(suite: Any, settings: Settings) -> list[Repetition] | None:
    """Return the repetitions to execute instead of a suite; None if no loop was chosen.

    The tests that don't run in repetition 0 are removed from the suite itself.
    """
    choices = {}
    count = 1
    for test in unittest_internals.flattened(suite):
        choice = _choice(test, settings)
        if choice is not _NO_CHOICE:
            choices[id(test)] = choice
            count = max(count, *(index + 1 for index in choice.indexes(_loop_name(test))))
    if not choices and not settings.loop:
        return None
    parts = [(index, _suite_for(suite, index, choices)) for index in reversed(range(count))]
    return [Repetition(index, part) for index, part in reversed(parts) if part is not None]


def split_name(name: str, module: object = None) -> tuple[str, str] | None:
    """Return the name of a test and the name of its loop, for ``test[loop]``.

    None if the name has no loop. Brackets that belong to the name of an existing test don't count.
    ``module`` is the module that the name belongs to. None if the name begins with a module's name.
    """
    match = re.fullmatch(_NAME_WITH_LOOP, name)
    if match is None:
        return None
    parts = name.split(".")
    for length in range(len(parts) - 1, -1, -1):
        owner = module if not length else sys.modules.get(".".join(parts[:length]))
        if owner is not None and _has(owner, parts[length:]):
            return None
    return match["name"], match["loop"]


def select(suite: Any, loop: str, name: str, settings: Settings) -> list[Any]:
    """Return the coroutine tests of a suite that run on a loop, with its name in their ids.

    ``name`` is the name by which the suite was loaded. If something could not be loaded, the tests
    that report this are returned as they are.

    Raise `InvalidValueError` if no test of that name runs on such a loop.
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
                _add_name(test, loop)
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
    if not isinstance(test, TestCase):
        return _NO_CHOICE
    if not (settings.loop or nose2_cases.may_have_tags(test)):
        return _NO_CHOICE  # as most tests
    case = type(test)
    if not unittest_internals.takes_any_result(case):
        return _NO_CHOICE
    function, owner = nose2_cases.function_and_owner(test)
    try:
        is_tagged = bool(tag_lookup.read_loop(function, owner))
        found = plans.factories(function, owner, settings)
    except InvalidValueError as error:
        return _Choice(error=error)
    if not found or (
        not unittest_internals.has_default_hook(case, unittest_internals.TEST_HOOK)
        and not _takes_loops(case, is_tagged=is_tagged)
    ):
        return _NO_CHOICE
    is_declared = decorators.is_declared(nose2_cases.unwrap_nose2(function), test)
    if inspect.ismethod(function) and hypothesis_examples.has_examples(function, test):
        is_declared = False  # Hypothesis refuses a second instance of its test case
    return _Choice(found, is_declared)


def _takes_loops(case: type[TestCase], *, is_tagged: bool) -> bool:
    """Return True if an IsolatedAsyncioTestCase class may run on the loops that we choose.

    The class has to leave its runner to unittest. Its own ``loop_factory`` counts more than a
    setting, and less than a tag.
    """
    has_own = getattr(case, "loop_factory", None) is not None
    return unittest_internals.is_runner_made_by_unittest(case) and (is_tagged or not has_own)


def _suite_for(suite: Any, index: int, choices: dict[int, _Choice]) -> Any:
    """Return the suite for a repetition; None if it has no test there.

    For repetition 0 that is the suite itself, for the others a copy.
    """
    tests = unittest_internals.tests_in(suite)
    if tests is None:
        return _variant(suite, index, choices.get(id(suite), _NO_CHOICE))
    parts = [part for one in tests if (part := _suite_for(one, index, choices)) is not None]
    if not parts and (tests or index):
        return None
    if index:
        return unittest_internals.suite_with(suite, parts)
    tests[:] = parts
    return suite


def _variant(test: Any, index: int, choice: _Choice) -> Any:
    """Return the test for a repetition, on its loop; None if it doesn't run there.

    That is the test itself in the first repetition that runs it, and a copy in the others.
    """
    indexes = choice.indexes(_loop_name(test))
    if index not in indexes:
        return None
    if index != indexes[0]:
        test = copies.copied(test)
    if choice.has_several:
        _add_name(test, choice.factories[index].name)
    if choice is not _NO_CHOICE and unittest_internals.is_isolated(type(test)):
        if choice.error is None:
            unittest_internals.set_loop_factory(
                test, partial(event_loops.new, choice.factories[index])
            )
        else:
            unittest_internals.set_loop_factory(test, partial(_fail, choice.error))
    return test


def _fail(error: InvalidValueError) -> NoReturn:
    raise error


def _loop_name(test: Any) -> str | None:
    """Return the name of the loop that the test's id has; None if it has none."""
    found: str | None = getattr(test, "__dict__", {}).get(_LOOP)
    return found


def _add_name(test: TestCase, loop: str) -> None:
    """Add the name of a loop to a test's id."""
    vars(test)[_LOOP] = loop
    case = type(test)
    for name, wrap in (("id", _wrapped_id), ("__str__", _wrapped_str)):
        found = getattr(case, name)
        if not hasattr(found, _MARK):
            setattr(case, name, wrap(found))
    nose2_cases.set_function_name(test, test.id())


def _wrapped_id(found: Callable[[Any], str]) -> Callable[[Any], str]:
    @functools.wraps(found)
    def id_(test: Any) -> str:
        return _with_loop(found(test), test)

    setattr(id_, _MARK, True)
    return id_


def _wrapped_str(found: Callable[[Any], str]) -> Callable[[Any], str]:
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
    """Return an id with the name of the test's loop at the end of its first line.

    The lines after it are the test's parameters.
    """
    loop = _loop_name(test)
    first, *rest = name.split("\n")
    if loop is None or first.endswith(f"[{loop}]"):
        return name
    return "\n".join([f"{first}[{loop}]", *rest])
