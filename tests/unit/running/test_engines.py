"""nose2_aio.running.engines"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import SkipTest, TestCase, mock

from nose2_aio.errors import DefinitionError, LoopStoppedError, TimeLimitError
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.engines import NO_CASE, Engine, Execution, Plan
from nose2_aio.running.runner import Runner

FOREVER = Plan(Engine.FOREVER, timeout=0, sleep=0)
COMPLETE = Plan(Engine.UNTIL_COMPLETE)


def execute(body: Awaitable[Any], plan: Plan, case: object = NO_CASE) -> Any:
    """Run a test on a loop of its own."""
    execution = Execution(lambda: body, plan, case)
    with Runner() as runner:
        return runner.run(execution.main(), execution.stopped)


async def gives(value: Any = None) -> Any:
    """Return the value."""
    return value


async def fails(error: BaseException) -> None:
    """Raise the error."""
    raise error


def soon(function: Callable[..., Any], *args: Any) -> None:
    """Call a function from the running loop."""
    asyncio.get_running_loop().call_soon(function, *args)


class UntilComplete(TestCase):
    """Run until complete."""

    def test_value(self) -> None:
        """The engine returns the body's value, or raises its error."""
        self.assertEqual(execute(gives(5), COMPLETE), 5)
        self.assertEqual(execute(gives(5), Plan()), 5)
        with self.assertRaises(LookupError):
            execute(fails(LookupError()), COMPLETE)

    def test_callable(self) -> None:
        """A returned callable would never run. A TypeError names it."""
        with self.assertRaises(DefinitionError) as caught:
            execute(gives(gives), COMPLETE)
        self.assertEqual(
            str(caught.exception),
            "the test returned gives, which run_until_complete would never call.\n"
            "Use run_forever, or await it in the test.",
        )

    def test_never_run(self) -> None:
        """A returned coroutine or generator would never run. An error names it."""

        def generator() -> Any:
            yield

        async def async_generator() -> Any:
            yield

        for value, kind in (
            (gives(), "coroutine gives"),
            (generator(), "generator UntilComplete.test_never_run.<locals>.generator"),
            (async_generator(), "async generator UntilComplete.test_never_run.<locals>.async_g"),
        ):
            for plan in (COMPLETE, Plan(), FOREVER):
                with self.assertRaises(DefinitionError) as caught:
                    execute(gives(value), plan)
                self.assertIn(f"the test returned the {kind}", str(caught.exception))

    def test_returned_task(self) -> None:
        """A returned task is cancelled, and named in the error."""

        async def body() -> Any:
            self.task = asyncio.create_task(gives(), name="named")
            return self.task

        for plan in (COMPLETE, Plan(), FOREVER):
            with self.assertRaisesRegex(DefinitionError, "^the test returned the task named, "):
                execute(body(), plan)
            self.assertTrue(self.task.cancelled())

    def test_returned_by_callback(self) -> None:
        """A coroutine that the callback returns is not lost either."""

        async def callback() -> Any:
            return gives()

        with self.assertRaisesRegex(DefinitionError, "^the test returned the coroutine gives, "):
            execute(gives(callback), FOREVER)

    def test_stopped(self) -> None:
        """A body that stops the loop fails."""

        async def stops() -> None:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.01)

        for plan in (COMPLETE, Plan()):
            with self.assertRaisesRegex(
                LoopStoppedError,
                r"^the loop was stopped before the test was done\n\n"
                r"slow at tests/unit/running/test_engines\.py:\d+ in stops: sleeps, .*\n\n"
                r"It waits here:\n  tests/unit/running/test_engines\.py:\d+ in stops ",
            ):
                execute(stops(), plan)

    def test_background(self) -> None:
        """A background failure is left to asyncio to report."""

        async def body() -> None:
            soon(int, "no number")
            await asyncio.sleep(0.001)

        with self.assertLogs("asyncio"):
            execute(body(), COMPLETE)


