"""nose2_aio.running.async_generators"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from unittest import TestCase, mock

from nose2_aio.errors import AbandonedLoopError
from nose2_aio.running import async_generators
from nose2_aio.running.host import always
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits


class Closing(TestCase):
    """The order in which the async generators that a test leaves are closed."""

    def setUp(self) -> None:
        """Nothing is closed yet."""
        self.closed: list[str] = []
        self.kept: list[Any] = []

    async def generate(self, name: str, keeps: Any = None) -> AsyncIterator[int]:
        """Yield a number; tell when it is closed."""
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            self.closed.append(name)
            del keeps

    async def keep(self, generator: Any) -> Any:
        """Start a generator, and keep it as a test case would."""
        self.kept.append(generator)
        await anext(generator)
        return generator

    def run_last(self, job: Callable[[], Coroutine[Any, Any, None]], grace: float = 1) -> Runner:
        """Run a test on a loop of its own."""
        with Runner(options=RunnerOptions(TimeLimits(), grace)) as runner:
            runner.run(job(), lambda _: None, is_last=always)
        return runner

    def test_last_first(self) -> None:
        """Those that don't know each other are closed like cleanups."""

        async def job() -> None:
            for name in "abcdefgh":
                await self.keep(self.generate(name))

        self.run_last(job)
        self.assertEqual("".join(self.closed), "hgfedcba")

    def test_outer_first(self) -> None:
        """One that uses another one is closed before that, however it refers to it."""

        async def iterates() -> AsyncIterator[int]:
            try:
                async for number in self.generate("iterated"):
                    yield number
            finally:
                self.closed.append("iterates")

        async def enters() -> AsyncIterator[int]:
            try:
                async with contextlib.asynccontextmanager(self.generate)("entered") as number:
                    yield number
            finally:
                self.closed.append("enters")

        async def job() -> None:
            await self.keep(iterates())
            await self.keep(enters())
            first = await self.keep(self.generate("first"))
            await self.keep(self.generate("second", {"it": [first]}))

        self.run_last(job)
        self.assertEqual(
            self.closed, ["second", "first", "entered", "enters", "iterates", "iterated"]
        )

    def test_circle(self) -> None:
        """Those that refer to each other are closed like cleanups."""

        async def job() -> None:
            both: list[Any] = []
            for name in "ab":
                both.append(await self.keep(self.generate(name, both)))

        self.run_last(job)
        self.assertEqual(self.closed, ["b", "a"])

    def test_far(self) -> None:
        """No more than so many objects are looked at."""

        async def job() -> None:
            inner = await self.keep(self.generate("inner"))
            await self.keep(self.generate("other", inner))
            await self.keep(self.generate("outer", [[[inner]]]))

        for limit, order in ((2000, "outer other inner"), (1, "outer other inner")):
            self.closed.clear()
            with mock.patch.object(async_generators, "_MAX_OBJECTS", limit):
                self.run_last(job)
            self.assertEqual(" ".join(self.closed), order)

    def test_errors(self) -> None:
        """An error is reported as by asyncio, and the others are closed."""

        async def fails() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                raise LookupError("no such table")

        async def ignores() -> AsyncIterator[int]:
            with contextlib.suppress(GeneratorExit):
                yield 1
            yield 2

        async def job() -> None:
            asyncio.get_running_loop().set_exception_handler(
                lambda _, context: reported.append((context["asyncgen"], context["exception"]))
            )
            for generator in (self.generate("a"), fails(), ignores(), self.generate("b")):
                await self.keep(generator)

        reported: list[Any] = []
        self.run_last(job)
        self.assertEqual(self.closed, ["b", "a"])
        (one, text), (other, error) = reported
        self.assertEqual((one, other), (self.kept[2], self.kept[1]))
        self.assertRegex(str(text), "ignored GeneratorExit")
        self.assertEqual(str(error), "no such table")

    def test_hanging(self) -> None:
        """One that doesn't end holds the others up for two graces. Several do so no longer."""

        async def hangs() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                while True:
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.sleep(10)

        async def job() -> None:
            await self.keep(self.generate("a"))
            for _ in range(number):
                await self.keep(hangs())

        for number in (1, 20):  # noqa: B007 -- the job reads it
            self.closed.clear()
            began = time.monotonic()
            with self.assertRaisesRegex(AbandonedLoopError, r"\(hangs\.aclose\)"):
                self.run_last(job, 0.05)
            self.assertLess(time.monotonic() - began, 0.8)
            self.assertEqual(self.closed, ["a"])
