"""nose2_aio.running.runner"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import socket
import threading
import time
import traceback
import types
import warnings
import weakref
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from typing import Any, NoReturn
from unittest import TestCase, mock

from nose2_aio.errors import AbandonedLoopError, LoopError, TimeLimitError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.running import cancellation
from nose2_aio.running.cancellation import Canceller
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.host import Host, State, always
from nose2_aio.running.host import never as not_last
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits

said = {True: always, False: not_last}
variable = contextvars.ContextVar("variable", default="unset")


def never(_: str = "") -> NoReturn:
    """The ``stopped`` callback of a loop that nobody stops."""
    raise AssertionError


async def here() -> tuple[Any, Any]:
    """Return loop and task."""
    return asyncio.get_running_loop(), asyncio.current_task()


class Running(TestCase):
    """Coroutines on one loop, in one task."""

    def test_value_and_error(self) -> None:
        """A coroutine's value is returned, its error raised. Neither is kept afterwards."""

        async def fails() -> None:
            raise LookupError

        with Runner() as runner:
            self.assertEqual(runner.run(asyncio.sleep(0, 5), never), 5)
            with self.assertRaises(LookupError):
                runner.run(fails(), never)
            self.assertIsNone(runner.run(asyncio.sleep(0), never))

    def test_frames(self) -> None:
        """An error's traceback goes from the caller straight to the coroutine."""

        async def fails() -> None:
            raise LookupError

        with Runner() as runner:
            try:
                runner.run(fails(), never)
            except LookupError as error:
                names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        self.assertEqual(names, ["test_frames", "run", "end", "fails"])

    def test_one_task_and_context(self) -> None:
        """All share one context, and one task, the only one on the loop."""

        async def set_variable() -> Any:
            variable.set("inside")
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
            return await here()

        async def read() -> Any:
            return variable.get(), await here()

        with Runner() as runner:
            place = runner.run(set_variable(), never)
            self.assertEqual(runner.run(read(), never), ("inside", place))
        self.assertEqual(variable.get(), "unset")

    def test_last(self) -> None:
        """The last coroutine may be known as such. The loop is shut down in the same way."""

        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(asyncio.sleep(3600))

        for last in (True, False):
            with Runner() as runner:
                task = runner.run(start(), never, is_last=said[last])
            self.assertTrue(task.cancelled())

    def test_debug(self) -> None:
        """``debug`` sets the loop's debug mode."""
        with Runner(options=RunnerOptions(TimeLimits(), debug=True)) as runner:
            loop, _ = runner.run(here(), never)
            self.assertTrue(loop.get_debug())

    def test_states(self) -> None:
        """A runner is open from its beginning until it is closed."""
        runner = Runner()
        self.assertTrue(runner.is_open)
        runner.run(here(), never)
        self.assertTrue(runner.is_open)
        runner.close()
        self.assertFalse(runner.is_open)

    def test_current(self) -> None:
        """Its own loop is current until it is closed. Then the former one is current again."""
        before = event_loops.current()
        with Runner() as runner:
            loop, _ = runner.run(here(), never)
            self.assertIs(event_loops.current(), loop)
        self.assertIs(event_loops.current(), before)
        self.assertTrue(loop.is_closed())

    def test_never_used(self) -> None:
        """A runner that is closed without use closes its loop."""
        with Runner() as runner:
            pass
        self.assertTrue(runner.loop.is_closed())

    def test_given_loop(self) -> None:
        """A given loop is left open, with other people's tasks untouched."""
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            theirs = loop.create_task(asyncio.sleep(3600))
            with Runner(loop) as runner:
                self.assertIs(runner.run(here(), never)[0], loop)
            self.assertFalse(theirs.done())
            self.assertEqual(asyncio.all_tasks(loop), {theirs})
            theirs.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(theirs)

    def test_no_garbage(self) -> None:
        """Nothing is left for the garbage collector, also after an error."""

        class LostError(LookupError):
            """An error that can be weakly referenced. Built-in exceptions can't."""

        async def fails() -> None:
            raise LostError

        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        with Runner() as runner:
            loop = weakref.ref(runner.run(here(), never)[0])
            try:
                runner.run(fails(), never)
            except LookupError as error:
                raised = weakref.ref(error)
        del runner
        self.assertIsNone(raised())
        self.assertIsNone(loop())

    def test_abandoned(self) -> None:
        """If the host task is abandoned in the middle, the coroutine is closed silently."""
        ended = []

        @types.coroutine
        def suspend() -> Generator[None, None, None]:
            yield

        async def waits() -> None:
            try:
                await suspend()
            finally:
                ended.append("closed")

        for is_closed in (False, True):
            with Runner() as runner:
                runner.host.job, runner.host.state = waits(), State.OPEN
                host = runner.host._serve()
                host.send(None)
                if is_closed:
                    runner.close()
                    runner.loop.close()
                host.close()
                runner.host.state = State.NEW
        self.assertEqual(ended, ["closed", "closed"])


