"""nose2_aio.eventloop: instrumented, executors, wakeup_sources, and the reports on them."""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.errors import AbandonedLoopError
from nose2_aio.eventloop import executors, instrumented, state, wakeup_sources
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.problems import Problems, Report
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.inspections import inspect_end, lost
from nose2_aio.running import shutdown


async def poll() -> None:
    """Wait for long."""
    await asyncio.sleep(100)


async def stubborn() -> None:
    """Wait whatever happens."""
    while True:
        try:
            await poll()
        except asyncio.CancelledError:
            pass


class Foreign(asyncio.SelectorEventLoop):
    """A loop of somebody else's, with attributes of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.problems, self.alarm = ["mine"], {"mine": 1}, "mine"


class Watching(TestCase):
    """A watch on somebody else's loop."""

    def setUp(self) -> None:
        """A loop."""
        self.loop = Foreign()
        self.addCleanup(self.loop.close)

    def test_on_and_off(self) -> None:
        """Its class and its attributes are its own again behind the block."""
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

    def test_nothing_kept(self) -> None:
        """Nothing that was made is kept alive; what can't be referenced weakly isn't noted."""
        loop_state = state.LoopState()
        loop_state.note(object(), None)
        loop_state.problems = Problems()
        loop_state.note(5, None)
        self.assertTrue(loop_state.is_blank)
        thing: Any = Problems()
        loop_state.note(thing, None)
        self.assertEqual([one.thing for one in loop_state.made], [thing])
        self.assertIsNotNone(loop_state.find(thing))
        del thing
        self.assertTrue(loop_state.is_blank)
        self.assertEqual(loop_state.made, [])

    def test_dying(self) -> None:
        """What is gone already isn't found any more."""
        loop_state = state.LoopState()
        loop_state._made = {1: (lambda: None, Problems(), (), "")}
        self.assertEqual(loop_state.made, [])

    def test_second_look(self) -> None:
        """A deadlock is told of only where a second look finds the same."""
        loop = instrumented.InstrumentedLoop()
        loop_state = instrumented.state_of(loop)
        assert loop_state is not None
        loop_state.on_deadlock = self.fail
        with mock.patch.object(wakeup_sources, "process_can_wake", side_effect=[False, True]):
            self.assertEqual(loop._selector.select(None), [])
        loop.close()

    def test_no_class(self) -> None:
        """A loop whose class can't be extended is left as it is."""

        class Closed(asyncio.AbstractEventLoop):
            __slots__ = ()

            def get_exception_handler(self) -> None: ...

            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        loop = Closed()
        with instrumented.instrument(loop):
            self.assertIsNone(instrumented.state_of(loop))

    def test_other_selector(self) -> None:
        """Where the selector isn't ours, a timer of the loop stands for the alarm."""

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
        """The loop's own default executor does its jobs."""
        self.loop.set_default_executor(ThreadPoolExecutor(1, "mine"))

        async def name() -> str:
            return await asyncio.to_thread(lambda: threading.current_thread().name)

        with instrumented.instrument(self.loop):
            self.assertIn("mine", self.loop.run_until_complete(name()))
            self.loop.run_until_complete(shutdown.shut_down(self.loop, 0.1))

    def test_odd_executor(self) -> None:
        """What a loop of somebody else's gives for a job may be anything."""

        class Odd(asyncio.SelectorEventLoop):
            def run_in_executor(self, *_: Any) -> Any:
                return 5

        loop = Odd()
        with instrumented.instrument(loop):
            self.assertEqual(loop.run_in_executor(None, int), 5)
        loop.close()

    def test_interrupted_callback(self) -> None:
        """Of what we have interrupted, asyncio says nothing."""
        with instrumented.instrument(self.loop), self.assertNoLogs("asyncio"):
            self.loop.call_exception_handler({"message": "ours", "exception": Overrun()})

    def test_report_without_error(self) -> None:
        """Whatever reaches the exception handler is noted, also without an exception."""
        with instrumented.instrument(self.loop), self.assertLogs("asyncio"):
            loop_state = instrumented.state_of(self.loop)
            assert loop_state is not None
            loop_state.problems = problems = Problems()
            with mock.patch.object(state, "_is_log_captured", lambda: False):
                self.loop.call_exception_handler({"message": "something bad"})
        inspect_end(problems)
        self.assertEqual([one.what for one in problems.findings], ["something bad"])
        problems.reports = (Report({"message": "captured"}, True, (), ""),)
        self.assertEqual(lost(self.loop, problems), [])

    def test_broken_check(self) -> None:
        """A check that fails by itself is a finding, not the end of the run."""
        problems = Problems()
        problems.reports = (mock.Mock(),)
        inspect_end(problems)
        (finding,) = problems.findings
        self.assertEqual(finding.what, "the check failed itself, with TypeError")


