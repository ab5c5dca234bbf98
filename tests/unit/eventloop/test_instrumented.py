"""nose2_aio.eventloop.instrumented, nose2_aio.eventloop.state"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import TestCase, mock

from nose2_aio.eventloop import event_loops, instrumented, state, wakeup_sources
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.problems import HandlerCall, Problems
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.reporting.inspections import inspect_after_test, take_lost_errors
from nose2_aio.running import shutdown


class Foreign(asyncio.SelectorEventLoop):
    """A loop of the user's, whose attributes have the names of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.problems, self.alarm = ["mine"], {"mine": 1}, "mine"


class Instrumenting(TestCase):
    """A loop of the user's, instrumented."""

    def setUp(self) -> None:
        """Create a loop."""
        self.loop = Foreign()
        self.addCleanup(self.loop.close)

    def test_on_and_off(self) -> None:
        """After the block, the loop has its own class and attributes again."""
        before = dict(vars(self.loop))
        with instrumented.instrument(self.loop):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            loop_state.problems = Problems()
            self.loop.run_until_complete(self.loop.create_task(asyncio.sleep(0)))
            self.assertIsInstance(self.loop, Foreign)
            with instrumented.instrument(self.loop):
                self.assertIs(instrumented.state_of(self.loop), loop_state)
        self.assertIs(type(self.loop), Foreign)
        self.assertEqual(
            {name: vars(self.loop)[name] for name in ("made", "problems", "alarm")},
            {name: before[name] for name in ("made", "problems", "alarm")},
        )
        self.assertNotIn("__nose2_aio__", vars(self.loop))
        self.assertIsNone(instrumented.state_of(self.loop))
        instrumented.set_alarm(self.loop, 5, self.fail)

    def test_other_tasks(self) -> None:
        """The task factory of the user may return something else than a task."""

        class Named(asyncio.Future[Any]):
            def set_name(self, _: object) -> None: ...

        self.loop.set_task_factory(lambda loop, coro, **_: coro.close() or Named(loop=loop))
        with instrumented.instrument(self.loop):
            made = self.loop.create_task(asyncio.sleep(0))
        self.assertIs(type(made), Named)

    def test_eager(self) -> None:
        """A task that has ended at its first step is recorded as any other."""
        if sys.version_info >= (3, 12):
            self.loop.set_task_factory(asyncio.eager_task_factory)

        async def fails() -> None:
            raise LookupError("gone")

        async def main() -> None:
            await asyncio.gather(asyncio.create_task(fails()), return_exceptions=True)
            await asyncio.sleep(0)

        with instrumented.instrument(self.loop):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            loop_state.problems = Problems()
            self.loop.run_until_complete(main())
            (text,) = [one.describe(one.when) for one in loop_state.endings or () if one.error]
        self.assertRegex(
            text,
            r"^.* \(.*fails\) failed 0\.00 s before: LookupError: gone, .* in fails$",
        )

    def test_futures(self) -> None:
        """It is known where a future was created, as long as it exists."""
        with instrumented.instrument(self.loop):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            first = self.loop.create_future()
            for _ in range(3 * state._MAX_FUTURES):
                self.loop.create_future()
            self.assertEqual(loop_state.future_origins[id(first)][0][0].co_name, "test_futures")
            self.assertLess(len(loop_state.futures or ()), 2 * state._MAX_FUTURES)

    def test_timer_at_infinity(self) -> None:
        """It is never due, and the loop does not wait for it. It can be cancelled as any other."""
        with instrumented.instrument(self.loop):
            self.loop.call_later(3600, print)
            timer = self.loop.call_later(math.inf, print)
            later = self.loop.call_later(7200, print)
            self.assertEqual(len(self.loop._scheduled), 2)
            self.assertEqual(timer.when(), math.inf)
            timer.cancel()
            later.cancel()
            self.assertEqual(self.loop._timer_cancelled_count, 1)

    def test_waits_not_recorded(self) -> None:
        """The waits of a loop are recorded, and then no more."""
        with instrumented.instrument(self.loop):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            for waits in (WaitTimes(), None):
                instrumented.record_waits(self.loop, waits, lambda: None)
                self.assertIs(loop_state.waits, waits)

    def test_nothing_kept(self) -> None:
        """A record keeps no object alive. An object without weak references is not recorded."""
        loop_state = state.LoopState()
        loop_state.record(object(), None)
        loop_state.problems = Problems()
        loop_state.record(5, None)
        self.assertFalse(loop_state.objects)
        thing: Any = Problems()
        loop_state.record(thing, None)
        self.assertEqual([one.thing for one in loop_state.created], [thing])
        self.assertIsNotNone(loop_state.find(thing))
        del thing
        self.assertFalse(loop_state.objects)
        self.assertEqual(loop_state.created, [])

    def test_dying(self) -> None:
        """An object that no longer exists is not returned."""
        loop_state = state.LoopState()
        loop_state.objects = {1: (lambda: None, Problems(), (), "")}
        self.assertEqual(loop_state.created, [])

    def test_second_look(self) -> None:
        """A deadlock is reported only if a second look finds it, too."""
        loop = event_loops.InstrumentedLoop()
        loop_state = instrumented.state_of(loop)
        assert loop_state is not None
        loop_state.on_deadlock = self.fail
        with mock.patch.object(wakeup_sources, "process_can_wake", side_effect=[False, True]):
            self.assertEqual(loop._selector.select(None), [])
        loop.close()

    def test_no_class(self) -> None:
        """A loop whose class can't be changed stays as it is."""

        class Closed(asyncio.AbstractEventLoop):
            __slots__ = ()

            def get_exception_handler(self) -> None: ...

            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        loop = Closed()
        with instrumented.instrument(loop):
            self.assertIsNone(instrumented.state_of(loop))

    def test_other_selector(self) -> None:
        """If the selector is not ours, the alarm is a timer of the loop."""

        class Selector(type(self.loop._selector)):  # type: ignore[misc]
            pass

        self.loop._selector.__class__ = Selector
        rung: list[int] = []
        with instrumented.instrument(self.loop):
            instrumented.set_alarm(self.loop, time.monotonic() + 5, self.fail)
            instrumented.set_alarm(self.loop, time.monotonic() + 0.001, lambda: rung.append(1))
            self.loop.run_until_complete(asyncio.sleep(0.01))
            instrumented.set_alarm(self.loop, None, None)
        self.assertEqual(rung, [1])

    def test_own_executor(self) -> None:
        """A default executor that the user has set is used."""
        self.loop.set_default_executor(ThreadPoolExecutor(1, "mine"))

        async def name() -> str:
            return await asyncio.to_thread(lambda: threading.current_thread().name)

        with instrumented.instrument(self.loop):
            self.assertIn("mine", self.loop.run_until_complete(name()))
            self.loop.run_until_complete(shutdown.shut_down(self.loop, 0.1))

    def test_odd_executor(self) -> None:
        """``run_in_executor`` of the user's loop may return anything."""

        class Odd(asyncio.SelectorEventLoop):
            def run_in_executor(self, *_: Any) -> Any:
                return 5

        loop = Odd()
        with instrumented.instrument(loop):
            self.assertEqual(loop.run_in_executor(None, int), 5)
        loop.close()

    def test_interrupted_callback(self) -> None:
        """asyncio does not log an error of code that we interrupted."""
        with instrumented.instrument(self.loop), self.assertNoLogs("asyncio"):
            self.loop.call_exception_handler({"message": "ours", "exception": Overrun()})

    def test_dropped_generator(self) -> None:
        """The task that closes an async generator that was dropped has the generator's name."""

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                raise LookupError("no such table")

        async def main() -> None:
            generator = numbers()
            await anext(generator)
            del generator
            await asyncio.sleep(0.001)

        with (
            instrumented.instrument(self.loop),
            self.assertLogs("asyncio"),
            mock.patch.object(state, "_is_log_captured", lambda: False),
        ):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            loop_state.problems = problems = Problems()
            self.loop.run_until_complete(main())
            self.assertTrue(loop_state.has_dropped_generator)
            gc.collect()
        inspect_after_test(problems)
        (finding,) = problems.findings
        self.assertRegex(finding.what, r"^the task Task-\d+ \(numbers\.aclose\) failed, ")

    def test_cancelled_handler(self) -> None:
        """asyncio does not log that we have cancelled the handler of a server."""

        async def main() -> None:
            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            task = await started
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0)
            writer.close()
            server.close()

        async def handle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            started.set_result(asyncio.current_task())
            await reader.read()

        started: asyncio.Future[Any] = self.loop.create_future()
        cancelled = asyncio.CancelledError()
        message = "Exception in callback StreamReaderProtocol.connection_made.<locals>.callback()"
        with instrumented.instrument(self.loop), self.assertNoLogs("asyncio"):
            self.loop.run_until_complete(main())
            self.loop.call_exception_handler({"message": message, "exception": cancelled})
        with instrumented.instrument(self.loop), self.assertLogs("asyncio"):
            self.loop.call_exception_handler({"message": "other", "exception": cancelled})

    def test_report_without_error(self) -> None:
        """A call of the exception handler is recorded, also without an exception."""
        with instrumented.instrument(self.loop), self.assertLogs("asyncio"):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            loop_state.problems = problems = Problems()
            with mock.patch.object(state, "_is_log_captured", lambda: False):
                self.loop.call_exception_handler({"message": "something bad"})
        inspect_after_test(problems)
        self.assertEqual([one.what for one in problems.findings], ["something bad"])
        problems.handler_calls = (HandlerCall({"message": "captured"}, True, (), ""),)
        self.assertEqual(take_lost_errors(self.loop, problems), [])

    def test_broken_check(self) -> None:
        """If a check itself fails, that is a finding, and the run goes on."""
        problems = Problems()
        problems.handler_calls = (mock.Mock(),)
        inspect_after_test(problems)
        (finding,) = problems.findings
        self.assertEqual(finding.what, "the check failed itself, with TypeError")
