"""nose2_aio.running.async_contexts"""

from __future__ import annotations

import unittest
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

import nose2_aio as aio
from nose2_aio.errors import InvalidTypeError


class Manager:
    """An async context manager whose ``__aexit__`` is no coroutine function."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def __aenter__(self) -> str:
        self.events.append("entered")
        return "value"

    def __aexit__(self, *error: object) -> Any:
        async def leave() -> None:
            self.events.append(error)

        return leave()


class Entering(IsolatedAsyncioTestCase):
    """Entering a context, and leaving it with the cleanups."""

    def setUp(self) -> None:
        self.manager = Manager()

    def tearDown(self) -> None:
        self.assertEqual(self.manager.events[0], "entered")

    async def test_isolated(self) -> None:
        """In an IsolatedAsyncioTestCase, leaving is one of its async cleanups."""
        self.addCleanup(
            lambda: self.assertEqual(self.manager.events, ["entered", (None, None, None)])
        )
        self.assertEqual(await aio.enter_async_context(self, self.manager), "value")

    async def test_class(self) -> None:
        """For a class, leaving is a class cleanup."""

        class Case(TestCase):
            pass

        self.assertEqual(await aio.enter_class_async_context(Case, self.manager), "value")
        ((leave, _, _),) = Case._class_cleanups
        await leave()
        self.assertEqual(self.manager.events, ["entered", (None, None, None)])

    async def test_module(self) -> None:
        """For a module, leaving is a module cleanup."""
        self.assertEqual(await aio.enter_module_async_context(self.manager), "value")
        leave, _, _ = unittest.case._module_cleanups.pop()
        await leave()
        self.assertEqual(self.manager.events, ["entered", (None, None, None)])


class Mistakes(IsolatedAsyncioTestCase):
    """Bad arguments."""

    async def test_case(self) -> None:
        """An object that is no test case, or a class that is none, is refused."""
        with self.assertRaisesRegex(InvalidTypeError, "needs a test case to clean up, got 5$"):
            await aio.enter_async_context(5, Manager())  # type: ignore[arg-type]
        with self.assertRaisesRegex(InvalidTypeError, "needs a TestCase class, got 5$"):
            await aio.enter_class_async_context(5, Manager())  # type: ignore[arg-type]

    async def test_manager(self) -> None:
        """An object that is no async context manager is refused."""
        with self.assertRaisesRegex(InvalidTypeError, "^not an async context manager: 5$"):
            await aio.enter_async_context(self, 5)  # type: ignore[arg-type]
        with self.assertRaisesRegex(InvalidTypeError, "^not an async context manager: <"):
            await aio.enter_module_async_context(self.subTest())  # type: ignore[arg-type]
