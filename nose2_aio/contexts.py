"""Async context managers in fixtures: entered now, left with the cleanups, the last one first."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from unittest import IsolatedAsyncioTestCase, TestCase

from nose2_aio.errors import InvalidTypeError

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
        await kind.__aexit__(manager, None, None, None)

    value = await kind.__aenter__(manager)
    add_cleanup(leave)
    return value
