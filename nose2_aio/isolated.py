"""IsolatedAsyncioTestCase: it runs itself, on loops of its own, and gets our tags and limits.

It asks for declarations: what gives an awaitable but isn't declared a coroutine function it would
drop. A test of that kind is run all the same; a fixture fails with what to write instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio import coroutines, deadlines, generators, given, places, plans, seams, stacks
from nose2_aio.deadlines import Limit
from nose2_aio.engines import Engine
from nose2_aio.errors import DefinitionError
from nose2_aio.settings import Settings

__unittest = True

__all__ = ["attach"]


def attach(test: TestCase, settings: Settings) -> None:
    """Step in at the seams of a test case, the next time that it runs."""
    test.__dict__[seams.TEST] = partial(_call_test, settings, test)
    for name in ("setUp", "tearDown"):
        fixture = getattr(test, name)
        if coroutines.is_declared(fixture):
            test.__dict__[seams.SET_UP] = partial(_refuse, test, fixture)


def _refuse(test: TestCase, fixture: Any) -> None:
    del test.__dict__[seams.SET_UP]
    name = fixture.__name__
    raise DefinitionError(
        f"{places.describe(fixture)}: IsolatedAsyncioTestCase calls {name} outside of its loop, "
        "and drops what it gives.\n"
        f"Name it async{name[0].upper()}{name[1:]}."
    )


def _call_test(settings: Settings, test: TestCase, method: Callable[[], Any]) -> None:
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
        called = _Call(method, settings)
        seams.ISOLATED(test, called)
        if called.given is not None:
            awaitable = called.given
            seams.ISOLATED(test, _limited(lambda: awaitable, limit))
    except BaseException as error:
        raise stacks.trimmed(error, head=False)  # noqa: B904 -- the same, without our frames


def _limited(body: Callable[[], Awaitable[Any]], limit: Limit) -> Callable[[], Awaitable[Any]]:
    """Return a coroutine function, which is all that is run."""

    async def run() -> Any:
        return await (deadlines.bounded(body(), limit) if limit.seconds else body())

    return run


class _Call:
    """Calls a test method that isn't declared a coroutine function; keeps an awaitable."""

    def __init__(self, method: Callable[[], Any], settings: Settings) -> None:
        self._method = method
        self._settings = settings
        self.given: Awaitable[Any] | None = None

    def __call__(self) -> Any:
        value = self._method()
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            mode = self._settings.generators
            value = generators.called_again(self._method, self._method, value, mode)
        if inspect.isawaitable(value):
            self.given = value
            return None
        return coroutines.checked(value, self._method)

    def __repr__(self) -> str:
        return repr(self._method)
