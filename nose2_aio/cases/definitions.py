"""Test classes with a part that would never run, or that runs on another loop than its tests.

unittest calls all parts of a test as plain functions. We run the awaitables that tests and fixtures
return, but these definitions can't work, and each test of the class is an error:

1. A method by which unittest runs a test, such as ``run``, is a coroutine function. For the time of
   the run, unittest's own method takes its place.
2. A class that isn't an IsolatedAsyncioTestCase has ``asyncSetUp`` or ``asyncTearDown``. A base
   class or a decorator may call it. So its calls are recorded, and no call is the error.
3. A fixture is a coroutine function, and something else than us runs that of the test, such as a
   decorator or a base class. So they run on different loops.

Classes are inspected once, before their first test. For the tests of most classes nothing is left
to do after that.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from unittest import SkipTest, TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.cases.attribution import Attribution
from nose2_aio.errors import DefinitionError
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import coroutines

__unittest = True

__all__ = ["Definitions", "async_fixtures_of_module", "never_runs"]

_SET_UP_OF_ISOLATED = "asyncSetUp"
_FIXTURES_OF_ISOLATED = (_SET_UP_OF_ISOLATED, "asyncTearDown")
_FIXTURES = ("setUp", "tearDown", "setUpClass", "tearDownClass")


class _Suspicion:
    """What may be wrong with the tests of a class."""

    mistake: DefinitionError | None = None
    """The error of each of them."""
    async_fixture: Any = None
    """A fixture that is a coroutine function."""


class Definitions:
    """Inspects test classes, and checks the tests of those that may be wrong."""

    def __init__(self, attribution: Attribution) -> None:
        self.suspicions: dict[type, _Suspicion] = {}
        """What may be wrong, by the class of test cases."""
        self.uncalled: dict[type, dict[str, Any]] = {}
        """The fixtures that only IsolatedAsyncioTestCase calls, by that class and by name."""
        self._attribution = attribution
        self._replacements: dict[tuple[type, str], Any] = {}
        self._called: set[tuple[object, ...]] = set()
        """Calls of such fixtures since the last test: the name, and ``id()`` of the object.

        A class may call them before its test begins.
        """

    def inspect(self, test: TestCase) -> None:
        """Inspect the class of a test."""
        case, owner = type(test), nose2_cases.user_class_of_test(test)
        found = _Suspicion()
        for name in unittest_internals.called_by_unittest(case):
            function = getattr(case, name)
            if coroutines.is_declared(function):
                found.mistake = never_runs(function)
                own = unittest_internals.own_method(case, name)
                self._replacements[_base(case, name), name] = own
        if unittest_internals.has_default_hook(case, unittest_internals.TEST_HOOK):
            uncalled = _plain_functions(owner, _FIXTURES_OF_ISOLATED)
            if uncalled:
                self.uncalled.setdefault(case, uncalled)
            for name, function in uncalled.items():
                self._replacements[_base(owner, name), name] = self._recorded(name, function)
            for fixture in (getattr(owner, name, None) for name in _FIXTURES):
                if coroutines.is_declared(fixture):
                    found.async_fixture = fixture
        if vars(found) or case in self.uncalled:
            self.suspicions.setdefault(case, found)

    def replace(self, replace: Callable[[type, str, Any], None]) -> None:
        """Replace methods with ``replace``, after all classes were inspected."""
        for (base, name), function in self._replacements.items():
            replace(base, name, function)
        self._replacements.clear()

    def attach(self, test: TestCase) -> None:
        """Prepare a test that is about to run. Its class is one of `suspicions`."""
        found = self.suspicions[type(test)]
        if found.mistake is not None:
            test.__dict__[unittest_internals.SET_UP_HOOK] = partial(_fail, test, found.mistake)
        hidden = None if found.async_fixture is None else _hidden(test)
        if hidden is not None:
            call = partial(getattr(type(test), unittest_internals.TEST_HOOK), test)
            test.__dict__[unittest_internals.TEST_HOOK] = partial(
                self._call_elsewhere, call, hidden, found.async_fixture
            )

    def check(self, test: TestCase, *, is_passed: bool) -> None:
        """Raise an error if a fixture was not called in a test that has ended.

        Its ``setUp`` must have passed.
        """
        called, self._called = self._called, set()
        owner, identity = nose2_cases.user_class_of_test(test), id(nose2_cases.user_object(test))
        is_over = is_passed and not unittest_internals.overrides_run(type(test))
        for name, function in self.uncalled[type(test)].items():
            # a mixin may be for classes of both kinds
            is_meant = self._attribution.has_run_coroutine or issubclass(
                _base(owner, name), (owner, TestCase)
            )
            is_due = is_over or name == _SET_UP_OF_ISOLATED
            if is_meant and is_due and (name, identity) not in called:
                raise DefinitionError(
                    f"{locations.describe(function)}: nobody has called it, since "
                    f"{owner.__name__} is no IsolatedAsyncioTestCase.\n"
                    f"Name it {name[5].lower()}{name[6:]}, or derive the class from "
                    "IsolatedAsyncioTestCase."
                )

    def _recorded(self, name: str, function: Any) -> Any:
        """Return a function like ``function``, of the same kind, that records its calls."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._called.add((name, *map(id, args[:1])))
            return function(*args, **kwargs)

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            self._called.add((name, *map(id, args[:1])))
            return await function(*args, **kwargs)

        return run if coroutines.is_declared(function) else call

    def _call_elsewhere(
        self, call: Callable[..., Any], function: Any, fixture: Any, method: Any
    ) -> None:
        """Call a test in place of ``_callTestMethod``; raise an error if we don't run it.

        ``function`` is the coroutine function. An error that has no line of it was raised before.
        """
        error = None
        try:
            call(method)
        except SkipTest:
            raise
        except Exception as failure:
            error = tracebacks.trim(failure, head=False)
        is_ours = self._attribution.has_run_coroutine
        if error is not None and (is_ours or not tracebacks.has_line_of(error, function)):
            raise error
        if is_ours:
            return
        raise DefinitionError(
            f"{locations.describe(fixture)}: the test ran on another event loop than this "
            "fixture. A decorator or a base class has run the test's coroutine.\n"
            "Make the fixture a plain function, or leave the test to the plugin."
        ) from error


