"""`guard`: a coroutine that unittest has called and nobody has run is an error, under any runner.

1. `guard` replaces ``TestCase.run``. Before a test runs, that replaces the hooks of this one
   instance, and it removes them after the test.
2. Our hook calls what unittest would call, and looks at the result. A class that runs its
   coroutines itself returns none, or overrides the hooks. Both are left alone.
3. Nobody can see the results of fixtures of classes and modules. There the declaration counts.
4. While the plugin or an ``aio.TestCase`` steps in, nothing of this happens.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import TestCase, TestResult

from nose2_aio.cases import definitions, hooks, nose2_cases, unittest_internals
from nose2_aio.errors import DefinitionError
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import coroutines

__unittest = True

__all__ = ["guard"]

_MARK = "__nose2_aio_guard__"


def guard() -> None:
    """Make it an error of a test if nobody runs its coroutine, or an async fixture of it.

    Call it in the ``__init__.py`` of the package of tests, or in ``conftest.py``::

        import nose2_aio as aio

        aio.guard()

    It holds for all tests that run after the call, until the process ends. So make sure that Python
    imports this file: ``python -m unittest discover -s tests`` does that only with ``-t .``.

    Without it, unittest, pytest and IDEs call such a test, drop the coroutine, and report success.
    Tests that the plugin, `TestCase` or another library runs are not changed. It can be called
    several times.
    """
    before = TestCase.run
    if hasattr(before, _MARK):
        return

    @functools.wraps(before)
    def run(test: TestCase, result: TestResult | None = None) -> TestResult | None:
        outer = hooks.in_charge()
        if outer is not None and not outer.is_busy:
            return before(test, result)
        own = test.__dict__
        ours = {name: hook for name, hook in _hooks(test).items() if name not in own}
        own.update(ours)
        try:
            return before(test, result)
        finally:
            for name in ours:
                own.pop(name, None)

    setattr(run, _MARK, True)
    TestCase.run = run  # type: ignore[assignment,method-assign]


def _hooks(test: TestCase) -> dict[str, Callable[..., None]]:
    """Return our hooks for a test, by name."""
    case = type(test)
    if not unittest_internals.has_default_hook(case, unittest_internals.TEST_HOOK):
        return {}
    ours: dict[str, Callable[..., None]] = {
        unittest_internals.TEST_HOOK: partial(_call_test, test),
        unittest_internals.CLEANUP_HOOK: partial(_call, case),
    }
    for hook, fixture in (
        (unittest_internals.SET_UP_HOOK, test.setUp),
        (unittest_internals.TEAR_DOWN_HOOK, test.tearDown),
    ):
        if unittest_internals.has_default_hook(case, hook):
            ours[hook] = partial(_call, case, fixture)
    wider: list[Any] = [getattr(case, name, None) for name in ("setUpClass", "tearDownClass")]
    wider += definitions.async_fixtures_of_module(case)
    # expectedFailure would hide the error of the test itself, but not one of setUp
    wider.append(getattr(test, unittest_internals.method_name(test), None))
    for fixture in filter(coroutines.is_declared, wider):
        ours[unittest_internals.SET_UP_HOOK] = partial(_refuse, case, fixture)
    return ours


def _call_test(test: TestCase, method: Callable[[], Any]) -> None:
    """Call a test, in place of ``_callTestMethod``."""
    call = nose2_cases.user_call(test, method)
    if call is None:
        unittest_internals.call_test_method(test, _Watched(type(test), method))
    else:
        _call(call.owner, call.call)


class _Watched:
    """The method of a test, for unittest: it says which one has returned a value."""

    def __init__(self, case: type, method: Callable[[], Any]) -> None:
        self._case = case
        self._method = method

    def __call__(self) -> Any:
        return _call(self._case, self._method)

    def __repr__(self) -> str:
        return repr(self._method)


def _call(case: type, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and return its value; raise an error if that is something to be run."""
    value = function(*args, **kwargs)
    if inspect.isawaitable(value) or inspect.isgenerator(value) or inspect.isasyncgen(value):
        if inspect.iscoroutine(value):
            value.close()
        _refuse(case, function)
    return value


def _refuse(case: type, function: Any) -> None:
    error = DefinitionError(
        f"{locations.describe(function)}: it was called, and nobody has run it.\n"
        f"Derive {case.__name__} from aio.TestCase, or run 'nose2 --plugin nose2_aio'."
    )
    raise error.with_traceback(tracebacks.at_definition(function))