class Executors(TestCase):
    """Our default executor."""

    def setUp(self) -> None:
        """One."""
        self.executor = Executor()
        self.addCleanup(self.executor.shutdown, wait=False)

    def test_jobs(self) -> None:
        """Jobs give values and errors; idle threads are used again; at the end they are gone."""
        self.assertEqual(self.executor.submit(int, "5").result(), 5)
        with self.assertRaises(ValueError):
            self.executor.submit(int, "no").result()
        time.sleep(0.01)
        self.assertEqual(self.executor.submit(int, "6").result(), 6)
        self.assertEqual(len(self.executor._threads_of_ours), 1)
        self.executor.shutdown()
        self.assertFalse(self.executor._threads_of_ours[0].is_alive())
        with self.assertRaises(RuntimeError):
            self.executor.submit(int)

    def test_width(self) -> None:
        """There are no more threads than its width; what waits can be cancelled."""
        self.executor._width = 1
        gate = threading.Event()
        first, second = self.executor.submit(gate.wait), self.executor.submit(int)
        self.assertEqual(len(self.executor._threads_of_ours), 1)
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.assertTrue(second.cancelled())
        gate.set()
        self.assertTrue(first.result())

    def test_text(self) -> None:
        """A job says what it is and where it was handed over."""
        gate = threading.Event()
        future = self.executor.submit(gate.wait)
        while not self.executor.running:
            time.sleep(0.001)
        (job,) = self.executor.running.values()
        self.assertRegex(str(job), r"^wait, .*handed over at .*test_instrumented\.py:\d+ in t")
        self.assertEqual(str(job._replace(origin=(), function=int)), "<class 'int'>")
        gate.set()
        future.result()


class Endings(TestCase):
    """The end of a loop."""

    def test_by_hand(self) -> None:
        """A context's loop that won't end is abandoned, with an error that says why."""
        with (
            mock.patch.object(shutdown, "GRACE", 0.01),
            self.assertRaises(AbandonedLoopError) as caught,
            aio.child_loop() as loop,
        ):
            loop.create_task(stubborn())
            loop.run_until_complete(asyncio.sleep(0))
        self.assertIn("(stubborn)", str(caught.exception))
        self.assertTrue(loop.is_closed())

    def test_many(self) -> None:
        """No more than twenty tasks are told of."""
        loop = asyncio.new_event_loop()
        tasks = {loop.create_task(poll()) for _ in range(25)}
        self.assertTrue(shutdown.message(tasks).endswith("\n\n... and 5 tasks more."))
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
        loop.close()

    def run_end(self, prepare: Callable[[], Any], grace: float = 0.01) -> set[Any]:
        """Shut down a plain loop on which something was prepared."""
        loop = asyncio.new_event_loop()

        async def main() -> set[Any]:
            kept = await prepare()
            stubborn = await shutdown.shut_down(loop, grace)
            del kept
            return stubborn

        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    def test_circle(self) -> None:
        """Tasks that wait for each other can't be cancelled: they are given up at once."""

        async def prepare() -> list[asyncio.Task[Any]]:
            tasks: list[asyncio.Task[Any]] = []

            async def waits(number: int) -> None:
                await tasks[number]

            tasks += [asyncio.create_task(waits(1)), asyncio.create_task(waits(0))]
            await asyncio.sleep(0)
            return tasks

        tasks = self.run_end(prepare)
        self.assertEqual(len(tasks), 2)
        for task in tasks:
            shutdown.keep(task)

    def test_respawning(self) -> None:
        """Tasks that start others when they are cancelled come to an end as well."""
        began = time.monotonic()

        async def again() -> None:
            try:
                await poll()
            finally:
                await asyncio.sleep(0.005)
                asyncio.get_running_loop().create_task(again())

        async def prepare() -> None:
            asyncio.get_running_loop().create_task(again())
            await asyncio.sleep(0)

        for task in self.run_end(prepare):
            shutdown.keep(task)
        self.assertLess(time.monotonic() - began, 1)

    def test_rounds(self) -> None:
        """Each round cancels the tasks of the round before. After the last, one is left."""

        async def prepare() -> None:
            async def again(times: int) -> None:
                try:
                    await poll()
                finally:
                    if times:
                        asyncio.get_running_loop().create_task(again(times - 1))

            asyncio.get_running_loop().create_task(again(3))
            await asyncio.sleep(0)

        for rounds, times in ((4, []), (2, [1])):
            with mock.patch.object(shutdown, "_ROUNDS", rounds):
                left = self.run_end(prepare, grace=5)
            for task in left:
                shutdown.keep(task)
            self.assertEqual([task.get_coro().cr_frame.f_locals["times"] for task in left], times)

    def test_bounded(self) -> None:
        """What is cancelled at its bound is dealt with."""

        async def prepare() -> None:
            await shutdown._bounded(poll(), 0.001)

        self.assertEqual(self.run_end(prepare), set())

    def test_interrupted(self) -> None:
        """What was cancelled or interrupted by us is no lost exception."""
        problems = Problems()
        problems.reports = tuple(
            Report({"exception": error}, False, (), "")
            for error in (Overrun(), asyncio.CancelledError())
        )
        inspect_end(problems)
        self.assertEqual(problems.findings, ())

    def test_asyncgen(self) -> None:
        """An async generator that won't close is given up."""

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await stubborn()

        async def prepare() -> Any:
            generator = numbers()
            await anext(generator)
            return generator

        left = self.run_end(prepare)
        for task in left:
            shutdown.keep(task)
        kinds = sorted(type(task.get_coro()).__name__ for task in left)
        self.assertEqual(kinds, ["async_generator_athrow", "coroutine"])  # its step; the shutdown

    def test_executor(self) -> None:
        """So is a job of an executor, which is none of ours here."""
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))

        async def main() -> set[Any]:
            loop.run_in_executor(None, time.sleep, 0.2)
            return await shutdown.shut_down(loop, 0.01)

        try:
            with instrumented.instrument(loop):
                self.assertEqual(loop.run_until_complete(main()), set())
        finally:
            loop.close()


