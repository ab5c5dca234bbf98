"""Async fixtures, which type checkers reject in a plain ``unittest.TestCase``."""

from __future__ import annotations

import asyncio
import contextlib
import unittest
from collections.abc import AsyncGenerator
from typing import assert_type

import nose2_aio as aio


class Server:
    def __init__(self) -> None:
        self.requests: list[str] = []

    async def stop(self) -> None:
        await asyncio.sleep(0)

    async def ask(self, request: str) -> int:
        await asyncio.sleep(0)
        self.requests.append(request)
        return len(self.requests)


@contextlib.asynccontextmanager
async def running() -> AsyncGenerator[Server]:
    server = Server()
    yield server
    await server.stop()


async def setUpModule() -> None:
    assert_type(await aio.enter_module_async_context(running()), Server)


class Requests(aio.TestCase):
    shared: Server
    server: Server

    @classmethod
    async def setUpClass(cls) -> None:
        cls.shared = assert_type(await aio.enter_class_async_context(cls, running()), Server)

    async def setUp(self) -> None:
        self.server = assert_type(await aio.enter_async_context(self, running()), Server)
        self.addCleanup(self.server.stop)

    async def tearDown(self) -> None:
        await self.server.stop()

    @classmethod
    async def tearDownClass(cls) -> None:
        await cls.shared.stop()

    async def test_ask(self) -> None:
        self.assertEqual(await self.server.ask("tea"), 1)


class MoreRequests(Requests):
    async def setUp(self) -> None:
        await super().setUp()
        await self.server.ask("coffee")

    async def test_ask(self) -> None:
        self.assertEqual(await self.server.ask("tea"), 2)


class Synchronous(aio.TestCase):
    def setUp(self) -> None:
        self.server = Server()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()

    async def test_ask(self) -> None:
        self.assertEqual(await self.server.ask("tea"), 1)


class Base(unittest.TestCase):
    """A base class that we can't change."""

    number = 1


class Mixed(aio.TestCaseMixin, Base):
    async def setUp(self) -> None:  # type: ignore  # of Base
        self.server = await aio.enter_async_context(self, running())

    async def test_ask(self) -> None:
        self.assertEqual(await self.server.ask("tea"), self.number)
