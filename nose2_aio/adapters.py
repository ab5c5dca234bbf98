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
    tags,
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

    _test: TestCase | None = None
    """The test that runs."""
    _here: Position | None = None
    """Where the test stands that needed to know last."""
    _ended: TestCase | None = None
    """The test whose scope a cleanup is going to end."""

    def __init__(self, settings: Settings, scopes: Scopes) -> None:
        self._settings = settings
        self._scopes = scopes
        self._fixtures = Fixtures(settings, scopes)

    def attach(self, test: TestCase) -> None:
        """Have a test case run its test and fixtures for real, the next time that it runs."""
        case = type(test)
        seam = getattr(case, seams.TEST, None)
        if seam is seams.PLAIN:
            own = test.__dict__
            own[seams.TEST] = partial(self._call_test, test)
            if case.setUp is not _NO_SET_UP and kinds.has_fixture(test, "setUp"):
                own[seams.SET_UP] = partial(self._call_set_up, test)
            if case.tearDown is not _NO_TEAR_DOWN and kinds.has_fixture(test, "tearDown"):
                own[seams.TEAR_DOWN] = partial(self._call_tear_down, test)
        elif seam is seams.ISOLATED:
            self._attach_isolated(test)
        self._test = test
        scopes = self._scopes
        scopes.last = test
        scopes.current_before = UNKNOWN
        if scopes.open:
            scopes.arrive(positions.of_test(test, self._settings))

    def begin_layered(self, test: TestCase) -> None:
        """Arrive at a test for which layers have fixtures, before these are called."""
        self._scopes.layered = test
        self._scopes.arrive(positions.of_test(test, self._settings))

    def end_layered(self, test: TestCase) -> None:
        """Leave a test behind the fixtures that layers have for it."""
        self._scopes.layered = None
        self._scopes.leave(positions.of_test(test, self._settings))

    def _attach_isolated(self, test: TestCase) -> None:
        own = test.__dict__
        own[seams.TEST] = partial(_call_isolated, self._settings, test)
        for name in ("setUp", "tearDown"):
            fixture = getattr(test, name)
            if inspect.iscoroutinefunction(fixture):
                own[seams.SET_UP] = partial(_refuse, test, fixture)

    def _at(self, test: TestCase) -> Position:
        """Where a test stands."""
        if self._here is None or self._here.test is not test:
            self._here = positions.of_test(test, self._settings)
        return self._here

    def _call_set_up(self, test: TestCase) -> None:
        """What stands for ``_callSetUp``."""
        del test.__dict__[seams.SET_UP]
        scopes = self._scopes
        try:
            if self._is_coroutine_test(test):
                scopes.runner(self._at(test))  # its loop is current while setUp runs
            elif not scopes.open:
                scopes.current_before = loops.current()
            self._call_fixture(test, "setUp")
        except BaseException as error:
            test.__dict__.pop(seams.TEAR_DOWN, None)
            self._see_to_cleanups(test)
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        if scopes.open:
            self._see_to_end(test)

    def _call_tear_down(self, test: TestCase) -> None:
        """What stands for ``_callTearDown``."""
        del test.__dict__[seams.TEAR_DOWN]
        try:
            self._call_fixture(test, "tearDown")
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            if self._scopes.open or seams.count_cleanups(test):
                self._see_to_cleanups(test)

    def _call_fixture(self, test: TestCase, name: str) -> None:
        fixture = getattr(test, name)
        kind = kinds.fixture(fixture)
        if kind is not None:
            kind(partial(self._fixtures.call, self._at(test), never), test, fixture)
            return
        is_last = self._is_last if name == "tearDown" else never
        if self._scopes.open:
            self._fixtures.call(self._at(test), is_last, fixture)
            return
        value = fixture()
        if value is not None:
            self._fixtures.settle(self._at(test), is_last, value, fixture)

    def _call_cleanup(
        self, test: TestCase, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> None:
        """What stands for ``_callCleanup``."""
        try:
            if function == self._end:
                self._end()
            else:
                self._fixtures.call(self._at(test), never, function, *args, **kwargs)
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            self._see_to_cleanups(test)

    def _end(self) -> None:
        if self._here is not None:
            self._scopes.leave(self._here)

    def _see_to_end(self, test: TestCase) -> None:
        """Have the scope of the test end behind all its cleanups, if it is open."""
        if test is self._ended or test is self._scopes.layered:
            return
        if self._scopes.is_open(self._at(test)):
            self._ended = test
            seams.add_last_cleanup(test, self._end)

    def _see_to_cleanups(self, test: TestCase) -> None:
        """Step in at the cleanups, if there are any."""
        self._see_to_end(test)
        if seams.count_cleanups(test):
            test.__dict__[seams.CLEANUP] = partial(self._call_cleanup, test)
        else:
            test.__dict__.pop(seams.CLEANUP, None)

    def _is_last(self) -> bool:
        """Tell whether nothing can follow the test, or its ``tearDown``, in its scope."""
        test = self._test
        assert test is not None
        ours = 1 if test is self._ended else 0
        return (
            seams.count_cleanups(test) == ours
            and seams.TEAR_DOWN not in test.__dict__
            and test is not self._scopes.layered
        )

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        """What stands for ``_callTestMethod``."""
        del test.__dict__[seams.TEST]
        called = kinds.called(test, method)
        function = method if called is None else called.function
        try:
            if getattr(function, "__dict__", None):
                called = called or _plain(test, method)
                value = self._call_marked(test, called)
            elif self._scopes.open:
                value = self._call_inside(test, method if called is None else called.call)
            else:
                value = method() if called is None else called.call()
            if value is not None:
                value = self._outcome(test, called or _plain(test, method), value)
        except BaseException as error:
            raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
        finally:
            if self._scopes.open or seams.count_cleanups(test):
                self._see_to_cleanups(test)
        if value is not None and (called is None or called.speaks):
            _warn_of(value, test, method)

    def _call_inside(self, test: TestCase, call: Callable[[], Any]) -> Any:
        """Call plain code, in the context of the scope that is open around it."""
        runner = None if coroutines.is_declared(call) else self._scopes.around(self._at(test))
        return call() if runner is None else runner.call(call)

    def _call_marked(self, test: TestCase, called: Called) -> Any:
        """Call a test that may be decorated by one of ours, or by Hypothesis."""
        mark = decorators.decoration(called.function)
        if mark is not None:
            with decorators.hosted(mark, partial(self._run, test, called, mark)):
                return called.call()
        if given.has_examples(called.function, called.case):
            self._scopes.runner(self._at(test))
            self._see_to_end(test)
            with given.examples(called.function, partial(self._run, test, called, None)):
                return called.call()
        return self._call_inside(test, called.call)

    def _outcome(self, test: TestCase, called: Called, value: Any) -> Any:
        """Return what a test comes to: where it gave an awaitable, run that."""
        if inspect.iscoroutine(value):
            try:
                return self._run(test, called, None, lambda: value)
            finally:
                value.close()  # where it could not even be begun
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            value = _called_again(self._settings, called, value)
        if inspect.isawaitable(value):
            loop = value.get_loop() if isinstance(value, asyncio.Future) else None
            return self._run(test, called, None, lambda: value, loop)
        return coroutines.checked(value, called.function)

    def _run(
        self,
        test: TestCase,
        called: Called,
        mark: Decoration | None,
        body: Callable[[], Awaitable[Any]],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Any:
        engine = Engine.BY_RESULT if mark is None else mark.engine
        settings = self._settings
        plan = plans.made(engine, called.function, called.owner, settings)
        execution = Execution(body, plan, called.case)
        if mark is not None or loop is not None:
            own = self._own_runner(test, mark, loop)
            if own is not None:
                with own as runner:
                    return runner.run(execution.main(), execution.stopped, is_last=always)
        scopes = self._scopes
        is_alone = scopes.are_idle and not tags.are_on(type(test))
        runner = Runner(debug=settings.debug) if is_alone else scopes.runner(self._at(test))
        try:
            return runner.run(execution.main(), execution.stopped, is_last=self._is_last)
        finally:
            if not is_alone:
                if not runner.is_open:
                    self._end()
            elif runner.is_open:
                scopes.keep(self._at(test), runner)
            else:
                runner.close()

    def _own_runner(
        self, test: TestCase, mark: Decoration | None, loop: asyncio.AbstractEventLoop | None
    ) -> AbstractContextManager[Runner] | None:
        """Return a runner for the test alone, where its scope's is not for it."""
        if mark is not None:
            if not mark.shares_loop:
                return mark.runner()
            if self._scopes.open and self._scopes.runner(self._at(test)).is_given:
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
        return coroutines.is_declared(function)


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