def _can_wake() -> bool:
    wakeup_sources._childless_at = 0.0
    return wakeup_sources.process_can_wake() or wakeup_sources.signal_can_wake()


class Wakers(TestCase):
    """Whether anything can still wake a loop."""

    def setUp(self) -> None:
        """Nothing can, as it stands."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(1)
        self.wait_until(lambda: not _can_wake())

    def test_threads(self) -> None:
        """A thread that runs something can; one that was given up, or has no job, can't."""
        self.assertFalse(_can_wake())
        gate = threading.Lock()
        gate.acquire()
        thread = threading.Thread(target=gate.acquire)
        thread.start()
        self.assertTrue(_can_wake())
        assert thread.ident is not None
        executors.abandoned.add(thread.ident)
        self.assertFalse(_can_wake())
        executors.abandoned.clear()
        gate.release()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            time.sleep(0.01)
            self.assertFalse(_can_wake())
        self.assertTrue(executors._has_job(0))

    def test_no_children(self) -> None:
        """Whether there is a child process isn't asked again before one could have been made."""
        with (
            mock.patch.object(wakeup_sources, "other_frames", dict),
            mock.patch.object(wakeup_sources, "_has_foreign_thread", return_value=False),
            mock.patch.object(wakeup_sources, "_childless_at", 0.0),
            mock.patch.object(wakeup_sources, "monotonic", return_value=5.0) as clock,
            mock.patch.object(wakeup_sources, "_has_child", return_value=False) as asked,
        ):
            for now, times in ((5.0, 1), (5.0 + wakeup_sources._BIRTH / 2, 1), (6.0, 2)):
                clock.return_value = now
                self.assertFalse(wakeup_sources.process_can_wake())
                self.assertEqual(asked.call_count, times, now)

    def test_idle(self) -> None:
        """One that waits for another to notify it can't, until that has; one with a limit can."""
        waiting: queue.Queue[Any] = queue.Queue()
        condition, gate = threading.Condition(), threading.Event()

        def work() -> None:
            waiting.get()
            waiting.get(timeout=20)
            with condition:
                condition.wait()
            gate.wait()

        thread = threading.Thread(target=work)
        thread.start()
        self.wait_until(lambda: not _can_wake())
        waiting.put(1)
        self.assertTrue(_can_wake())
        time.sleep(0.05)
        self.assertTrue(_can_wake())  # it has a limit
        waiting.put(1)
        self.wait_until(lambda: not _can_wake())
        with condition:
            condition.notify()
            self.assertTrue(_can_wake())
        self.wait_until(lambda: not _can_wake())
        gate.set()
        self.assertTrue(_can_wake())
        thread.join()

    def test_nothing_kept(self) -> None:
        """To ask keeps nothing of other threads alive."""
        gate = threading.Lock()
        gate.acquire()

        class Thing:
            """Something that a thread has at hand."""

        def work(thing: Thing) -> None:
            gate.acquire()

        thing = Thing()
        reference = weakref.ref(thing)
        thread = threading.Thread(target=work, args=(thing,))
        thread.start()
        del thing
        gc.disable()
        try:
            self.assertTrue(_can_wake())
            wakeup_sources.described()
            hang_report.hang(None)
            gate.release()
            thread.join()
            self.assertIsNone(reference())
        finally:
            gc.enable()

    def test_abandoned(self) -> None:
        """A job that was given up can, where a thread waits that it may notify."""
        gate, waiting = threading.Lock(), queue.Queue()
        gate.acquire()
        job = threading.Thread(target=gate.acquire)
        job.start()
        assert job.ident is not None
        executors.abandoned.add(job.ident)
        consumer = threading.Thread(target=waiting.get)
        self.wait_until(lambda: not _can_wake())
        try:
            consumer.start()
            time.sleep(0.05)
            self.assertTrue(_can_wake())
        finally:
            executors.abandoned.clear()
            gate.release()
            waiting.put(1)
            job.join()
            consumer.join()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        end = time.monotonic() + 20
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.001)

    def test_pools(self) -> None:
        """A thread of a pool can as long as it has a job to take, whatever became of the pool."""
        for is_dropped in (False, True):
            pool = ThreadPoolExecutor(1)
            for _ in range(20):
                pool.submit(int)
            pool.submit(int).result()
            self.wait_until(lambda: not _can_wake())
            job = pool.submit(time.sleep, 0.001)
            self.assertTrue(_can_wake())
            if is_dropped:
                pool.shutdown(wait=False)
                del pool
                self.assertTrue(_can_wake() or job.done())
            job.result()

    def test_tracker(self) -> None:
        """What multiprocessing leaves behind can't."""
        resource_tracker.ensure_running()
        try:
            self.assertFalse(_can_wake())
        finally:
            resource_tracker._resource_tracker._stop()

    def test_foreign_threads(self) -> None:
        """A thread that isn't Python's can, if it is new."""
        with mock.patch.object(
            wakeup_sources, "_count_threads", lambda: len(sys._current_frames()) + 3
        ):
            self.assertTrue(_can_wake())
            self.assertEqual(
                wakeup_sources.described(),
                ["a thread that isn't Python's, of a library that was imported or used since"],
            )
            with mock.patch.object(wakeup_sources, "_foreign_threads", 3):
                self.assertFalse(_can_wake())
        with mock.patch.object(os, "listdir", side_effect=OSError):
            with mock.patch.object(wakeup_sources, "_counts_by_links", False):
                self.assertEqual(wakeup_sources._count_threads(), len(sys._current_frames()))

    def test_children(self) -> None:
        """A child process can."""
        reader, writer = os.pipe()
        child = os.posix_spawn(
            "/bin/cat",
            ["cat"],
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0), (os.POSIX_SPAWN_CLOSE, writer)],
        )
        self.assertTrue(_can_wake())
        with mock.patch.object(os, "waitid", lambda *_: "one has ended"):
            self.assertTrue(_can_wake())
            with mock.patch.object(wakeup_sources, "_text", side_effect=OSError):
                self.assertTrue(_can_wake())
        os.close(writer)
        os.close(reader)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        self.assertFalse(_can_wake())
        os.waitpid(child, 0)
        self.assertFalse(_can_wake())

    def test_handlers(self) -> None:
        """A handler of the user's can, whatever it is; Python's and asyncio's own can't."""
        for number in (signal.SIGUSR1, signal.SIGINT):
            for handler in (lambda *_: None, {}.setdefault):
                before = signal.signal(number, handler)
                self.assertTrue(_can_wake())
                signal.signal(number, before)
        self.assertFalse(_can_wake())
