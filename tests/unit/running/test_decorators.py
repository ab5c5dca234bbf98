"""nose2_aio.running.decorators"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.errors import (
    DefinitionError,
    InvalidTypeError,
    InvalidValueError,
    LoopError,
    LoopStoppedError,
    TimeLimitError,
)
from nose2_aio.eventloop import event_loops
from nose2_aio.running import decorators
from nose2_aio.running.engines import Engine


class Calling(TestCase):
    """A decorated function that is called by hand."""

    def setUp(self) -> None:
        """Make a loop of somebody else's current."""
        self.before = asyncio.new_event_loop()
        self.addCleanup(self.before.close)
        self.addCleanup(event_loops.make_current(self.before))

    def assert_restored(self) -> None:
        """Assert that the other loop is current again, and open."""
        self.assertIs(event_loops.current(), self.before)
        self.assertFalse(self.before.is_closed())

    def test_kinds(self) -> None:
        """Coroutine, generator and plain functions run inside a running loop of their own."""
        found = []

        @aio.run_until_complete
        async def native(value: int) -> int:
            found.append(asyncio.get_running_loop())
            return await asyncio.sleep(0, value)

        @aio.run_until_complete()
        def generator(value: int) -> Any:
            found.append(asyncio.get_running_loop())
            return (yield from asyncio.sleep(0, value))

        @aio.run_until_complete
        def plain(value: int) -> int:
            found.append(asyncio.get_running_loop())
            return value

        for function in (native, generator, plain):
            self.assertEqual(function(5), 5)
            self.assert_restored()
        self.assertEqual(len(set(found)), 3)
        self.assertTrue(all(loop.is_closed() for loop in found))

    def test_forever_kinds(self) -> None:
        """``run_forever`` takes the same kinds, bare and called."""
        for engine in (aio.run_forever(timeout=0), aio.run_forever(timeout=0, sleep=0)):
            ran: list[str] = []

            @engine
            async def native(ran: list[str] = ran) -> Any:
                return lambda: ran.append("native")

            @engine
            def generator(ran: list[str] = ran) -> Any:
                yield from asyncio.sleep(0)
                return lambda: ran.append("generator")

            @engine
            def plain(ran: list[str] = ran) -> Any:
                asyncio.get_running_loop()
                return lambda: ran.append("plain")

            for function in (native, generator, plain):
                self.assertIsNone(function())
            self.assertEqual(ran, ["native", "generator", "plain"])
        self.assert_restored()

    def test_forever_bare(self) -> None:
        """A bare ``run_forever`` waits one second."""

        @aio.run_forever
        async def test() -> Any:
            loop = asyncio.get_running_loop()
            start = loop.time()
            return lambda: self.assertGreaterEqual(loop.time() - start, 0.99)

        test()

    def test_error(self) -> None:
        """After an error the loop is closed, and the one before is current again."""

        @aio.run_until_complete
        async def fails() -> None:
            self.loop = asyncio.get_running_loop()
            raise LookupError

        self.assertRaises(LookupError, fails)
        self.assert_restored()
        self.assertTrue(self.loop.is_closed())

    def test_metadata(self) -> None:
        """Name, docstring, signature and attributes are kept."""

        async def function(self: object, one: int, *, two: int = 2) -> None:
            """Do nothing."""

        function.kept = True
        signature = inspect.signature(function)
        for decorate in (aio.run_until_complete, aio.run_forever, aio.run_forever(timeout=1)):
            decorated = decorate(function)
            self.assertEqual(decorated.__name__, "function")
            self.assertEqual(decorated.__doc__, "Do nothing.")
            self.assertEqual(inspect.signature(decorated), signature)
            self.assertEqual(inspect.getfullargspec(decorated).args, ["self", "one"])
            self.assertTrue(decorated.kept)
            self.assertFalse(inspect.iscoroutinefunction(decorated))

    def test_case(self) -> None:
        """A callback gets the object whose method created it."""
        seen = []

        class Some:
            @aio.run_forever(timeout=0)
            def method(self) -> Any:
                return seen.append

        some = Some()
        some.method()
        self.assertEqual(seen, [some])

        @aio.run_forever(timeout=0)
        def function() -> Any:
            return seen.append

        self.assertRaises(DefinitionError, function)

    def test_returned_callable(self) -> None:
        """``run_until_complete`` refuses a returned callable: it would never run."""

        @aio.run_until_complete
        async def test() -> Any:
            return lambda: None

        self.assertRaises(TypeError, test)

    def test_stopped(self) -> None:
        """A stopped loop is an error. Leftovers are ended."""

        @aio.run_until_complete
        async def test() -> None:
            self.task = asyncio.create_task(asyncio.sleep(3600))
            asyncio.get_running_loop().stop()
            await asyncio.sleep(3600)

        self.assertRaises(LoopStoppedError, test)
        self.assertTrue(self.task.cancelled())
        self.assert_restored()

    def test_never_awaited(self) -> None:
        """A coroutine that nobody awaits has the function's name in the warning."""

        @aio.run_until_complete
        async def forgotten() -> None: ...

        @aio.run_until_complete
        def forgets() -> None:
            forgotten()

        with self.assertWarnsRegex(RuntimeWarning, r"test_never_awaited\.<locals>\.forgotten"):
            forgets()

    def test_inside_a_loop(self) -> None:
        """A call while a loop runs returns a coroutine."""

        @aio.run_until_complete
        async def inner() -> Any:
            return asyncio.get_running_loop()

        @aio.run_forever(timeout=0)
        async def forever() -> Any:
            return lambda: self.loops.append(asyncio.get_running_loop())

        @aio.run_until_complete
        async def outer() -> None:
            self.loops = [asyncio.get_running_loop(), await inner()]
            await forever()

        outer()
        self.assertEqual(len(self.loops), 3)
        self.assertEqual(len(set(self.loops)), 1)

    def test_tags(self) -> None:
        """Tags apply without the plugin too: above or below the decorator, or on the class."""

        @aio.timeout(0.01)
        @aio.run_until_complete
        async def above() -> None:
            await asyncio.sleep(5)

        @aio.run_until_complete
        @aio.timeout(0.01)
        async def below() -> None:
            await asyncio.sleep(5)

        @aio.timeout(0.01)
        class Some:
            @aio.run_until_complete
            async def method(self) -> None:
                await asyncio.sleep(5)

        for function in (above, below, Some().method):
            self.assertRaises(TimeLimitError, function)

    def test_arguments_are_tags(self) -> None:
        """Arguments of ``run_forever`` are the tags of the same names."""

        @aio.run_forever(timeout=0.5, sleep=0.25)
        async def test() -> None: ...

        self.assertEqual((test.timeout, test.sleep), (0.5, 0.25))

        @aio.run_forever
        async def bare() -> None: ...

        self.assertFalse(hasattr(bare, "timeout"))


