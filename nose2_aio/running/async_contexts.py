"""Async context managers in fixtures: entered now, left with the cleanups, the last one first.

Where what ran inside was cancelled, such as by the manager itself, it is told so when it is left,
as ``async with`` would: a timeout has to know, a task group has to take its cancellation back.
What it raises then, if it was reported with the test, is not reported again.
"""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from unittest import IsolatedAsyncioTestCase, TestCase

from nose2_aio.errors import InvalidTypeError
from nose2_aio.eventloop.host_task import HostTask

__all__ = ["enter_async_context", "enter_class_async_context", "enter_module_async_context"]

_Value = TypeVar("_Value")


async def enter_async_context(
    case: TestCase, manager: AbstractAsyncContextManager[_Value]
) -> _Value:
    """Enter an async context manager, to be left with the cleanups of a test.

    What `unittest.IsolatedAsyncioTestCase.enterAsyncContext` does, for any test case under the
    plugin. Returns what ``__aenter__`` returns.

    Raises `InvalidTypeError` where ``case`` is no test case or ``manager`` no async context
    manager.
    """
    if not isinstance(case, TestCase):
        raise InvalidTypeError(f"enter_async_context needs a test case to clean up, got {case!r}")
    if isinstance(case, IsolatedAsyncioTestCase):
        return await _entered(manager, case.addAsyncCleanup)
    return await _entered(manager, case.addCleanup)


async def enter_class_async_context(
    case: type[TestCase], manager: AbstractAsyncContextManager[_Value]
) -> _Value:
    """Enter an async context manager, to be left with the cleanups of a class.

    For ``setUpClass``. Returns what ``__aenter__`` returns.

    Raises `InvalidTypeError` where ``case`` is no class of test cases or ``manager`` no async
    context manager.
    """
    if not (isinstance(case, type) and issubclass(case, TestCase)):
        raise InvalidTypeError(f"enter_class_async_context needs a TestCase class, got {case!r}")
    return await _entered(manager, case.addClassCleanup)


async def enter_module_async_context(manager: AbstractAsyncContextManager[_Value]) -> _Value:
    """Enter an async context manager, to be left with the cleanups of a module.

    For ``setUpModule``. Returns what ``__aenter__`` returns.

    Raises `InvalidTypeError` where ``manager`` is no async context manager.
    """
    return await _entered(manager, unittest.addModuleCleanup)


async def _entered(
    manager: AbstractAsyncContextManager[_Value], add_cleanup: Callable[..., Any]
) -> _Value:
    kind = type(manager)
    if not (hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")):
        raise InvalidTypeError(f"not an async context manager: {manager!r}")

    async def leave() -> None:
        cancellation = _cancellation()
        try:
            if cancellation is None:
                await kind.__aexit__(manager, None, None, None)
            else:
                await kind.__aexit__(
                    manager, type(cancellation), cancellation, cancellation.__traceback__
                )
        except BaseException as error:
            if cancellation is None or not _is_told(error, cancellation):
                raise

    value = await kind.__aenter__(manager)
    add_cleanup(leave)
    return value


def _cancellation() -> asyncio.CancelledError | None:
    task = asyncio.current_task()
    return task.cancellation if isinstance(task, HostTask) else None


def _is_told(error: BaseException, cancellation: asyncio.CancelledError) -> bool:
    """True if an error says no more than a cancellation that was reported with its cause."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_told(one, cancellation) for one in error.exceptions)
    if error is cancellation or error is cancellation.__cause__:
        return True
    # a timeout says in its own way what it has cancelled for
    return isinstance(error, TimeoutError) and cancellation in (error.__cause__, error.__context__)