class Forever(TestCase):
    """Run forever."""

    def test_waits(self) -> None:
        """Wait, call back, sleep. Meanwhile the loop runs."""
        times = []

        async def body() -> Callable[[], None]:
            asyncio.get_running_loop().call_later(0.01, lambda: times.append("background"))
            times.append("body")
            return lambda: times.append("callback")

        start = time.monotonic()
        self.assertIsNone(execute(body(), Plan(Engine.FOREVER, 0.02, 0.03)))
        self.assertGreaterEqual(time.monotonic() - start, 0.05)
        self.assertEqual(times, ["body", "background", "callback"])

    def test_untagged(self) -> None:
        """A test that nobody decorated runs forever if it returns a callable."""
        callback = mock.AsyncMock()
        execute(gives(callback), Plan(timeout=0))
        callback.assert_awaited_once_with()

    def test_no_callback(self) -> None:
        """Without a callback, the engine only waits."""
        self.assertIsNone(execute(gives(5), FOREVER))

    def test_callbacks(self) -> None:
        """Any kind of function is called and awaited."""
        called = []

        def generator() -> Any:
            yield from asyncio.sleep(0)
            called.append("generator")

        async def native() -> None:
            await asyncio.sleep(0)
            called.append("native")

        for callback in (
            generator,
            native,
            lambda: called.append("plain"),
            functools.partial(called.append, "builtin"),
            functools.partial(native),
        ):
            execute(gives(callback), FOREVER)
        self.assertEqual(called, ["generator", "native", "plain", "builtin", "native"])

    def test_argument(self) -> None:
        """A callback with a required argument gets the test case. Defaults are kept."""
        for callback in (
            lambda case: self.assertIs(case, self),
            lambda case, /: self.assertIs(case, self),
            lambda: None,
            lambda own=1: self.assertEqual(own, 1),
            lambda *args: self.assertEqual(args, ()),
            functools.partial(lambda one, case: self.assertEqual((one, case), (1, self)), 1),
            dict,
            self.bound,
        ):
            execute(gives(callback), FOREVER, self)

    def bound(self, case: object) -> None:
        """Take the case, as a method."""
        self.assertIs(case, self)

    def test_no_case(self) -> None:
        """Without a test case to pass, the error names the callback."""
        with self.assertRaises(DefinitionError) as caught:
            execute(gives(self.bound), FOREVER)
        self.assertEqual(
            str(caught.exception),
            "Forever.bound takes an argument, but there is no test case to give it.\n"
            "Let it take none, or make the test a method.",
        )
        with self.assertRaisesRegex(DefinitionError, r"^functools\.partial"):
            execute(gives(functools.partial(self.bound)), FOREVER)

    def test_no_signature(self) -> None:
        """A callback without a signature is called with no argument."""
        called = []
        with mock.patch("inspect.signature", side_effect=ValueError):
            execute(gives(lambda *arguments: called.append(arguments)), FOREVER, self)
        self.assertEqual(called, [()])

    def test_callback_fails(self) -> None:
        """An error of the callback is the test's error."""
        with self.assertRaises(LookupError):
            execute(gives(lambda: fails(LookupError())), FOREVER)

    def test_background_task_fails(self) -> None:
        """So is an error of a task, referenced or not, if body and callback succeed."""

        async def body() -> None:
            self.task = asyncio.create_task(fails(LookupError("task")))

        with self.assertRaisesRegex(LookupError, "task"):
            execute(body(), Plan(Engine.FOREVER, 0.001, 0))

    def test_untagged_background(self) -> None:
        """The same for an undecorated test, also if the task failed before it returned."""

        async def body() -> Callable[[], None]:
            self.task = asyncio.create_task(fails(LookupError("task")))
            await asyncio.sleep(0.001)
            return lambda: None

        with self.assertRaisesRegex(LookupError, "task"):
            execute(body(), Plan(timeout=0))

    def test_several(self) -> None:
        """Several errors come as one group, the test's own first."""

        async def body() -> Callable[[], Awaitable[None]]:
            soon(int, "no number")
            return lambda: fails(LookupError())

        with self.assertLogs("asyncio"), self.assertRaises(ExceptionGroup) as caught:
            execute(body(), Plan(Engine.FOREVER, 0.001, 0))
        self.assertEqual(caught.exception.message, "2 things failed while the loop ran forever")
        self.assertEqual([type(e) for e in caught.exception.exceptions], [LookupError, ValueError])

    def test_once(self) -> None:
        """The same error from the test and from a callback or task is raised once."""
        error = LookupError()

        def callback() -> None:
            raise error

        async def body() -> None:
            soon(callback)
            self.task = asyncio.create_task(fails(error))
            await asyncio.sleep(0.001)
            raise error

        with self.assertLogs("asyncio"), self.assertRaises(LookupError):
            execute(body(), FOREVER)

    def test_somebody_elses(self) -> None:
        """An earlier failure on the loop isn't the test's."""
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            theirs = loop.create_task(fails(LookupError()))
            loop.run_until_complete(asyncio.sleep(0))
            execution = Execution(gives, FOREVER)
            with Runner(loop) as runner:
                runner.run(execution.main(), execution.stopped)
            self.assertIsInstance(theirs.exception(), LookupError)

    def test_skip(self) -> None:
        """A skip stays a skip, unless something in the background has failed."""
        for engine in (FOREVER, Plan()):
            with self.assertRaises(SkipTest):
                execute(fails(SkipTest()), engine)

        async def body() -> None:
            soon(int, "no number")
            await asyncio.sleep(0.001)
            raise SkipTest

        with self.assertLogs("asyncio"), self.assertRaises(ValueError):
            execute(body(), FOREVER)

    def test_interrupt(self) -> None:
        """An interrupt stays one, whatever has failed in the background."""

        async def body(error: BaseException) -> None:
            soon(int, "no number")
            await asyncio.sleep(0.001)
            raise error

        for error in (KeyboardInterrupt(), SystemExit()):
            with self.assertLogs("asyncio"), self.assertRaises(type(error)):
                execute(body(error), FOREVER)

    def test_limits(self) -> None:
        """A limit covers body and callback, but not the waits."""
        plan = Plan(Engine.FOREVER, 0.15, 0.15)
        self.limited(gives(gives), plan)
        for body in (gives(lambda: asyncio.sleep(5)), asyncio.sleep(5)):
            with self.assertRaises(TimeLimitError):
                self.limited(body, plan)

    def limited(self, body: Awaitable[Any], plan: Plan) -> None:
        """Run a test under a limit of 0.1 s."""
        execution = Execution(lambda: body, plan)
        with Runner() as runner, runner.options.time_limits.within(Limit(0.1, "here")) as deadline:
            execution.deadline = deadline
            runner.run(execution.main(), execution.stopped)