def _plain_functions(case: type, names: Iterable[str]) -> dict[str, Any]:
    """Return the functions of these names in a class; without properties, class methods or None."""
    found = {name: inspect.getattr_static(case, name, None) for name in names}
    return {name: value for name, value in found.items() if inspect.isfunction(value)}


def _base(case: type, name: str) -> type:
    """Return the class that defines an attribute of a class."""
    return next(base for base in case.__mro__ if name in vars(base))


def _hidden(test: TestCase) -> Any:
    """Return the coroutine function inside a test that is a plain function; None if none is."""
    name = unittest_internals.method_name(test)
    declared = getattr(type(test), name, None)
    flags = getattr(getattr(declared, "__code__", None), "co_flags", 0)
    if flags & inspect.CO_COROUTINE and name not in test.__dict__:
        return None  # as most are
    function, _ = nose2_cases.function_and_owner(test)
    if coroutines.is_declared(function):
        return None
    inner = (locations.unwrap(function), locations.unwrap(declared))
    return next(filter(coroutines.is_declared, inner), None)


def never_runs(function: Any) -> DefinitionError:
    """Return the error for a method by which unittest runs a test, and which is async."""
    name = function.__name__
    return DefinitionError(
        f"{locations.describe(function)}: 'async def {name}' would never run: unittest calls "
        f"{name} to run a test, and does not await it.\n"
        "Make it a plain function, or give it another name."
    )


def async_fixtures_of_module(case: type) -> list[Any]:
    """Return the coroutine functions among the fixtures and cleanups of the module of a class."""
    module = sys.modules.get(case.__module__)
    found = [getattr(module, name, None) for name in ("setUpModule", "tearDownModule")]
    found += [function for function, *_ in unittest_internals.cleanups_of(None)]
    return [*filter(coroutines.is_declared, found)]


def _fail(test: TestCase, error: DefinitionError, *_: Any) -> None:
    del test.__dict__[unittest_internals.SET_UP_HOOK]
    raise error.with_traceback(None)
