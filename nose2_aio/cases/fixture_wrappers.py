"""Wrappers for the fixtures of classes, modules and layers, whose return values unittest drops.

1. While the tests of a suite run, each such fixture is replaced by a wrapper. The wrapper calls the
   fixture, and runs the awaitable that it returns (`fixture_calls`).
2. ``doClassCleanups`` and ``doModuleCleanups`` of unittest are replaced too. They call the cleanups
   of classes and modules, and after that they close the scope.
3. If a wrapper is called while a loop runs, it returns what the fixture returns. So
   ``await super().setUpClass()`` works.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any
from unittest import SkipTest, TestCase

from nose2_aio.cases import nose2_cases, scope_keys, unittest_internals
from nose2_aio.cases.definitions import Definitions
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.phases import CLEANUP, Phase
from nose2_aio.cases.scope_keys import ScopeKey, ScopeLevel
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioError, FixtureExitError
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.problems import Problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting import unawaited
from nose2_aio.reporting.durations import Durations
from nose2_aio.running.host import never

__unittest = True

__all__ = ["FixtureWrappers", "bound", "can_be_wrapped", "wrapper"]

_Call = Callable[..., Any]
_MARK = "__nose2_aio_wrapper__"


class FixtureWrappers:
    """Replaces the fixtures of a suite by wrappers, and restores them."""

    def __init__(
        self,
        settings: Settings,
        scopes: Scopes,
        fixtures: FixtureCaller,
        definitions: Definitions,
        durations: Durations,
    ) -> None:
        self._settings = settings
        self._durations = durations
        self._scopes = scopes
        self._fixtures = fixtures
        self._definitions = definitions
        self._undo = ExitStack()
        self._test_counts: Counter[object] = Counter()
        """The number of tests of each class, module (by its name) and layer."""

    @contextmanager
    def wrapping(self, suite: Iterable[Any]) -> Iterator[None]:
        """Replace all fixtures of a suite by wrappers, inside the block."""
        with ExitStack() as undo:
            self._undo = undo
            replace = partial(_replace, undo)

            def do_class_cleanups(case: type[TestCase]) -> None:
                self.do_class_cleanups(case)

            replace(TestCase, "doClassCleanups", classmethod(do_class_cleanups))
            replace(unittest.case, "doModuleCleanups", self._do_module_cleanups)
            replace(unittest, "doModuleCleanups", self._do_module_cleanups)
            self._wrap_suite(replace, suite)
            self._definitions.replace(replace)
            yield

    def remove(self) -> None:
        """Restore all fixtures before the end of the block."""
        self._undo.close()

    def begin_layer(self, layer: type) -> None:
        """Close the scopes outside a layer, and open its scope if it has an async fixture."""
        scope_key = scope_keys.of_layer(layer, self._settings)
        self._scopes.close_outside(scope_key)
        if self._scopes.has_async_fixture(scope_key):
            self._scopes.runner_for(scope_key)

    def end_layer(self, layer: type) -> None:
        """Close the scope of a layer, after its fixtures."""
        self._scopes.close(scope_keys.of_layer(layer, self._settings))

    def _wrap_module(self, replace: _Call, name: str) -> None:
        module = sys.modules.get(name)
        scope_key = scope_keys.of_module(name, self._settings)
        for fixture in ("setUpModule", "tearDownModule"):
            function = getattr(module, fixture, None)
            if function is not None and not hasattr(function, _MARK):
                self.note_async_fixture(scope_key, function)
                replace(
                    module,
                    fixture,
                    wrapper(partial(self._call_in_module, scope_key, function), function),
                )

    def _call_in_module(self, scope_key: ScopeKey, function: _Call) -> Any:
        if event_loops.is_running():
            return function()
        self._scopes.close_outside(scope_key)
        try:
            return self._call(scope_key, function)
        except Exception as error:
            self._note_tests(error, function, scope_key.module)
            raise

    def _wrap_suite(self, replace: _Call, suite: Iterable[Any]) -> None:
        """Replace the fixtures of the classes, modules and layers of a suite, and count its tests.

        Nothing here outlives the call, so that finished tests can be freed.
        """
        found = list(_flattened(suite))
        cases = [one for one in found if isinstance(one, TestCase)]
        tests = {type(one): one for one in cases}
        counts = self._test_counts = Counter(map(type, cases))
        layers: set[type] = set()
        for one in (one for one in found if not isinstance(one, TestCase)):
            if isinstance(layer := getattr(one, "layer", None), type):
                layers.add(layer)
                counts[layer] += one.countTestCases()
        for test in tests.values():
            self._definitions.inspect(test)
        for case in tests:
            self._wrap_class(replace, case)
            counts[case.__module__] += counts[case]
        for name in {case.__module__ for case in tests}:
            self._wrap_module(replace, name)
        for layer in layers:
            self._wrap_layer(replace, layer)

    def _wrap_class(self, replace: _Call, case: type[TestCase]) -> None:
        for name in ("setUpClass", "tearDownClass"):
            if getattr(getattr(case, name), "__func__", None) is getattr(TestCase, name).__func__:
                continue
            defined = [base for base in case.__mro__ if name in vars(base) and base is not TestCase]
            for base in defined:  # super() calls the fixtures of the base classes
                found = vars(base)[name]
                function = getattr(found, "__func__", found)
                if not can_be_wrapped(function):
                    continue
                if base is defined[0]:
                    self.note_async_fixture(scope_keys.of_class(case, self._settings), function)
                if not hasattr(function, _MARK):
                    wrapped = wrapper(partial(self.call_in_class, found), function)
                    replace(base, name, classmethod(wrapped))

    def call_in_class(self, found: Any, case: type[TestCase]) -> Any:
        """Call ``setUpClass`` or ``tearDownClass``; ``found`` is what a class defines."""
        method = bound(found, case)
        if event_loops.is_running():
            return method()
        scope_key = scope_keys.of_class(case, self._settings)
        self._scopes.close_outside(scope_key)
        try:
            return nose2_cases.call_class_fixture(partial(self._call, scope_key), case, method)
        except Exception as error:
            self._note_tests(error, found, case)
            raise

    def _note_tests(self, error: BaseException, fixture: Any, owner: object) -> None:
        """Add to the error of a fixture how many tests don't run because of it."""
        count = self._test_counts[owner]
        is_set_up = fixture.__name__.startswith("setUp")
        note = f"{count} test{'s' * (count > 1)} did not run."
        if is_set_up and count and not isinstance(error, SkipTest):
            notes = getattr(error, "__notes__", ())
            if note not in notes:  # else the fixture of a base class has it from the same error
                error.add_note(note)

    def _wrap_layer(self, replace: _Call, layer: type) -> None:
        for name, call in (
            ("setUp", self._set_up_layer),
            ("tearDown", self._tear_down_layer),
            ("testSetUp", self._call_for_test),
            ("testTearDown", self._call_for_test),
        ):
            found = vars(layer).get(name)
            # nose2 raises an error for anything else
            if isinstance(found, classmethod) and not hasattr(found.__func__, _MARK):
                replace(layer, name, classmethod(wrapper(partial(call, found), found.__func__)))
                if name == "tearDown":
                    for function in nose2_cases.class_fixtures(layer, found.__func__):
                        self.note_async_fixture(
                            scope_keys.of_layer(layer, self._settings), function
                        )

    def _set_up_layer(self, found: Any, layer: type) -> Any:
        try:
            return self._call_in_layer(found, layer)
        except BaseException as error:
            self._note_tests(error, found, layer)
            self.end_layer(layer)
            raise

    def _tear_down_layer(self, found: Any, layer: type) -> Any:
        try:
            return self._call_in_layer(found, layer)
        finally:
            if not event_loops.is_running():
                self.end_layer(layer)

    def _call_in_layer(self, found: Any, layer: type) -> Any:
        method = found.__get__(None, layer)
        if event_loops.is_running():
            return method()
        scope_key = scope_keys.of_layer(layer, self._settings)
        self._scopes.close_outside(scope_key)
        with self._durations.fixture_of(layer):
            return nose2_cases.call_class_fixture(
                partial(self._fixtures.call, scope_key, never), layer, method
            )

    def _call_for_test(self, found: Any, layer: type, *args: Any) -> Any:
        method = found.__get__(None, layer)
        test = self._scopes.layered_test
        if event_loops.is_running() or test is None:
            return method(*args)
        return self._fixtures.call(scope_keys.of_test(test, self._settings), never, method, *args)

    def do_class_cleanups(self, case: type[TestCase]) -> None:
        """Call the cleanups of a class, in place of `TestCase.doClassCleanups`."""
        errors: list[Any] = []
        case.tearDown_exceptions = errors  # type: ignore[attr-defined]
        if self._scopes.open or unittest_internals.has_class_cleanups(case):
            self._end_class(case, errors)
        kept = self._kept_error(case)
        if kept is not None:
            errors.append(_exc_info(kept))

    def _end_class(self, case: type[TestCase], errors: list[Any]) -> None:
        """Call the cleanups of a class, and close its scope; add what is raised to ``errors``."""
        scope_key = scope_keys.of_class(case, self._settings)
        for function, args, kwargs in unittest_internals.pop_class_cleanups(case):
            self._begin_cleanup(case, function)
            try:
                self._call(scope_key, function, *args, **kwargs)
            except Exception as error:
                whole = error.__traceback__  # nose2 needs one, even if it has no frames of the user
                tracebacks.trim(error, head=False)
                errors.append((type(error), error, error.__traceback__ or whole))
        try:
            self._scopes.close(scope_key)
        except AioError as error:
            errors.append(_exc_info(error))

    def _kept_error(self, case: type[TestCase]) -> AioError | None:
        """Return the error for coroutines in the attributes of a class that nobody has awaited."""
        if unittest_internals.is_isolated(case) and not self._settings.are_isolated_checked:
            return None
        owner = nose2_cases.user_class_of_case(case)
        problems = Problems()
        problems.unawaited = unawaited.take_kept(vars(owner).values())
        if not problems.unawaited:
            return None
        return self._scopes.error_for(ScopeLevel.CLASS, owner, problems)

    def _do_module_cleanups(self) -> None:
        """Call the cleanups of a module, in place of `unittest.case.doModuleCleanups`.

        Raises the first error, after all of them.
        """
        scope_key = scope_keys.of_module(self._scopes.module, self._settings)
        errors = []
        for function, args, kwargs in unittest_internals.pop_module_cleanups():
            self._begin_cleanup(self._scopes.module, function)
            try:
                self._call(scope_key, function, *args, **kwargs)
            except Exception as error:
                errors.append(error)
        try:
            self._scopes.close(scope_key)
        except AioError as error:
            errors.append(error)
        if errors:
            raise tracebacks.trim(errors[0], head=False)

    def _begin_cleanup(self, owner: object, function: _Call) -> None:
        number = len(unittest_internals.cleanups_of(owner))
        self._fixtures.phases.current = Phase(CLEANUP, owner, function, number)

    def _call(self, scope_key: ScopeKey, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
        """Call a fixture of a class or a module. unittest catches no `BaseException` of it."""
        assert scope_key.module is not None
        self._scopes.module = scope_key.module
        try:
            with self._durations.fixture_of(scope_key.owner):
                return self._fixtures.call(scope_key, never, function, *args, **kwargs)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            is_cancelled = isinstance(error, asyncio.CancelledError)
            what = "was cancelled" if is_cancelled else f"raised {type(error).__name__}"
            raise FixtureExitError(f"{locations.describe(function)}: it {what}") from error

    def note_async_fixture(self, scope_key: ScopeKey, function: Any) -> None:
        """Note that a scope has a fixture, if that is a coroutine function."""
        if inspect.iscoroutinefunction(locations.unwrap(function)):
            self._scopes.note_async_fixture(scope_key)


def _exc_info(error: AioError) -> Any:
    """Return ``sys.exc_info()`` of an error, raised in this frame: unittest hides the frame."""
    try:
        raise error.with_traceback(None)
    except AioError:
        return sys.exc_info()


def bound(found: Any, case: type) -> _Call:
    """Return what a class has under a name, to be called: ``found`` is what defines it."""
    return found.__get__(None, case) if hasattr(found, "__get__") else found  # type: ignore[no-any-return]


def can_be_wrapped(function: Any) -> bool:
    """Return True for functions. A mock, for example, must stay where the user finds it."""
    return inspect.isfunction(function) or inspect.iscoroutinefunction(function)


def _flattened(suite: Any) -> Iterator[Any]:
    """Yield a suite and everything in it, suites and tests."""
    waiting = [suite]
    while waiting:
        one = waiting.pop()
        yield one
        if hasattr(type(one), "__iter__"):
            waiting += one


def _replace(undo: ExitStack, target: Any, name: str, wrapper: Any) -> None:
    """Replace an attribute of a class or a module by a wrapper, until ``undo`` is closed."""
    undo.callback(setattr, target, name, vars(target)[name])
    setattr(target, name, wrapper)


def wrapper(call_fixture: _Call, function: Any, mark: str = _MARK) -> _Call:
    """Return a function that looks like ``function`` and calls ``call_fixture``.

    It has an attribute of the name ``mark``.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return call_fixture(*args, **kwargs)
        except BaseException as error:
            raise tracebacks.trim(error, head=False)  # noqa: B904 -- the same, without our frames

    with suppress(ValueError):  # some builtins have none
        # nose2 counts the arguments of layers' fixtures
        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    setattr(call, mark, True)
    return call