class ForeverStopped(TestCase):
    """A loop that is stopped while it runs forever."""

    async def body(self, callback: Callable[..., Any] | None) -> Callable[..., Any] | None:
        """Stop the loop soon after the body."""
        asyncio.get_running_loop().call_later(0.001, asyncio.get_running_loop().stop)
        return callback

    def test_before_the_callback(self) -> None:
        """A stop before the callback fails the test. The report says that it was the wait."""
        plan = Plan(Engine.FOREVER, 5, 0)
        with self.assertRaisesRegex(
            LoopStoppedError,
            r"^the loop was stopped before the test was [^$]*"
            r"\nslow: the test: is in a wait of run_forever, [45]\S* s to go\n",
        ):
            execute(self.body(lambda: None), plan)

    def test_no_callback(self) -> None:
        """Without a callback, a stop ends the wait."""
        start = time.monotonic()
        execute(self.body(None), Plan(Engine.FOREVER, 30, 30))
        self.assertLess(time.monotonic() - start, 10)

    def test_when_the_wait_ends(self) -> None:
        """A stop at the moment that the wait ends changes nothing."""

        async def body() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.001, loop.stop)
            loop.call_soon(time.sleep, 0.01)

        self.assertIsNone(execute(body(), Plan(Engine.FOREVER, 0.002, 0)))

    def test_by_the_callback(self) -> None:
        """A stop in the callback's last step ends the test, without the final sleep."""

        async def callback() -> None:
            await asyncio.sleep(0)
            asyncio.get_running_loop().stop()

        start = time.monotonic()
        execute(gives(callback), Plan(Engine.FOREVER, 0, 30))
        self.assertLess(time.monotonic() - start, 10)

    def test_in_the_callback(self) -> None:
        """A stop before the callback has ended fails the test. It doesn't hang."""

        async def callback() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.001, loop.stop)
            await asyncio.Event().wait()

        with self.assertRaises(LoopStoppedError):
            execute(gives(callback), FOREVER)

    def test_in_the_sleep(self) -> None:
        """A stop after the callback ends the sleep. A second one changes nothing."""

        async def callback() -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.001, lambda: (loop.stop(), loop.call_soon(loop.stop)))

        start = time.monotonic()
        execute(gives(callback), Plan(Engine.FOREVER, 0, 30))
        self.assertLess(time.monotonic() - start, 10)