class Stopped(TestCase):
    """A loop that the tested code stops, or that an exception leaves."""

    def test_runs_on(self) -> None:
        """If ``stopped`` returns, the loop runs on."""
        stops = []

        async def stops_twice() -> str:
            for _ in range(2):
                asyncio.get_running_loop().stop()
                await asyncio.sleep(0.001)
            return "done"

        with Runner() as runner:
            self.assertEqual(runner.run(stops_twice(), lambda _: stops.append(1)), "done")
        self.assertEqual(len(stops), 2)

    def test_cancelled(self) -> None:
        """If ``stopped`` raises, the coroutine is cancelled and ends. The next one runs."""
        ended = []

        async def stops() -> None:
            asyncio.get_running_loop().stop()
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                ended.append("cleaned up")

        with Runner() as runner:
            with self.assertRaises(AssertionError):
                runner.run(stops(), never)
            self.assertEqual(ended, ["cleaned up"])
            self.assertEqual(runner.run(asyncio.sleep(0, 5), never), 5)

    def test_stopped_at_its_end(self) -> None:
        """Stopping the loop in the last step is no early stop."""

        async def stops() -> int:
            asyncio.get_running_loop().stop()
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
            return 5

        with Runner() as runner:
            self.assertEqual(runner.run(stops(), never), 5)
            self.assertEqual(runner.run(asyncio.sleep(0.001, 6), lambda _: None), 6)

    def test_interrupted(self) -> None:
        """An exception that leaves the loop is raised after the coroutine is cancelled."""
        ended = []

        def interrupt() -> NoReturn:
            raise KeyboardInterrupt

        async def waits() -> None:
            asyncio.get_running_loop().call_soon(interrupt)
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("cleaned up")

        with self.assertRaises(KeyboardInterrupt), Runner() as runner:
            runner.run(waits(), never)
        self.assertEqual(ended, ["cleaned up"])

    def test_raised_inside(self) -> None:
        """An interrupt inside the coroutine is raised as it is."""

        async def interrupts() -> None:
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt), Runner() as runner:
            runner.run(interrupts(), never)


