"""Where unittest calls what may give an awaitable: see what it gives, and run that.

unittest calls each test, and each fixture of it, through seams of its test case (`seams`). `attach`
puts ours in their place, on the one instance that is about to run:

1. What the seam was to call is called as ever.
2. Only where that gives an awaitable we step in, and run it to its end, in the test's scope:
   ``setUp``, the test, ``tearDown`` and cleanups share one task. Declarations are not asked: a
   class that wraps its coroutine tests by itself, wherever it does that, gives none.
3. Where nothing can follow the test, its scope ends with it. Otherwise a cleanup behind all
   others ends it, so that what goes wrong there is the test's own error.
4. A class that has a seam of its own keeps it. Of these we know IsolatedAsyncioTestCase: it gets
   time limits, and runs what it would drop, since it asks for declarations.

Some kinds of test case drop what the user's functions give (`kinds`). For those we know what they
are about to call, and that is called in their stead.
"""

from __future__ import annotations

import asyncio
import inspect
import types
import warnings
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from types import GeneratorType
from typing import Any
from unittest import TestCase

from nose2_aio import (
    coroutines,
    deadlines,
    decorators,
    generators,
    given,
    kinds,
    loops,
    places,
    plans,
    positions,
    seams,
    stacks,
)
from nose2_aio.deadlines import Limit
from nose2_aio.decorators import Decoration
from nose2_aio.engines import Engine, Execution
from nose2_aio.errors import DefinitionError
from nose2_aio.fixtures import Fixtures
from nose2_aio.kinds import Called
from nose2_aio.runners import Runner, always, never
from nose2_aio.scopes import UNKNOWN, Position, Scopes
from nose2_aio.settings import Settings

__unittest = True

__all__ = ["Adapter"]

_NO_SET_UP = TestCase.setUp
_NO_TEAR_DOWN = TestCase.tearDown


