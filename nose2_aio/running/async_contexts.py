"""Context managers in fixtures: entered there, and left with the cleanups.

Async ones have functions here. Plain ones, which ``enterContext`` enters while the loop runs, are
left in the same task.

If the test was cancelled, such as by a timeout or task group that is left now, its ``__aexit__``
gets the CancelledError, as in an ``async with``. If it then raises an error that was reported for
the test already, that is not reported again.
"""

from __future__ import annotations

import asyncio
import inspect
import unittest
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from unittest import IsolatedAsyncioTestCase, TestCase

from nose2_aio.errors import InvalidTypeError
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.host_task import HostTask

__all__ = [
    "enter_async_context",
    "enter_class_async_context",
    "enter_context",
    "enter_module_async_context",
]

_Value = TypeVar("_Value")


async def enter_async_context(
    case: TestCase, manager: AbstractAsyncContextManager[_Value]
) -> _Value:
    """Enter an async context manager, and leave it with the cleanups of the test.

    ::

        async def setUp(self):
            self.session = await aio.enter_async_context(self, ClientSession())

    Returns the result of ``__aenter__``.

    Raises `InvalidTypeError` if ``case`` is not a test case, or ``manager`` not an async context
    manager.
    """
    if not isinstance(case, TestCase):
        raise InvalidTypeError(f"enter_async_context needs a test case to clean up, got {case!r}")
    if isinstance(case, IsolatedAsyncioTestCase):
        return await _enter(manager, case.addAsyncCleanup)
    return await _enter(manager, case.addCleanup)


async def enter_class_async_context(
    case: type[TestCase], manager: AbstractAsyncContextManager[_Value]
) -> _Value:
    """Enter an async context manager, and leave it with the cleanups of the class.

    ::

        @classmethod
        async def setUpClass(cls):
            cls.session = await aio.enter_class_async_context(cls, ClientSession())

    Returns the result of ``__aenter__``.

    Raises `InvalidTypeError` if ``case`` is not a class of test cases, or ``manager`` not an async
    context manager.
    """
    if not (isinstance(case, type) and issubclass(case, TestCase)):
        raise InvalidTypeError(f"enter_class_async_context needs a TestCase class, got {case!r}")
    return await _enter(manager, case.addClassCleanup)


async def enter_module_async_context(manager: AbstractAsyncContextManager[_Value]) -> _Value:
    """Enter an async context manager, and leave it with the cleanups of the module.

    ::

        async def setUpModule():
            global session
            session = await aio.enter_module_async_context(ClientSession())

    Returns the result of ``__aenter__``.

    Raises `InvalidTypeError` if ``manager`` is not an async context manager.
    """
    return await _enter(manager, unittest.addModuleCleanup)


def enter_context(enter: Callable[..., Any], manager: Any, add_cleanup: Callable[..., Any]) -> Any:
    """Enter a plain context manager, as ``enterContext`` does in a coroutine; return its value.

    ``enter`` is unittest's function. It adds the cleanup that leaves the context: a plain function,
    which unittest calls when no loop runs. What was entered in a task is left in this task, such as
    a cancel scope of anyio.
    """
    if _host_task() is None:
        return enter(manager, add_cleanup)
    return enter(manager, lambda leave, *_: add_cleanup(_leaving(manager, leave)))


async def _enter(
    manager: AbstractAsyncContextManager[_Value], add_cleanup: Callable[..., Any]
) -> _Value:
    kind = type(manager)
    if not (hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")):
        raise InvalidTypeError(f"not an async context manager: {manager!r}")
    value = await kind.__aenter__(manager)
    add_cleanup(_leaving(manager, kind.__aexit__))
    return value


def _leaving(manager: object, leave: Callable[..., Any]) -> Callable[[], Awaitable[None]]:
    """Return a coroutine function that leaves a context with its ``__exit__`` or ``__aexit__``."""

    async def leave_context() -> None:
        task = _host_task()
        cancellation = None if task is None else task.cancellation
        try:
            if cancellation is None:
                result = leave(manager, None, None, None)
            else:
                error = cancellation
                result = leave(manager, type(error), error, error.__traceback__)
            if inspect.isawaitable(result):
                await result
        except BaseException as error:
            if cancellation is None or not _is_reported(error, cancellation):
                raise

    leave_context.__qualname__ = f"{type(manager).__qualname__}.{leave.__name__}"
    return leave_context


def _host_task() -> HostTask | None:
    """Return the host task that runs, if one does."""
    loop = event_loops.running()
    task = None if loop is None else asyncio.current_task(loop)
    return task if isinstance(task, HostTask) else None


def _is_reported(error: BaseException, cancellation: asyncio.CancelledError) -> bool:
    """Return True if an error only repeats a cancellation that was reported with its cause."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_reported(one, cancellation) for one in error.exceptions)
    if error is cancellation or error is cancellation.__cause__:
        return True
    # a timeout raises its own error for what it has cancelled
    return isinstance(error, TimeoutError) and cancellation in (error.__cause__, error.__context__)
