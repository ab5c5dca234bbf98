"""Where unittest calls what may give an awaitable: see what it gives, and run that.

unittest calls every test through a seam of its test case (`seams`). `attach` puts our own in its
place, on the one instance that is about to run:

1. What the seam was to call is called as ever.
2. Only where that gives an awaitable we step in, and run it to its end. Declarations are not
   asked: a class that wraps its coroutine tests by itself, wherever it does that, gives none.
3. A class that has a seam of its own keeps it. Of these we know IsolatedAsyncioTestCase: it gets
   time limits, and runs what it would drop, since it asks for declarations.

Some kinds of test case drop what the test gives (test functions, test classes, scenarios).
For those `_KINDS` knows what they are about to call, and that is called in their stead.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import types
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from types import GeneratorType
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio import coroutines, deadlines, decorators, generators, places, plans, seams, stacks
from nose2_aio.deadlines import Limit
from nose2_aio.decorators import Decoration
from nose2_aio.engines import Engine, Execution
from nose2_aio.runners import Runner
from nose2_aio.settings import Settings

__unittest = True

__all__ = ["attach"]


class Called(NamedTuple):
    """What a test case is about to call."""

    call: Callable[[], Any]
    """Calls it, and returns what it gives."""
    function: Any
    """The user's function or method, which has the tags."""
    owner: type
    """The user's class, where there is one, or else `object`."""
    case: Any
    """What a callback gets that takes an argument."""
    speaks: bool = False
    """Whether unittest looks at what it returns, and speaks up if that isn't None."""


def attach(test: TestCase, settings: Settings) -> None:
    """Have a test case run its test for real, the next time that it runs, if it is a coroutine."""
    seam = getattr(type(test), seams.NAME, None)
    if seam is seams.PLAIN:
        test.__dict__[seams.NAME] = partial(_call_plain, settings, test)
    elif seam is seams.ISOLATED:
        test.__dict__[seams.NAME] = partial(_call_isolated, settings, test)


def _call_plain(settings: Settings, test: TestCase, method: Callable[[], Any]) -> None:
    del test.__dict__[seams.NAME]
    called = _special(test, method)
    try:
        mark = decorators.decoration(method if called is None else called.function)
        if mark is not None:
            called = called or _plain(test, method)
            with decorators.hosted(mark, partial(_run, settings, called, mark)):
                value = called.call()
        else:
            value = method() if called is None else called.call()
        if value is not None:
            value = _outcome(settings, called or _plain(test, method), value)
    except BaseException as error:
        raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames
    if value is not None and (called is None or called.speaks):
        _warn_of(value, test, method)


def _outcome(settings: Settings, called: Called, value: Any) -> Any:
    """Return what a test comes to: where it gave an awaitable, run that."""
    if inspect.iscoroutine(value):
        try:
            return _run(settings, called, None, lambda: value)
        finally:
            value.close()  # where it could not even be begun
    if inspect.isgenerator(value) and not inspect.isawaitable(value):
        value = _called_again(settings, called, value)
    if inspect.isawaitable(value):
        loop = value.get_loop() if isinstance(value, asyncio.Future) else None
        return _run(settings, called, None, lambda: value, loop)
    return coroutines.checked(value, called.function)


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


def _run(
    settings: Settings,
    called: Called,
    mark: Decoration | None,
    body: Callable[[], Awaitable[Any]],
    loop: asyncio.AbstractEventLoop | None = None,
) -> Any:
    engine = Engine.BY_RESULT if mark is None else mark.engine
    plan = plans.made(engine, called.function, called.owner, settings)
    execution = Execution(body, plan, called.case)
    own = Runner(loop, debug=settings.debug) if mark is None or mark.shares_loop else mark.runner()
    with own as runner:
        return runner.run(execution.main(), execution.stopped, last=True)


def _call_isolated(settings: Settings, test: TestCase, method: Callable[[], Any]) -> None:
    del test.__dict__[seams.NAME]
    limit = plans.made(Engine.UNTIL_COMPLETE, method, type(test), settings).limit
    try:
        if inspect.iscoroutinefunction(method):
            seams.ISOLATED(test, _limited(method, limit) if limit.seconds else method)
            return
        called = _IsolatedCall(method, settings)
        seams.ISOLATED(test, called)
        if called.given is not None:
            given = called.given
            seams.ISOLATED(test, _limited(lambda: given, limit))
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


def _special(test: TestCase, method: Callable[[], Any]) -> Called | None:
    kind = _KINDS.get(getattr(method, "__qualname__", ""))
    if kind is None or kind[0] != method.__module__:
        return None
    return kind[1](test, method)


def _function(test: Any, _: Callable[[], Any]) -> Called:
    function = test._testFunc
    # a test class's method that one of its test generators has yielded
    method = getattr(function, "__wrapped__", function)
    owner = type(method.__self__) if inspect.ismethod(method) else object
    return Called(function, function, owner, test)


def _test_class(test: Any, _: Callable[[], Any]) -> Called:
    function = getattr(test.obj, test.method)
    return Called(function, function, type(test.obj), test.obj)


def _scenario(test: TestCase, method: Any) -> Called:
    """A ``such`` case: it has the user's function and calls it with what it takes."""
    case, function = method.case, method.case.func

    def call() -> Any:
        given: list[Any] = []

        @functools.wraps(function)
        def keep(*args: Any) -> None:
            given.append(function(*args))

        keep.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        case.func = keep
        try:
            method()
        finally:
            case.func = function
        return given[0] if given else None

    return Called(call, function, object, test)


_KINDS: dict[str, tuple[str, Callable[[Any, Any], Called]]] = {
    "FunctionTestCase.runTest": ("unittest.case", _function),
    "MethodTestCase.<locals>._MethodTestCase.runTest": (
        "nose2.plugins.loader.testclasses",
        _test_class,
    ),
    "Scenario._makeTestCase.<locals>._make_test_func.<locals>._test": (
        "nose2.tools.such",
        _scenario,
    ),
}
"""The test methods that drop what the user's function gives, by name and module."""