class Ending(TestCase):
    """What still happens after the last coroutine has ended."""

    def run_last(self, job: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as the last one, known as such or not."""
        with Runner() as runner:
            runner.run(job, never, is_last=said[self.last])

    def both_ways(self) -> Iterator[None]:
        """Run a coroutine once known as the last one, and once not."""
        for self.last in (True, False):
            with self.subTest(last=self.last):
                yield

    def test_leftover_waits_for_the_host(self) -> None:
        """A leftover task may wait for the task in which all ran."""

        async def starts() -> asyncio.Task[None]:
            me = asyncio.current_task()
            assert me is not None

            async def waits() -> None:
                await me

            async def gathers() -> None:
                await asyncio.gather(me, return_exceptions=True)

            tasks.extend([asyncio.create_task(waits()), asyncio.create_task(gathers())])
            await asyncio.sleep(0)

        for _ in self.both_ways():
            tasks: list[asyncio.Task[None]] = []
            self.run_last(starts())
            self.assertTrue(all(task.done() for task in tasks))

    def test_callbacks(self) -> None:
        """Callbacks of the task, and those that the last step scheduled, are called."""

        async def schedules() -> None:
            me = asyncio.current_task()
            assert me is not None
            me.add_done_callback(lambda _: called.append("done"))
            asyncio.get_running_loop().call_soon(called.append, "soon")

        for _ in self.both_ways():
            called: list[str] = []
            self.run_last(schedules())
            self.assertEqual(sorted(called), ["done", "soon"])

    def test_transports(self) -> None:
        """A transport that the last step closed is closed."""

        class Protocol(asyncio.Protocol):
            def connection_lost(self, _: Exception | None) -> None:
                lost.append(True)

        async def closes() -> None:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(Protocol, sock=ours)
            transport.close()

        for _ in self.both_ways():
            lost: list[bool] = []
            ours, theirs = socket.socketpair()
            with theirs:
                self.run_last(closes())
            self.assertEqual(lost, [True])

    def test_stopped_by_its_last_step(self) -> None:
        """A loop that the last step stopped is shut down completely."""
        threads = []

        async def stops() -> None:
            threads.append(await asyncio.to_thread(threading.current_thread))
            asyncio.get_running_loop().stop()

        for _ in self.both_ways():
            self.run_last(stops())
        self.assertEqual([thread.is_alive() for thread in threads], [False, False])

    def test_generator_left_by_its_last_step(self) -> None:
        """An async generator left by the last step is closed, its cleanup awaited."""

        async def generator() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                ended.append(1)

        async def leaves() -> None:
            async for _ in generator():
                break

        ended: list[int] = []
        for _ in self.both_ways():
            self.run_last(leaves())
        self.assertEqual(ended, [1, 1])

    def test_stopped_without_a_word(self) -> None:
        """Stopping the loop in the last step leaves no coroutine of ours unawaited."""

        async def stops() -> None:
            asyncio.get_running_loop().stop()

        with warnings.catch_warnings(record=True) as warned, self.assertNoLogs("asyncio"):
            warnings.simplefilter("always")
            for _ in self.both_ways():
                self.run_last(stops())
            gc.collect()
        self.assertEqual(warned, [])

    def test_broken_task_factory(self) -> None:
        """The loop is shut down, whatever the test did to it."""

        async def breaks() -> None:
            task = asyncio.create_task(asyncio.sleep(3600))
            tasks.append(task)
            asyncio.get_running_loop().set_task_factory(len)

        for _ in self.both_ways():
            tasks: list[asyncio.Task[None]] = []
            self.run_last(breaks())
            self.assertTrue(tasks[0].cancelled())


class Odd(TestCase):
    """Coroutines that end in odd ways. None of them holds up the run."""

    def test_generator_exit(self) -> None:
        """GeneratorExit is an error like any other. The next coroutine runs."""

        async def exits() -> None:
            raise GeneratorExit

        for last in (True, False):
            with Runner() as runner:
                with self.assertRaises(GeneratorExit):
                    runner.run(exits(), never, is_last=said[last])
                if not last:
                    self.assertEqual(runner.run(asyncio.sleep(0, 5), never), 5)

    def test_cancels_itself(self) -> None:
        """A cancellation in the last step doesn't prevent the end of leftovers."""

        async def cancels_itself() -> None:
            tasks.append(asyncio.create_task(asyncio.sleep(3600)))
            await asyncio.to_thread(int)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        async def is_cancelled() -> None:
            me = asyncio.current_task()
            assert me is not None

            async def child() -> None:
                try:
                    await asyncio.sleep(3600)
                finally:
                    me.cancel()

            tasks.append(asyncio.create_task(child()))
            await asyncio.sleep(0)

        for function in (cancels_itself, is_cancelled):
            for last in (True, False):
                tasks: list[asyncio.Task[None]] = []
                with Runner() as runner:
                    runner.run(function(), never, is_last=said[last])
                self.assertTrue(all(task.cancelled() for task in tasks))

    def test_interrupted_before_it_began(self) -> None:
        """If the loop breaks before the first step, the coroutine is closed unstarted."""

        def interrupt() -> NoReturn:
            raise KeyboardInterrupt

        for last in (True, False):
            with contextlib.closing(asyncio.new_event_loop()) as loop:
                loop.call_soon(interrupt)
                job = asyncio.sleep(5)
                with self.assertRaises(KeyboardInterrupt), Runner(loop) as runner:
                    runner.run(job, never, is_last=said[last])
                self.assertEqual(inspect.getcoroutinestate(job), inspect.CORO_CLOSED)

    def test_interrupted_while_it_is_shut_down(self) -> None:
        """An interrupt at the very end doesn't prevent the end of leftovers."""
        ended = []

        def interrupt() -> NoReturn:
            raise KeyboardInterrupt

        async def leftover() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                asyncio.get_running_loop().call_soon(interrupt)
                await asyncio.sleep(0.001)
                ended.append(1)

        async def starts() -> None:
            self.task = asyncio.create_task(leftover())
            await asyncio.sleep(0)

        with self.assertRaises(KeyboardInterrupt), Runner() as runner:
            runner.run(starts(), never, is_last=always)
        self.assertEqual(ended, [1])

    def test_interrupted_twice(self) -> None:
        """A second interrupt cancels a coroutine that swallowed the first."""
        swallowed = []

        def interrupt() -> NoReturn:
            raise KeyboardInterrupt

        async def swallows() -> None:
            loop = asyncio.get_running_loop()
            loop.call_soon(interrupt)
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed.append(1)
            loop.call_soon(interrupt)
            await asyncio.sleep(3600)

        with self.assertRaises(KeyboardInterrupt), Runner() as runner:
            runner.run(swallows(), never)
        self.assertEqual(swallowed, [1])

    async def test_inside_a_running_loop(self) -> None:
        """While a loop runs here, no runner can be created."""
        with self.assertRaisesRegex(LoopError, "^a test can't be run .* while another loop runs"):
            Runner()

    def test_loop_of_another_thread(self) -> None:
        """A loop that runs in another thread is refused."""
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            thread = threading.Thread(target=loop.run_forever)
            thread.start()
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
            with self.assertRaisesRegex(LoopError, "^the loop that the test is to run on runs el"):
                Runner(loop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


class Cancelled(TestCase):
    """A cancellation that comes between two coroutines."""

    def test_handed_on(self) -> None:
        """The next coroutine gets it, counted once."""

        async def cancels_soon() -> None:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)

        async def waits() -> int:
            task = asyncio.current_task()
            assert task is not None
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                return task.cancelling()
            return -1

        with Runner() as runner:
            runner.run(cancels_soon(), never)
            self.assertEqual(runner.run(waits(), never), 1)

    def test_none_follows(self) -> None:
        """If no coroutine follows, the cancellation is forgotten."""

        async def cancels_itself() -> asyncio.Task[Any]:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return task

        with Runner() as runner:
            task = runner.run(cancels_itself(), never)
        self.assertEqual((task.done(), task.cancelled()), (True, False))


class Nested(TestCase):
    """A runner inside another, on its loop."""

    def setUp(self) -> None:
        self.outer = Runner()
        self.addCleanup(self.outer.close)

    def test_inside(self) -> None:
        """It has a task of its own in a copy of the context. The outer one goes on after it."""

        async def set_variable(value: str) -> Any:
            before = variable.get()
            variable.set(value)
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
            return before, *await here()

        before, loop, task = self.outer.run(set_variable("outer"), never)
        self.assertEqual(before, "unset")
        for last in (True, False):
            with Runner(outer=self.outer) as inner:
                before, inner_loop, inner_task = inner.run(
                    set_variable("inner"), never, is_last=said[last]
                )
            self.assertEqual((before, inner_loop), ("outer", loop))
            self.assertIsNot(inner_task, task)
            self.assertTrue(inner_task.done())
        self.assertEqual(self.outer.run(set_variable("again"), never), ("outer", loop, task))

    def test_awaited(self) -> None:
        """Cancelling the outer task cancels the inner coroutine."""
        _, task = self.outer.run(here(), never)

        async def cancels() -> None:
            task.cancel()

        async def waits(cancel: Any) -> None:
            cancel()
            await asyncio.sleep(30)

        with Runner(outer=self.outer) as inner:
            for cancel in (
                lambda: task.get_loop().call_soon(task.cancel),
                lambda: asyncio.create_task(cancels()),
            ):
                with self.assertRaises(asyncio.CancelledError):
                    inner.run(waits(cancel), never)
            self.assertEqual(inner.run(asyncio.sleep(0, 5), never), 5)
        self.assertEqual(self.outer.run(asyncio.sleep(0, 6), never), 6)

    def test_cancelled_while_idle(self) -> None:
        """A cancellation between two coroutines cancels the next one."""
        _, task = self.outer.run(here(), never)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            self.outer.run(asyncio.sleep(0), never)
        task.cancel()  # one is enough
        self.assertEqual(self.outer.run(asyncio.sleep(0, 5), never), 5)

    def test_cancelled_in_the_end(self) -> None:
        """If no coroutine follows, the cancellation is forgotten."""
        _, task = self.outer.run(here(), never)
        task.cancel()
        self.outer.close()
        self.assertEqual((task.done(), task.cancelled()), (True, False))

    def test_interrupted(self) -> None:
        """An interrupt before the first step leaves the outer runner usable."""

        def interrupt() -> NoReturn:
            raise KeyboardInterrupt

        self.outer.run(here(), never)
        with Runner(outer=self.outer) as inner:
            self.outer.loop.call_soon(interrupt)
            with self.assertRaises(KeyboardInterrupt):
                inner.run(asyncio.sleep(0), never)
        self.assertEqual(self.outer.run(asyncio.sleep(0, 5), never), 5)

    def test_interrupted_outside(self) -> None:
        """An interrupt that hits the outer host is raised where the inner one was run."""
        self.outer.run(here(), never)
        with Runner(outer=self.outer) as inner:
            self.outer.host.error = KeyboardInterrupt()

            async def fails() -> None:
                self.outer.host.error = KeyboardInterrupt()

            with self.assertRaises(KeyboardInterrupt):
                inner.run(fails(), never)

    def test_stopped(self) -> None:
        """A loop that is stopped in the last step is left in order."""

        async def stops() -> int:
            asyncio.get_running_loop().stop()
            return 5

        for last in (True, False):
            with Runner(outer=self.outer) as inner:
                self.assertEqual(inner.run(stops(), never, is_last=said[last]), 5)
            self.assertEqual(self.outer.run(asyncio.sleep(0, 6), never), 6)

    def test_loop_closed(self) -> None:
        """If the loop is closed under both runners, both are forgotten silently."""
        self.outer.run(here(), never)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with self.assertNoLogs("asyncio"):
                with Runner(outer=self.outer) as inner:
                    inner.run(here(), never)
                    self.outer.loop.close()
                self.outer.close()
                del inner
                gc.collect()
        self.assertEqual(warned, [])

    def test_taken(self) -> None:
        """While an inner one is open, a coroutine of the outer one gets a task of its own."""
        _, task = self.outer.run(here(), never)
        with Runner(outer=self.outer) as inner:
            inner.run(here(), never)
            self.assertIsNot(self.outer.run(here(), never)[1], task)

    def test_no_garbage(self) -> None:
        """Nothing is left for the garbage collector."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        with Runner(outer=self.outer) as inner:
            _, task = inner.run(here(), never)
        kept = weakref.ref(task)
        del inner, task
        self.outer.run(asyncio.sleep(0), never)
        self.assertIsNone(kept())


class Calling(TestCase):
    """Plain code between coroutines."""

    def test_call(self) -> None:
        """It runs in their context, with the loop current, and sees no current task."""

        async def set_variable() -> None:
            variable.set("inside")

        def look(*args: Any, **kwargs: Any) -> Any:
            loop = asyncio.get_event_loop()
            loop.run_until_complete(asyncio.sleep(0))
            return args, kwargs, variable.get(), asyncio.all_tasks(loop)

        with Runner() as runner:
            runner.run(set_variable(), never)
            asyncio.set_event_loop(None)
            self.assertEqual(runner.call(look, 1, a=2), ((1,), {"a": 2}, "inside", set()))
            runner.run(set_variable(), never)
        self.assertEqual(variable.get(), "unset")

    def test_nested(self) -> None:
        """It may call, and run, by the same runner."""

        async def read() -> Any:
            return variable.get()

        with Runner() as runner:
            inner = runner.call(lambda: runner.call(lambda: (variable.set("set"), variable.get())))
            self.assertEqual(inner[1], "set")
            self.assertEqual(runner.call(lambda: runner.run(read(), never)), "set")

    def test_ended(self) -> None:
        """It also works after the host task has ended."""
        with Runner() as runner:
            runner.run(here(), never, is_last=always)
            self.assertEqual(runner.context.run(len, "abc"), 3)


class NotInstrumented(TestCase):
    """A loop that can't be instrumented."""

    def test_runs(self) -> None:
        """It runs coroutines all the same."""
        loop = asyncio.new_event_loop()
        with mock.patch.object(instrumented, "instrument", lambda _: contextlib.nullcontext()):
            with Runner(loop) as runner:
                self.assertEqual(runner.run(asyncio.sleep(0, 5), never), 5)
        loop.close()


class Stubborn(TestCase):
    """Tasks that won't end."""

    async def leaves(self) -> None:
        """Leave a task that swallows its cancellation."""

        async def swallows() -> None:
            while True:
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    pass

        self.task = asyncio.create_task(swallows())
        await asyncio.sleep(0)

    def test_left(self) -> None:
        """A runner raises an error that its loop was abandoned, unless there is another error."""
        options = RunnerOptions(TimeLimits(), grace=0)
        with (
            self.assertRaisesRegex(AbandonedLoopError, "swallows"),
            Runner(options=options) as runner,
        ):
            runner.run(self.leaves(), never)
        with self.assertRaises(LookupError), Runner(options=options) as runner:
            runner.run(self.leaves(), never)
            raise LookupError

    def test_late(self) -> None:
        """Code that ends after its limit fails, though it didn't await."""

        async def blocks() -> None:
            time.sleep(0.03)

        with Runner() as runner, runner.options.time_limits.within(Limit(0.01, "here")):
            with self.assertRaisesRegex(TimeLimitError, "here") as caught:
                runner.run(blocks(), never)
        self.assertEqual(len(caught.exception.__notes__), 1)
        runner.options.time_limits.close()

    def test_debugged(self) -> None:
        """Under a debugger the limit is lifted when it passes."""

        async def waits() -> int:
            await asyncio.sleep(0.05)
            return 5

        with Runner() as runner, runner.options.time_limits.within(Limit(0.02, "here")):
            with mock.patch.object(cancellation, "is_debugged", lambda: True):
                self.assertEqual(runner.run(waits(), never), 5)
        runner.options.time_limits.close()

    def test_no_time_limits(self) -> None:
        """Without time limits, cancellation goes on all the same, on any loop."""
        loop = asyncio.new_event_loop()
        time_limits = TimeLimits()
        time_limits.is_off = lambda: True
        host = Host(loop, contextvars.copy_context(), None, lambda: None)
        sleeps = asyncio.sleep(100)
        host.begin(sleeps, not_last)
        canceller = Canceller(loop, host, RunnerOptions(time_limits, grace=0))
        self.assertTrue(canceller.cancel())
        self.assertTrue(canceller.cancel())
        host.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        sleeps.close()
