"""nose2_aio.cases.asyncio_runner"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Coroutine
from typing import Any
from unittest import TestCase, mock

from nose2_aio.cases.asyncio_runner import AsyncioRunner
from nose2_aio.errors import DeadlockError, LoopError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.problems import Problems
from nose2_aio.running import shutdown
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits

variable = contextvars.ContextVar("variable", default="unset")


async def task() -> Any:
    """Return the task that it runs in."""
    return asyncio.current_task()


class Runners(TestCase):
    """The runner that stands in the place of asyncio's."""

    def setUp(self) -> None:
        """A runner of asyncio's that is not used yet."""
        self.inner = asyncio.Runner(debug=True)
        self.problems = Problems()

    def runner(
        self, inner: Any = None, *, is_debugging: bool = True, **options: Any
    ) -> AsyncioRunner:
        """Return a runner in the place of that one."""
        made = AsyncioRunner(
            self.inner if inner is None else inner,
            RunnerOptions(TimeLimits(), **{"grace": 0.01, **options}),
            self.problems,
            is_checked=True,
            is_loop_chosen=False,
            is_debugging=is_debugging,
        )
        self.addCleanup(made.close)
        return made

    def test_steps(self) -> None:
        """Each step runs in a task of its own, all on one loop and in the context that is given."""
        runner = self.runner()
        context = contextvars.copy_context()

        async def step() -> tuple[Any, Any, str]:
            before = variable.get()
            variable.set("set")
            return asyncio.get_running_loop(), asyncio.current_task(), before

        first, second = (runner.run(step(), context=context) for _ in range(2))
        self.assertIs(first[0], second[0])
        self.assertIs(first[0], self.inner.get_loop())
        self.assertIsNot(first[1], second[1])
        self.assertEqual((first[2], second[2], variable.get()), ("unset", "set", "unset"))

    def test_empty_context(self) -> None:
        """A context without variables is used, too."""
        context = contextvars.Context()

        async def step() -> None:
            variable.set("set")

        self.runner().run(step(), context=context)
        self.assertEqual(context[variable], "set")

    def test_loop(self) -> None:
        """Without a loop factory, its loop is like asyncio's, and the current one."""
        runner = self.runner()
        loop = runner.get_loop()
        self.assertIs(event_loops.current(), loop)
        self.assertIsInstance(loop, event_loops.InstrumentedLoop)
        plain = asyncio.SelectorEventLoop()
        self.addCleanup(plain.close)
        self.assertEqual(repr(loop), repr(plain).replace("debug=False", "debug=True"))
        self.assertEqual(repr(type(loop)), repr(type(plain)))
        runner.close()
        self.assertIsNone(event_loops.current())

    def test_debug(self) -> None:
        """Debug mode can be off, also with a loop factory. Then the setting ``debug`` counts."""
        for make in (None, asyncio.SelectorEventLoop):
            for is_debugging, debug in ((True, False), (False, False), (False, True)):
                inner = asyncio.Runner(debug=True, loop_factory=make)
                runner = self.runner(inner, is_debugging=is_debugging, debug=debug)
                is_on = runner.get_loop().get_debug()
                self.assertEqual(is_on, is_debugging or debug, (make, debug))

    def test_attributes(self) -> None:
        """Other attributes are those of asyncio's runner."""
        self.inner.mark = "inner"  # type: ignore[attr-defined]
        runner = self.runner()
        self.assertEqual(runner.mark, "inner")
        self.assertIsInstance(runner, asyncio.Runner)

    def test_task_factory(self) -> None:
        """With a task factory of the user's, the coroutine runs in a task that it has made."""
        runner = self.runner()
        made: list[Any] = []

        def factory(loop: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> Any:
            made.append(asyncio.Task(coro, loop=loop, **options))
            return made[-1]

        runner.get_loop().set_task_factory(factory)
        self.assertEqual([runner.run(task())], made)

    def test_stopped(self) -> None:
        """A coroutine that stops its loop fails, with the words of asyncio."""

        async def stops() -> None:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(1)

        with self.assertRaisesRegex(RuntimeError, "^Event loop stopped before Future completed.$"):
            self.runner().run(stops())

    def test_deadlock_of_plain_code(self) -> None:
        """A deadlock is found if plain code runs the loop itself, unless they are ignored."""
        loop = self.runner().get_loop()
        with self.assertRaises(DeadlockError):
            loop.run_until_complete(asyncio.Event().wait())
        state = instrumented.state_of(
            self.runner(asyncio.Runner(), fails_deadlocks=False).get_loop()
        )
        assert state is not None
        self.assertIsNone(state.on_deadlock)

    def test_closed(self) -> None:
        """It closes the loop, and is closed once: a test case does it again when it is deleted."""
        runner = self.runner()
        loop = runner.get_loop()
        for _ in range(2):
            runner.close()
        self.assertTrue(loop.is_closed())
        self.assertEqual(vars(self.problems), {})

    def test_closed_by_the_test(self) -> None:
        """The test fails that has closed its loop. asyncio's runner could not be closed then."""
        runner = self.runner()
        loop = runner.get_loop()
        loop.close()
        with self.assertRaisesRegex(LoopError, "^the test has closed its event loop. Iso"):
            runner.inspect()
        runner.close()
        self.assertIsNot(event_loops.current(), loop)
        self.assertEqual(vars(self.problems), {})

    def test_unused(self) -> None:
        """If the test never asked for its loop, nothing is made."""
        inner = mock.Mock()
        runner = self.runner(inner)
        runner.inspect()
        runner.close()
        inner.close.assert_called_once_with()
        inner.get_loop.assert_not_called()

    def test_other_runner(self) -> None:
        """A runner that is not asyncio's is closed by its own method."""

        class Own(asyncio.Runner):
            was_closed = False

            def close(self) -> None:
                self.was_closed = True
                super().close()

        inner = Own()
        runner = self.runner(inner)
        runner.run(task())
        runner.close()
        self.assertTrue(inner.was_closed)

    def test_no_end(self) -> None:
        """A loop that can't be shut down is reported, and closed all the same."""
        runner = self.runner()
        loop = runner.get_loop()
        error = AttributeError("no selector")
        with (
            mock.patch.object(shutdown.Leftovers, "is_none", return_value=False),
            mock.patch.object(shutdown, "shut_down", side_effect=error),
        ):
            runner.close()
        self.assertEqual(
            self.problems.abandon_reason,
            "the event loop could not be closed: AttributeError('no selector')",
        )
        self.assertTrue(loop.is_closed())

    def test_not_instrumented(self) -> None:
        """A loop whose class can't be extended is used as it is."""
        with mock.patch.object(instrumented, "instrument", lambda _: contextlib.nullcontext()):
            runner = self.runner()
            self.assertIsNotNone(runner.run(task()))
            runner.inspect()
            runner.close()

    def test_context_manager(self) -> None:
        """It can be used as a context manager, which closes it. Then it is closed for good."""
        with self.runner() as runner:
            loop = runner.get_loop()
        self.assertTrue(loop.is_closed())
        with self.assertRaisesRegex(RuntimeError, "^Runner is closed$"):
            runner.get_loop()

    def test_no_coroutine(self) -> None:
        """Only coroutines are run."""
        with self.assertRaisesRegex(ValueError, "^a coroutine was expected, got 5$"):
            self.runner().run(5)

    def test_stopped_at_the_end(self) -> None:
        """A leftover task that stops the loop during the shutdown is reported."""
        runner = self.runner()

        async def stops() -> None:
            try:
                await asyncio.sleep(10)
            finally:
                asyncio.get_running_loop().stop()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        async def leaves() -> None:
            self.left = asyncio.create_task(stops())
            await asyncio.sleep(0)

        runner.run(leaves())
        runner.close()
        self.assertIn("Event loop stopped before Future completed.", self.problems.abandon_reason)

    def test_other_runner_fails(self) -> None:
        """If a runner that is not asyncio's can't close its loop, that is reported."""

        class Own(asyncio.Runner):
            def close(self) -> None:
                raise ValueError("bad close")

        for is_instrumented in (True, False):
            inner = Own()
            problems = self.problems = Problems()
            with contextlib.ExitStack() as block:
                if not is_instrumented:
                    block.enter_context(mock.patch.object(instrumented, "state_of", lambda _: None))
                runner = self.runner(inner)
                loop = runner.get_loop()
                runner.close()
            self.assertIn("ValueError('bad close')", problems.abandon_reason)
            self.assertTrue(loop.is_closed())

    def test_exits(self) -> None:
        """A step that raises SystemExit ends with it; the next step runs."""

        async def exits() -> None:
            raise SystemExit(3)

        runner = self.runner()
        with self.assertRaises(SystemExit):
            runner.run(exits())
        self.assertIsNotNone(runner.run(task()))