class Loops(TestCase):
    """``loop=``."""

    @contextlib.contextmanager
    def own_loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        """Yield a loop of the test case's."""
        self.entered = getattr(self, "entered", 0) + 1
        yield self.loop

    def setUp(self) -> None:
        """Create a loop with a task of somebody else's on it."""
        self.loop = asyncio.new_event_loop()
        self.addCleanup(self.loop.close)
        self.theirs = self.loop.create_task(asyncio.sleep(3600))
        self.addCleanup(self.loop.run_until_complete, self.end())

    async def end(self) -> None:
        """End somebody else's task."""
        self.theirs.cancel()

    def test_own(self) -> None:
        """Each call runs on the user's loop, which stays open with its other tasks."""
        for decorate in (
            aio.run_until_complete(loop=self.own_loop),
            aio.run_forever(timeout=0, loop=self.own_loop),
        ):

            @decorate
            async def test() -> None:
                self.assertIs(asyncio.get_running_loop(), self.loop)

            test()
        self.assertEqual(self.entered, 2)
        self.assertFalse(self.theirs.done())
        self.assertFalse(self.loop.is_closed())

    def test_current(self) -> None:
        """``current_loop`` runs the test on the current loop."""
        self.addCleanup(event_loops.make_current(self.loop))

        @aio.run_until_complete(loop=aio.current_loop)
        async def test() -> None:
            self.assertIs(asyncio.get_running_loop(), self.loop)

        test()
        self.assertFalse(self.theirs.done())

    def test_no_current(self) -> None:
        """``current_loop`` without a current loop is an error."""
        with mock.patch.object(event_loops, "current", return_value=None):
            test = aio.run_until_complete(loop=aio.current_loop)(lambda: None)
            with self.assertRaisesRegex(LoopError, "^there is no current event loop for current_"):
                test()

    def test_stopped(self) -> None:
        """A test that stops somebody else's loop leaves none of its own tasks on it."""

        @aio.run_until_complete(loop=self.own_loop)
        async def test() -> None:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(3600)

        self.assertRaises(LoopStoppedError, test)
        self.assertEqual(asyncio.all_tasks(self.loop), {self.theirs})

    def test_not_callable(self) -> None:
        """A value that can't be called is refused at decoration, with its place."""
        for decorate in (aio.run_until_complete, aio.run_forever):
            for value in (None, self.loop, aio.child_loop(), lambda loop: loop):
                with self.assertRaises(InvalidTypeError) as caught:
                    decorate(loop=value)
                self.assertRegex(
                    str(caught.exception),
                    r"^loop= must be a callable without arguments that returns a context manager "
                    rf"giving an event loop, got .* \(@{decorate.__name__}, "
                    r".*test_decorators\.py:\d+\)$",
                )