class Adapter:
    """Steps in at the seams of test cases, one test at a time."""

    _position: Position | None = None
    _ends = False
    """Whether the end of its scope is seen to."""
    _tear_down_follows = False
    """Whether a ``tearDown`` of its own is still to be called."""

    def __init__(self, settings: Settings, scopes: Scopes) -> None:
        self._settings = settings
        self._scopes = scopes
        self._fixtures = Fixtures(settings, scopes)

    def attach(self, test: TestCase) -> None:
        """Have a test case run its test and fixtures for real, the next time that it runs."""
        case = type(test)
        self._scopes.module = case.__module__
        seam = getattr(case, seams.TEST, None)
        if seam is seams.PLAIN:
            self._attach_plain(test)
        elif seam is seams.ISOLATED:
            self._attach_isolated(test)
        if self._scopes.open:
            self._scopes.arrive(positions.of_test(test, self._settings))

    def begin_layered(self, test: TestCase) -> None:
        """Arrive at a test for which layers have fixtures, before these are called."""
        self._scopes.layered = test
        self._scopes.arrive(positions.of_test(test, self._settings))

    def end_layered(self, test: TestCase) -> None:
        """Leave a test behind the fixtures that layers have for it."""
        self._scopes.layered = None
        self._scopes.leave(positions.of_test(test, self._settings))

    def _attach_plain(self, test: TestCase) -> None:
        scopes = self._scopes
        self._test = test
        self._position = None
        self._ends = test is scopes.layered
        self._tear_down_follows = _has_tear_down(test)
        scopes.current_before = UNKNOWN
        test.__dict__[seams.TEST] = partial(self._call_test, test)
        if type(test).setUp is not _NO_SET_UP and kinds.has_fixture(test, "setUp"):
            test.__dict__[seams.SET_UP] = partial(self._call_set_up, test)

    def _attach_isolated(self, test: TestCase) -> None:
        own = test.__dict__
        own[seams.TEST] = partial(_call_isolated, self._settings, test)
        for name in ("setUp", "tearDown"):
            fixture = getattr(test, name)
            if inspect.iscoroutinefunction(fixture):
                own[seams.SET_UP] = partial(_refuse, test, fixture)

    def _at(self) -> Position:
        """Where the test stands."""
        if self._position is None:
            self._position = positions.of_test(self._test, self._settings)
        return self._position

    def _call_set_up(self, test: TestCase) -> None:
        """What stands for ``_callSetUp``."""
        del test.__dict__[seams.SET_UP]
        scopes = self._scopes
        try:
            if self._is_coroutine_test(test):
                scopes.runner(self._at())  # its loop is current while setUp runs
            elif not scopes.open:
                scopes.current_before = loops.current()
            self._call_fixture(test, "setUp")
        except BaseException as error:
            self._see_to_cleanups(test)
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        if scopes.open:
            self._see_to_end(test)

    def _call_tear_down(self, test: TestCase) -> None:
        """What stands for ``_callTearDown``."""
        del test.__dict__[seams.TEAR_DOWN]
        self._tear_down_follows = False
        try:
            self._call_fixture(test, "tearDown")
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            if self._scopes.open or seams.count_cleanups(test):
                self._see_to_cleanups(test)

    def _call_fixture(self, test: TestCase, name: str) -> None:
        if kinds.is_one(test):
            kinds.run_fixture(partial(self._fixtures.call, self._at(), never), test, name)
            return
        fixture = getattr(test, name)
        is_last = self._is_last if name == "tearDown" else never
        if self._scopes.open:
            self._fixtures.call(self._at(), is_last, fixture)
            return
        value = fixture()
        if value is not None:
            self._fixtures.settle(self._at(), is_last, value, fixture)

    def _call_cleanup(
        self, test: TestCase, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> None:
        """What stands for ``_callCleanup``."""
        try:
            if function == self._end:
                self._end()
            else:
                self._fixtures.call(self._at(), never, function, *args, **kwargs)
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            self._see_to_cleanups(test)

    def _end(self) -> None:
        self._scopes.leave(self._at())

    def _see_to_end(self, test: TestCase) -> None:
        """Have the scope of the test end behind all its cleanups, if it is open."""
        if not self._ends and self._scopes.is_open(self._at()):
            self._ends = True
            seams.add_last_cleanup(test, self._end)

    def _see_to_cleanups(self, test: TestCase) -> None:
        """Step in at the cleanups, if there are any."""
        self._see_to_end(test)
        if seams.count_cleanups(test):
            test.__dict__[seams.CLEANUP] = partial(self._call_cleanup, test)
        else:
            test.__dict__.pop(seams.CLEANUP, None)

    def _is_last(self) -> bool:
        """Tell whether nothing can follow the test in its scope."""
        test = self._test
        cleanups = seams.count_cleanups(test)
        if self._ends:
            cleanups -= 1  # ours
        return cleanups == 0 and test is not self._scopes.layered and not self._tear_down_follows

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        """What stands for ``_callTestMethod``."""
        del test.__dict__[seams.TEST]
        called = kinds.called(test, method)
        function = method if called is None else called.function
        try:
            if getattr(function, "__dict__", None):
                called = called or _plain(test, method)
                value = self._call_marked(called)
            elif self._scopes.open:
                value = self._call_inside(method if called is None else called.call)
            else:
                value = method() if called is None else called.call()
            if value is not None:
                value = self._outcome(called or _plain(test, method), value)
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            if self._tear_down_follows:
                test.__dict__[seams.TEAR_DOWN] = partial(self._call_tear_down, test)
            if self._scopes.open or seams.count_cleanups(test):
                self._see_to_cleanups(test)
        if value is not None and (called is None or called.speaks):
            _warn_of(value, test, method)

    def _call_inside(self, call: Callable[[], Any]) -> Any:
        """Call plain code, in the context of the scope that is open around it."""
        runner = None if coroutines.is_declared(call) else self._scopes.around(self._at())
        return call() if runner is None else runner.call(call)

    def _call_marked(self, called: Called) -> Any:
        """Call a test that may be decorated by one of ours, or by Hypothesis."""
        mark = decorators.decoration(called.function)
        if mark is not None:
            with decorators.hosted(mark, partial(self._run, called, mark)):
                return called.call()
        if given.has_examples(called.function, called.case):
            self._scopes.runner(self._at())
            self._see_to_end(self._test)
            with given.examples(called.function, partial(self._run, called, None)):
                return called.call()
        return self._call_inside(called.call)

    def _outcome(self, called: Called, value: Any) -> Any:
        """Return what a test comes to: where it gave an awaitable, run that."""
        if inspect.iscoroutine(value):
            try:
                return self._run(called, None, lambda: value)
            finally:
                value.close()  # where it could not even be begun
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            value = _called_again(self._settings, called, value)
        if inspect.isawaitable(value):
            loop = value.get_loop() if isinstance(value, asyncio.Future) else None
            return self._run(called, None, lambda: value, loop)
        return coroutines.checked(value, called.function)

    def _run(
        self,
        called: Called,
        mark: Decoration | None,
        body: Callable[[], Awaitable[Any]],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Any:
        engine = Engine.BY_RESULT if mark is None else mark.engine
        plan = plans.made(engine, called.function, called.owner, self._settings)
        execution = Execution(body, plan, called.case)
        own = self._own_runner(mark, loop)
        if own is not None:
            with own as runner:
                return runner.run(execution.main(), execution.stopped, is_last=always)
        runner = self._scopes.runner(self._at())
        try:
            return runner.run(execution.main(), execution.stopped, is_last=self._is_last)
        finally:
            if not runner.is_open:
                self._end()

    def _own_runner(
        self, mark: Decoration | None, loop: asyncio.AbstractEventLoop | None
    ) -> AbstractContextManager[Runner] | None:
        """Return a runner for the test alone, where its scope's is not for it."""
        if mark is not None:
            if not mark.shares_loop:
                return mark.runner()
            if self._scopes.open and self._scopes.runner(self._at()).is_given:
                return Runner(debug=self._settings.debug)  # who decorates it wants a fresh one
        if loop is not None and not self._scopes.has(loop):
            return Runner(loop)
        return None

    def _is_coroutine_test(self, test: TestCase) -> bool:
        """Tell whether a test is declared to be a coroutine, and nobody chose a loop for it."""
        method = getattr(test, seams.method_name(test))
        called = kinds.called(test, method)
        function = method if called is None else called.function
        if getattr(function, "__dict__", None):
            mark = decorators.decoration(function)
            if mark is not None:
                return mark.shares_loop
            if given.has_examples(function, test):
                return True
        return inspect.iscoroutinefunction(function)


def _has_tear_down(test: TestCase) -> bool:
    return type(test).tearDown is not _NO_TEAR_DOWN and kinds.has_fixture(test, "tearDown")


def _refuse(test: TestCase, fixture: Any) -> None:
    del test.__dict__[seams.SET_UP]
    name = fixture.__name__
    raise DefinitionError(
        f"{places.describe(fixture)}: IsolatedAsyncioTestCase calls {name} outside of its loop, "
        "and drops what it gives.\n"
        f"Name it async{name[0].upper()}{name[1:]}."
    )


def _called_again(
    settings: Settings, called: Called, generator: GeneratorType[Any, Any, Any]
) -> Any:
    """Call a test anew whose generator nobody has begun, if it is a coroutine test.

    It came from under a decorator (``mock.patch``), a partial or a scenario, where nothing that
    looks at the test's function sees that it is a generator function. A generator can't become
    a coroutine, only its function can: so the decorator is called twice, the body runs once.
    """
    function = places.innermost(called.function)
    if getattr(function, "__code__", None) is not generator.gi_code:
        return generator
    if inspect.getgeneratorstate(generator) != inspect.GEN_CREATED:
        return generator
    if not generators.is_coroutine(function, settings.generators):
        return generator
    generator.close()
    types.coroutine(function)
    return coroutines.explained(called.call(), function)


def _call_isolated(settings: Settings, test: TestCase, method: Callable[[], Any]) -> None:
    del test.__dict__[seams.TEST]
    limit = plans.made(Engine.UNTIL_COMPLETE, method, type(test), settings).limit
    try:
        if inspect.iscoroutinefunction(method):
            seams.ISOLATED(test, _limited(method, limit) if limit.seconds else method)
            return
        if given.has_examples(method, test):
            with given.examples(method, lambda body: seams.ISOLATED(test, _limited(body, limit))):
                method()
            return
        called = _IsolatedCall(method, settings)
        seams.ISOLATED(test, called)
        if called.given is not None:
            awaitable = called.given
            seams.ISOLATED(test, _limited(lambda: awaitable, limit))
    except BaseException as error:
        raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames


def _limited(body: Callable[[], Awaitable[Any]], limit: Limit) -> Callable[[], Awaitable[Any]]:
    """Return a coroutine function, as IsolatedAsyncioTestCase runs only what is declared one."""

    async def run() -> Any:
        return await (deadlines.bounded(body(), limit) if limit.seconds else body())

    return run


class _IsolatedCall:
    """Calls a test method of IsolatedAsyncioTestCase that isn't declared a coroutine function.

    What that gives, if it is an awaitable, would be dropped: it is kept in ``given``.
    """

    def __init__(self, method: Callable[[], Any], settings: Settings) -> None:
        self._method = method
        self._settings = settings
        self.given: Awaitable[Any] | None = None

    def __call__(self) -> Any:
        called = Called(self._method, self._method, object, None)
        value = self._method()
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            value = _called_again(self._settings, called, value)
        if inspect.isawaitable(value):
            self.given = value
            return None
        return coroutines.checked(value, self._method)

    def __repr__(self) -> str:
        return repr(self._method)


def _warn_of(value: Any, test: TestCase, method: Callable[[], Any]) -> None:
    """Have unittest say in its own words, and at its own place, that a test returned a value."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        seams.PLAIN(test, _Returned(value, method))
    for warning in said:
        warnings.warn(warning.message, stacklevel=4)


class _Returned:
    """Stands for a test method that was called already."""

    def __init__(self, value: Any, method: Callable[[], Any]) -> None:
        self._value = value
        self._method = method

    def __call__(self) -> Any:
        return self._value

    def __repr__(self) -> str:
        return repr(self._method)


def _plain(test: TestCase, method: Callable[[], Any]) -> Called:
    return Called(method, method, type(test), test, speaks=True)
