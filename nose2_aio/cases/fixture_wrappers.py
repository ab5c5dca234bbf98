"""Faces for the fixtures of classes, modules and layers, which nobody looks at when they return.

While the tests of a suite run, a face stands in the place of each such fixture: it calls what it
stands for, and sees to what that gives (`fixtures`). Two functions of unittest's have one too,
since they call the cleanups of classes and modules; their end is the end of the scope.

A face that is called while a loop runs gives what it stands for gives: so
``await super().setUpClass()`` works.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases, scope_keys, unittest_internals
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.scope_keys import ScopeKey
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioError, FixtureCancelledError
from nose2_aio.eventloop import event_loops
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running.host import never

__unittest = True

__all__ = ["FixtureWrappers"]

_Call = Callable[..., Any]
_MARK = "__nose2_aio_face__"


class FixtureWrappers:
    """Puts faces on what a suite will call, and takes them off again."""

    def __init__(self, settings: Settings, scopes: Scopes, fixtures: FixtureCaller) -> None:
        self._settings = settings
        self._scopes = scopes
        self._fixtures = fixtures
        self._off = ExitStack()

    @contextmanager
    def on(self, suite: Iterable[Any]) -> Iterator[None]:
        """Have faces on all fixtures of a suite inside the block."""
        with ExitStack() as off:
            self._off = off
            put = partial(_put, off)

            def do_class_cleanups(case: type[TestCase]) -> None:
                self._do_class_cleanups(case)

            put(TestCase, "doClassCleanups", classmethod(do_class_cleanups))
            put(unittest.case, "doModuleCleanups", self._do_module_cleanups)
            put(unittest, "doModuleCleanups", self._do_module_cleanups)
            seen: set[object] = set()
            for one in _flattened(suite):
                case = type(one)
                if case in seen:
                    continue
                if isinstance(one, TestCase):
                    seen.add(case)
                    self._cover_class(put, case)
                    if case.__module__ not in seen:
                        seen.add(case.__module__)
                        self._cover_module(put, case.__module__)
                elif isinstance(layer := getattr(one, "layer", None), type) and layer not in seen:
                    seen.add(layer)
                    self._cover_layer(put, layer)
            yield

    def take_off(self) -> None:
        """Take all faces off before the end of the block."""
        self._off.close()

    def begin_layer(self, layer: type) -> None:
        """Arrive at a layer, before its fixtures are called."""
        scope_key = scope_keys.of_layer(layer, self._settings)
        self._scopes.arrive(scope_key)
        if self._scopes.is_declared(scope_key):
            self._scopes.runner(scope_key)

    def end_layer(self, layer: type) -> None:
        """Leave a layer, behind its fixtures."""
        self._scopes.leave(scope_keys.of_layer(layer, self._settings))

    def _cover_module(self, put: _Call, name: str) -> None:
        module = sys.modules.get(name)
        scope_key = scope_keys.of_module(name, self._settings)
        for fixture in ("setUpModule", "tearDownModule"):
            function = getattr(module, fixture, None)
            if function is not None and not hasattr(function, _MARK):
                self._declare(scope_key, function)
                put(
                    module,
                    fixture,
                    _faced(partial(self._call_in_module, scope_key, function), function),
                )

    def _call_in_module(self, scope_key: ScopeKey, function: _Call) -> Any:
        if event_loops.is_running():
            return function()
        self._scopes.arrive(scope_key)
        return self._call(scope_key, function)

    def _cover_class(self, put: _Call, case: type[TestCase]) -> None:
        for name in ("setUpClass", "tearDownClass"):
            if getattr(getattr(case, name), "__func__", None) is getattr(TestCase, name).__func__:
                continue
            defined = [base for base in case.__mro__ if name in vars(base) and base is not TestCase]
            for base in defined:  # who calls its super() calls what it overrides as well
                found = vars(base)[name]
                function = getattr(found, "__func__", found)
                if not _is_fixture(function):
                    continue
                if base is defined[0]:
                    self._declare(scope_keys.of_class(case, self._settings), function)
                if not hasattr(function, _MARK):
                    face = _faced(partial(self._call_in_class, found), function)
                    put(base, name, classmethod(face))

    def _call_in_class(self, found: Any, case: type[TestCase]) -> Any:
        method = found.__get__(None, case) if hasattr(found, "__get__") else found
        if event_loops.is_running():
            return method()
        scope_key = scope_keys.of_class(case, self._settings)
        self._scopes.arrive(scope_key)
        return nose2_cases.run_class_fixture(partial(self._call, scope_key), case, method)

    def _cover_layer(self, put: _Call, layer: type) -> None:
        for name, call in (
            ("setUp", self._set_up_layer),
            ("tearDown", self._tear_down_layer),
            ("testSetUp", self._call_for_test),
            ("testTearDown", self._call_for_test),
        ):
            found = vars(layer).get(name)
            # nose2 takes nothing else, and says so
            if isinstance(found, classmethod) and not hasattr(found.__func__, _MARK):
                put(layer, name, classmethod(_faced(partial(call, found), found.__func__)))
                if name == "tearDown":
                    for function in nose2_cases.class_fixtures(layer, found.__func__):
                        self._declare(scope_keys.of_layer(layer, self._settings), function)

    def _set_up_layer(self, found: Any, layer: type) -> Any:
        try:
            return self._call_in_layer(found, layer)
        except BaseException:
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
        self._scopes.arrive(scope_key)
        return nose2_cases.run_class_fixture(
            partial(self._fixtures.call, scope_key, never), layer, method
        )

    def _call_for_test(self, found: Any, layer: type, *args: Any) -> Any:
        method = found.__get__(None, layer)
        test = self._scopes.layered
        if event_loops.is_running() or test is None:
            return method(*args)
        return self._fixtures.call(scope_keys.of_test(test, self._settings), never, method, *args)

    def _do_class_cleanups(self, case: type[TestCase]) -> None:
        """What stands for `TestCase.doClassCleanups`."""
        errors: list[Any] = []
        case.tearDown_exceptions = errors  # type: ignore[attr-defined]
        if not self._scopes.open and not unittest_internals.has_class_cleanups(case):
            return
        scope_key = scope_keys.of_class(case, self._settings)
        for function, args, kwargs in unittest_internals.class_cleanups(case):
            try:
                self._call(scope_key, function, *args, **kwargs)
            except Exception as error:
                whole = error.__traceback__  # nose2 needs one, where the user has no part in it
                tracebacks.trim(error, head=False)
                errors.append((type(error), error, error.__traceback__ or whole))
        try:
            self._scopes.leave(scope_key)
        except AioError as error:
            errors.append(_raised(error))

    def _do_module_cleanups(self) -> None:
        """What stands for `unittest.case.doModuleCleanups`: raises the first error."""
        scope_key = scope_keys.of_module(self._scopes.module, self._settings)
        errors = []
        for function, args, kwargs in unittest_internals.module_cleanups():
            try:
                self._call(scope_key, function, *args, **kwargs)
            except Exception as error:
                errors.append(error)
        try:
            self._scopes.leave(scope_key)
        except AioError as error:
            errors.append(error)
        if errors:
            raise tracebacks.trim(errors[0], head=False)

    def _call(self, scope_key: ScopeKey, function: _Call, /, *args: Any, **kwargs: Any) -> Any:
        """Call a fixture of a class or a module, where unittest takes no BaseException."""
        assert scope_key.module is not None
        self._scopes.last = scope_key.module
        try:
            return self._fixtures.call(scope_key, never, function, *args, **kwargs)
        except asyncio.CancelledError as error:
            raise FixtureCancelledError(
                f"{locations.describe(function)}: it was cancelled"
            ) from error

    def _declare(self, scope_key: ScopeKey, function: Any) -> None:
        if inspect.iscoroutinefunction(locations.unwrap(function)):
            self._scopes.declare(scope_key)


def _raised(error: AioError) -> Any:
    """Return an error of ours as one that was raised here, which unittest hides."""
    try:
        raise error.with_traceback(None)
    except AioError:
        return sys.exc_info()


def _is_fixture(function: Any) -> bool:
    """Tell whether it is to be covered: a mock, say, wants to be found where it is."""
    return inspect.isfunction(function) or inspect.iscoroutinefunction(function)


def _flattened(suite: Any) -> Iterator[Any]:
    """Give a suite and all that is in it, suites and tests."""
    waiting = [suite]
    while waiting:
        one = waiting.pop()
        yield one
        if hasattr(type(one), "__iter__"):
            waiting += one


def _put(off: ExitStack, target: Any, name: str, face: Any) -> None:
    """Put a face on a class or a module, and have it taken off at the end."""
    off.callback(setattr, target, name, vars(target)[name])
    setattr(target, name, face)


def _faced(face: _Call, function: Any) -> _Call:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return face(*args, **kwargs)
        except BaseException as error:
            raise tracebacks.trim(error, head=False)  # noqa: B904 -- the same, without our frames

    with suppress(ValueError):  # some builtins have none
        # nose2 counts the arguments of layers' fixtures
        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    setattr(call, _MARK, True)
    return call