class Mistakes(TestCase):
    """Decorators with wrong arguments."""

    def test_values(self) -> None:
        """Values are checked where the decorator is used."""
        for name in ("timeout", "sleep"):
            with self.assertRaisesRegex(
                InvalidValueError,
                rf"^{name} must be .* got -1 \(@run_forever, .*test_decorators\.py:\d+\)$",
            ):
                aio.run_forever(**{name: -1})

    def test_no_function(self) -> None:
        """The error names a value or a class in place of the function."""
        for value in (5, type("Some", (), {})):
            with self.assertRaisesRegex(
                InvalidTypeError, r"^@run_forever is for functions, got .*; its settings are given "
            ):
                aio.run_forever(value)


class Hosted(TestCase):
    """The next call of one function is taken over."""

    def host(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Run a body somewhere else."""
        self.hosted = getattr(self, "hosted", 0) + 1
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            return loop.run_until_complete(body())

    def test_once(self) -> None:
        """Only the first call of that one function is taken over."""

        @aio.run_until_complete
        async def other() -> str:
            return "other"

        @aio.run_until_complete
        async def function(value: str) -> str:
            return value

        mark = decorators.decoration(function)
        assert mark is not None
        self.assertTrue(mark.shares_loop)
        self.assertIs(mark.engine, Engine.UNTIL_COMPLETE)
        with decorators.hosting_next_call(mark, self.host):
            self.assertEqual(other(), "other")
            self.assertFalse(hasattr(self, "hosted"))
            self.assertEqual(function("first"), "first")
            self.assertEqual(function("second"), "second")
        self.assertEqual(function("third"), "third")
        self.assertEqual(self.hosted, 1)

    def test_own_loop(self) -> None:
        """A function that chose its loop doesn't share the host's."""
        test = aio.run_until_complete(loop=aio.current_loop)(lambda: None)
        mark = decorators.decoration(test)
        assert mark is not None
        self.assertFalse(mark.shares_loop)
        self.assertIsNone(decorators.decoration(self.host))
