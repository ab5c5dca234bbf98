"""nose2_aio.eventloop.virtual_clock, nose2_aio.eventloop.wall_clock"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any
from unittest import TestCase, mock, skipUnless

import time_machine

import nose2_aio as aio
from nose2_aio.errors import InvalidTypeError, InvalidValueError, LoopError
from nose2_aio.eventloop import instrumented, wakeup_sources
from nose2_aio.eventloop.virtual_clock import Clock, HeldTime
from nose2_aio.eventloop.wall_clock import WallClock


def run(main: Callable[[Clock], Awaitable[Any]]) -> Any:
    """Run a coroutine function in virtual time. Its argument is the clock."""
    with aio.virtual_clock() as loop:
        return loop.run_until_complete(main(aio.clock()))


class Outside:
    """A selector with a real time of its own. Until ``holds`` seconds, the loop may be woken."""

    def __init__(self, holds: float = 0.0, *, files: bool = False) -> None:
        self.now, self.holds, self.files = 0.0, holds, files
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None) -> list[Any]:
        self.waited.append(timeout)
        comes = self.files and self.now < self.holds
        left = self.holds - self.now if comes else 0.0
        is_first = comes and (timeout is None or timeout >= left)
        self.now += left if is_first else timeout or 0
        return ["came"] if is_first else []

    def foreign_files(self) -> tuple[int, ...]:
        return (3,) if self.files and self.now < self.holds else ()

    def describe_outside(self) -> list[str]:
        return ["a file" if self.files else "a thread"]

    def can_be_woken(self) -> bool:
        return not self.files and self.now < self.holds


class Jumping(TestCase):
    """A loop in virtual time."""

    def test_no_drift(self) -> None:
        """Many sleeps of a second, or of 0.1 s, end exactly to the nanosecond."""
        for duration, end in ((1, 8_640), (0.1, 864)):

            async def main(clock: Clock, duration: float = duration) -> float:
                for _ in range(8_640):
                    await asyncio.sleep(duration)
                return clock.time()

            self.assertEqual(run(main), end)

    def test_order(self) -> None:
        """Timers fire in order, each at its time. Those of the same moment fire together."""

        async def main(clock: Clock) -> None:
            seen: list[Any] = []
            loop = asyncio.get_running_loop()
            for delay in (3, 1, 2, 1, 0):
                loop.call_later(delay, lambda delay=delay: seen.append((delay, loop.time())))
            await asyncio.sleep(10)
            self.assertEqual(seen, [(0, 0), (1, 1), (1, 1), (2, 2), (3, 3)])

        run(main)

    def test_far(self) -> None:
        """Centuries take no time, and small steps still count after them."""

        async def main(clock: Clock) -> None:
            for far in (1e6, 1e8, 1e10):
                await asyncio.sleep(far)
                for _ in range(10):
                    before = clock.time()
                    await asyncio.sleep(0.1)
                    self.assertAlmostEqual(clock.time() - before, 0.1, 5)

        began = time.monotonic()
        run(main)
        self.assertLess(time.monotonic() - began, 30)

    def test_below_a_nanosecond(self) -> None:
        """A sleep that is too short for a float takes no time, and ends."""

        async def main(clock: Clock) -> None:
            await asyncio.sleep(1e-12)
            self.assertEqual(clock.time(), 0)

        run(main)

    def test_timeouts(self) -> None:
        """The functions of asyncio that take seconds use the clock."""

        async def main(clock: Clock) -> None:
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(asyncio.sleep(20), 10)
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(10):
                    await asyncio.Event().wait()
            await asyncio.wait([asyncio.create_task(asyncio.sleep(90))], timeout=10)
            self.assertEqual(clock.time(), 30)

        run(main)

    def test_for_ever(self) -> None:
        """A timer at infinity is never due."""

        async def main(clock: Clock) -> None:
            loop = asyncio.get_running_loop()
            loop_state = instrumented.state_of(loop)
            assert loop_state is not None
            loop_state.on_deadlock = loop.stop
            await asyncio.sleep(math.inf)

        with self.assertRaisesRegex(RuntimeError, "stopped before"):
            run(main)

    def test_busy(self) -> None:
        """It stands still while code runs. The real clock does not."""

        async def main(clock: Clock) -> None:
            real = clock.real_time()
            for _ in range(3):
                time.sleep(0.01)
                await asyncio.sleep(0)
            self.assertEqual(clock.time(), 0)
            self.assertGreaterEqual(clock.real_time() - real, 0.03)
            self.assertAlmostEqual(clock.real_time(), time.monotonic(), 1)
            self.assertEqual(repr(clock), "<Clock 0 s>")

        run(main)


class Advancing(TestCase):
    """Clock.advance."""

    def test_on_the_way(self) -> None:
        """All that is due runs before it returns, with the tasks that follow from it."""

        async def main(clock: Clock) -> None:
            seen = []

            async def tick() -> None:
                while True:
                    await asyncio.sleep(1)
                    seen.append(clock.time())
                    await asyncio.sleep(0)
                    seen.append(-clock.time())

            task = asyncio.create_task(tick())
            await clock.advance(2)
            self.assertEqual(seen, [1, -1, 2, -2])
            await clock.advance(0.5)
            self.assertEqual((clock.time(), len(seen)), (2.5, 4))
            await clock.advance(0)
            self.assertEqual(clock.time(), 2.5)
            task.cancel()

        run(main)

    def test_several(self) -> None:
        """Each of several calls returns at its own time. One that was cancelled has no effect."""

        async def main(clock: Clock) -> None:
            ends = []

            async def advance(seconds: float) -> None:
                await clock.advance(seconds)
                ends.append(clock.time())

            given_up = asyncio.create_task(advance(7))
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(advance(5), advance(10), advance(5))
            self.assertEqual(ends, [5, 5, 10])

        run(main)

    def test_whatever_holds(self) -> None:
        """It moves even if a file or a thread may wake the loop. Present events come first."""

        async def main(clock: Clock) -> None:
            server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            async with server:
                await clock.advance(3600)
                self.assertEqual(clock.time(), 3600)
                loop = asyncio.get_running_loop()
                job = loop.run_in_executor(None, time.sleep, 0.05)
                await clock.advance(3600)
                self.assertFalse(job.done())
                await job
                came = loop.create_future()
                await asyncio.to_thread(loop.call_soon_threadsafe, came.set_result, None)
                await clock.advance(1)
                self.assertTrue(came.done())

        run(main)

    def test_mistakes(self) -> None:
        """Invalid seconds are an error that names the place. So is real time."""

        async def main(clock: Clock) -> None:
            for wrong, kind in ((-1, InvalidValueError), ("1", InvalidTypeError)):
                with self.assertRaises(kind) as caught:
                    await clock.advance(wrong)
                self.assertRegex(
                    str(caught.exception),
                    rf"seconds must be .* got {wrong!r} "
                    r"\(Clock.advance, .*test_virtual_clock.py:\d+\)",
                )
            clock.is_virtual = False
            for call in (clock.settle, lambda: clock.advance(1)):
                with self.assertRaisesRegex(LoopError, r"time isn't virtual any more.*clock.py:\d"):
                    await call()

        run(main)

    def test_settle(self) -> None:
        """It returns when all others wait for timers, or for each other. The clock stands still."""

        async def main(clock: Clock) -> None:
            loop, steps = asyncio.get_running_loop(), []

            async def work() -> None:
                for _ in range(3):
                    await asyncio.sleep(0)
                    steps.append("passes")
                await loop.run_in_executor(None, time.sleep, 0.02)
                steps.append("thread")
                process = await asyncio.create_subprocess_exec("true")
                await process.wait()
                steps.append("process")
                await asyncio.sleep(60)

            await clock.settle()  # nothing at all is left
            tasks = [loop.create_task(work()), loop.create_task(asyncio.Event().wait())]
            given_up = loop.create_task(clock.settle())
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(clock.settle(), clock.settle())
            self.assertEqual(steps, [*["passes"] * 3, "thread", "process"])
            self.assertEqual(clock.time(), 0)
            self.assertTrue(given_up.cancelled())
            await clock.advance(60)
            self.assertTrue(tasks[0].done())
            tasks[1].cancel()

        run(main)

    @skipUnless(sys.platform == "linux", "elsewhere, the server holds the clock")
    def test_settle_with_server(self) -> None:
        """It returns when nothing is on its way between a client and a server."""

        async def serve(reader: Any, writer: Any) -> None:
            line = await reader.readline()
            await asyncio.sleep(10)
            writer.write(line)

        async def main(clock: Clock) -> None:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = asyncio.create_task(reader.readline())
            await clock.settle()
            self.assertEqual((answer.done(), clock.time()), (False, 0))
            await clock.advance(10)
            await clock.settle()
            self.assertEqual((answer.result(), clock.time()), (b"hello\n", 10))
            writer.close()
            server.close()

        run(main)

    def test_settle_while_advancing(self) -> None:
        """Another task moves the clock: that goes first while a thread may wake the loop."""

        async def main(clock: Clock) -> None:
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(None, time.sleep, 0.02)
            advancing = loop.create_task(clock.advance(5))
            await clock.settle()
            self.assertTrue(job.done())
            self.assertEqual((clock.time(), advancing.done()), (5, True))
            advancing = loop.create_task(clock.advance(5))
            await clock.settle()
            self.assertEqual((clock.time(), advancing.done()), (5, False))
            await advancing
            self.assertEqual(clock.time(), 10)

        run(main)

    def test_no_clock(self) -> None:
        """In real time there is no clock."""
        with self.assertRaisesRegex(LoopError, "time isn't virtual here.*with @aio.virtual_time"):
            aio.clock()


class Holding(TestCase):
    """Rules 2 and 3: a selector that may be woken, with a time of its own."""

    def setUp(self) -> None:
        """A clock, and a real clock that shows the time of the selector."""
        self.loop = mock.Mock(_scheduled=[])
        self.clock = Clock(self.loop)

    def select(self, outside: Outside, real_left: float = math.inf) -> list[Any]:
        """Call `Clock.select`, as a loop does that has nothing to run."""
        with mock.patch("nose2_aio.eventloop.virtual_clock.monotonic", lambda: outside.now):
            return self.clock.select(outside, real_left)

    def timer(self, when: float) -> None:
        """Set a timer, which is the next one."""
        self.clock.note_timer(when)
        self.loop._scheduled.insert(0, mock.Mock(when=lambda: when))

    def test_free(self) -> None:
        """It jumps, after one look at the files."""
        self.timer(5)
        outside = Outside()
        self.assertEqual(self.select(outside), [])
        self.assertEqual((self.clock.time(), outside.waited), (5, [0]))
        self.assertEqual(self.clock.take_waits(), (5, 0, False))
        self.assertEqual(self.clock.take_waits(), (0, 0, False))

    def test_came_meanwhile(self) -> None:
        """An event that this look finds comes before the timer."""
        self.timer(5)
        outside = Outside()
        outside.wait = lambda _: ["came"]
        self.assertEqual((self.select(outside), self.clock.time()), (["came"], 0))

    def test_file(self) -> None:
        """It waits for a file until the timer is due in real time."""
        self.timer(5)
        self.assertEqual(self.select(Outside(3, files=True)), ["came"])
        self.assertEqual(self.clock.time(), 0)

    def test_due_for_real(self) -> None:
        """The timer fires when it is due in real time. Earlier real waits count."""
        self.timer(5)
        self.select(Outside(3, files=True))
        outside = Outside(100, files=True)
        self.select(outside)
        self.assertEqual((self.clock.time(), outside.waited), (5, [2, 0]))
        self.assertEqual(self.clock.take_waits(), (0, 5, False))

    def test_part_of_the_way(self) -> None:
        """A jump uses up the real wait, which then counts for no other timer."""
        self.timer(3)
        self.timer(2)
        self.select(Outside(1.5))
        self.assertEqual(self.clock.time(), 2)
        skipped, waited, is_released = self.clock.take_waits()
        self.assertTrue(is_released)
        self.assertAlmostEqual(skipped + waited, 2)
        self.assertGreaterEqual(waited, 1.5)
        del self.loop._scheduled[0]
        outside = Outside(0.9, files=True)
        self.assertEqual(self.select(outside), ["came"])

    def test_set_after_a_real_wait(self) -> None:
        """A jump to a timer that was set after a longer real wait does not add to it."""
        self.timer(3)
        self.select(Outside(2, files=True))
        self.timer(9)
        self.loop._scheduled.reverse()
        self.select(Outside())
        self.assertEqual((self.clock.time(), self.clock._real_wait), (3, 0))
        del self.loop._scheduled[0]
        self.select(Outside())
        self.assertEqual((self.clock.time(), self.clock._real_wait), (9, 0))

    def test_same_moment_after_less_real_wait(self) -> None:
        """The real wait may have become less when another timer is set for the same moment."""
        self.timer(5)
        self.select(Outside(3, files=True))
        self.clock._real_wait = 2
        self.timer(9)
        self.clock._real_wait = 1
        self.timer(9)
        self.assertEqual(self.clock._real_wait_before(9), 2)

    def test_set_later(self) -> None:
        """A real wait before a timer was set does not count for it, nor twice for the next one."""
        self.timer(5)
        self.select(Outside(3, files=True))
        self.timer(1)
        outside = Outside(100, files=True)
        self.select(outside)
        self.assertEqual((self.clock.time(), outside.now), (1, 1))
        del self.loop._scheduled[0]
        outside = Outside(100, files=True)
        self.select(outside)
        self.assertEqual((self.clock.time(), outside.now), (5, 1))

    def test_same_moment(self) -> None:
        """Timers for the same moment fire when the last one of them is due in real time."""
        self.timer(5)
        self.select(Outside(3, files=True))
        self.timer(5)
        outside = Outside(100, files=True)
        self.select(outside)
        self.assertEqual((self.clock.time(), outside.now), (5, 5))

    def test_nearly_same_moment(self) -> None:
        """Moments less than a nanosecond apart are the same."""
        for first, last in ((0.3, 0.1 + 0.1 + 0.1), (1e-9, 1.6e-9)):
            self.setUp()
            self.timer(last)
            self.timer(first)
            self.select(Outside(first / 2, files=True))
            self.clock.note_timer(last)
            outside = Outside(100, files=True)
            self.select(outside)
            self.assertAlmostEqual(outside.now, first, 12)

    def test_far_while_held(self) -> None:
        """A timer may be set for a time that can't be rounded to nanoseconds."""
        self.timer(5)
        self.select(Outside(3, files=True))
        for far in (1e300, math.inf):
            self.timer(far)
            self.assertEqual(self.clock._real_wait_before(far), 3)
        self.assertEqual(self.select(Outside(2, files=True)), ["came"])
        self.loop._scheduled = self.loop._scheduled[1:]
        self.select(Outside())
        self.assertEqual(self.clock.time(), 1e300)

    def test_thread(self) -> None:
        """It looks less and less often whether a thread is still running."""
        self.timer(500)
        outside = Outside(0.3)
        self.assertEqual(self.select(outside), [])
        self.assertEqual(self.clock.time(), 500)
        self.assertEqual(outside.waited[:3], [0.001, 0.002, 0.004])
        self.assertEqual(outside.waited[-2:], [0.05, 0])

    def test_nothing_due(self) -> None:
        """Without a timer it waits for real. It returns when nothing can wake the loop any more."""
        outside = Outside(1, files=True)
        self.assertEqual((self.select(outside), outside.waited), (["came"], [None]))
        self.assertEqual(self.select(Outside(0.3)), [])
        outside = Outside()
        self.select(outside, 7)
        self.assertEqual(outside.waited, [0, 7])

    def test_real_limit(self) -> None:
        """It returns after ``real_left`` seconds."""
        self.timer(500)
        outside = Outside(100, files=True)
        self.assertEqual(self.select(outside, 2), [])
        self.assertEqual((self.clock.time(), outside.now), (0, 2))

    def test_alarm(self) -> None:
        """It is called before a later timer, in real time, and without any timer."""
        rung: list[float] = []
        for due, outside, advances in (
            (9, Outside(), False),
            (9, Outside(100, files=True), False),
            (math.inf, Outside(), False),
            (9, Outside(), True),
        ):
            self.setUp()
            self.timer(due)
            if advances:
                self.clock._goals = [(20, mock.Mock())]
            self.clock.set_alarm(4, lambda: rung.append(self.clock.time()))
            self.select(outside)
            self.assertEqual(rung, [4])
            rung.clear()
        self.clock.set_alarm(4, None)
        self.assertIsNone(self.clock._alarm)

    def test_held(self) -> None:
        """What it waits for is described once, as soon as it has waited for half a second."""
        self.timer(500)
        held = self.clock.held = HeldTime()
        self.select(Outside(0.4, files=True))
        self.assertIsNone(held.holders)
        outside = Outside(100, files=True)
        self.select(outside, 2)
        self.assertAlmostEqual(outside.waited[0] or 0, 0.1)
        self.assertEqual(held.holders, ["a file"])
        self.select(Outside(3))
        self.assertEqual(str(held), "waited 5.4 s for real in virtual time, for a file")
        self.assertEqual(str(HeldTime([])), "waited 0.0 s for real in virtual time")

    def test_modes(self) -> None:
        """When it is switched to real or virtual time, it goes on from the time that it shows."""
        self.timer(5)
        self.select(Outside())
        with mock.patch("nose2_aio.eventloop.virtual_clock.monotonic", lambda: 1000.0):
            self.clock.is_virtual = False
            self.assertEqual(self.clock.time(), 5)
        with mock.patch("nose2_aio.eventloop.virtual_clock.monotonic", lambda: 1002.0):
            self.assertEqual((self.clock.time(), repr(self.clock)), (7, "<Clock 7 s, real>"))
            self.clock.is_virtual = True
        self.assertEqual(self.clock.time(), 7)
        self.assertTrue(self.clock.is_virtual)


class Loops(TestCase):
    """Loops of the user's, and what may wake them."""

    def test_no_selector(self) -> None:
        """Time can't be virtual on a loop without Python's default selector."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        with self.assertRaisesRegex(LoopError, "time can't be virtual on asyncio.*Loop: "):
            instrumented.make_virtual(loop)

    def test_goes_on(self) -> None:
        """The time of the user's loop goes on from where it is. After the block, it is real."""
        loop = asyncio.SelectorEventLoop()
        self.addCleanup(loop.close)
        with instrumented.instrument(loop):
            before = loop.time()
            clock = instrumented.make_virtual(loop)
            self.assertTrue(before <= clock.time() <= time.monotonic())
            loop.run_until_complete(asyncio.sleep(1000))
            clock.is_virtual = False
            self.assertIs(instrumented.make_virtual(loop), clock)
            self.assertTrue(before + 1000 <= loop.time() <= time.monotonic() + 1000)
        self.assertTrue(before <= loop.time() <= time.monotonic())

    def test_holders(self) -> None:
        """The reasons for a real wait can be described."""

        async def main(clock: Clock) -> list[str]:
            loop = asyncio.get_running_loop()
            server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            read, write = map(open, os.pipe(), "rw")
            with read:
                loop.add_reader(read, print)
                begun, gate = threading.Event(), threading.Lock()
                gate.acquire()

                def hold() -> None:
                    begun.set()
                    gate.acquire()

                job = loop.run_in_executor(None, hold)
                begun.wait()
                with write:  # the child has it
                    process = await asyncio.create_subprocess_exec(
                        "sleep", "0.1", pass_fds=[write.fileno()]
                    )
                found = instrumented.describe_wakeup_sources(loop)
                loop.remove_reader(read)
                gate.release()
                await process.wait()
                await job
                server.close()
            return found

        found = "\n".join(run(main))
        for part in (
            r"the pipe \d+, for builtins\.print$",
            "the executor job .*hold",
            r"the thread asyncio_\d+_0",
            r"the child process \d+ \(sleep\)",
        ):
            self.assertRegex(found, f"(?m)^{part}")
        with mock.patch.object(wakeup_sources, "describe", list):
            self.assertEqual(
                instrumented.describe_wakeup_sources(mock.Mock(spec=asyncio.AbstractEventLoop)), []
            )

    def test_alarm_of_the_process(self) -> None:
        """A timer for SIGALRM that the test has set may wake the loop."""
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.assertFalse(wakeup_sources.alarm_can_wake())
            signal.setitimer(signal.ITIMER_REAL, 100)
            self.assertTrue(wakeup_sources.alarm_can_wake())
            self.assertIn("the alarm of signal.setitimer", wakeup_sources.describe())
            with mock.patch.object(wakeup_sources, "signal", object()):  # as on Windows
                self.assertFalse(wakeup_sources.alarm_can_wake())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class TimeOfDay(TestCase):
    """virtual_clock(wall=True)."""

    def test_moves(self) -> None:
        """It moves exactly with the clock. After the block, it is the real one."""
        before = time.time()
        with aio.virtual_clock(wall=True) as loop:
            start, today = time.time_ns(), dt.datetime.now(dt.UTC)

            async def main() -> None:
                for _ in range(10):
                    await asyncio.sleep(0.1)
                self.assertEqual(time.time_ns() - start, 1_000_000_000)
                await asyncio.sleep(86_400)
                self.assertEqual(dt.datetime.now(dt.UTC) - today, dt.timedelta(days=1, seconds=1))

            loop.run_until_complete(main())
        self.assertLess(time.time() - before, 60)
        wall = WallClock("")
        wall.move_to(5)
        wall.end()

    def test_missing(self) -> None:
        """Without time-machine, or with an old one, there is an error that says so."""
        for found, text in (
            ({"side_effect": metadata.PackageNotFoundError}, "none is"),
            ({"return_value": "2.15.0"}, "2.15.0 is"),
        ):
            with mock.patch.object(metadata, "version", **found):
                with self.assertRaisesRegex(
                    InvalidValueError,
                    rf"needs the package time-machine, 2.16 or later, and {text} installed: "
                    r"pip install 'time-machine>=2.16' \(virtual_clock, .*:\d+\)",
                ):
                    with aio.virtual_clock(wall=True):
                        pass

    def test_refused(self) -> None:
        """If time-machine refuses, its error is raised as ours."""
        with mock.patch.object(time_machine.travel, "start", side_effect=RuntimeError("frozen")):
            with self.assertRaisesRegex(InvalidValueError, r"frozen \(here\)"):
                WallClock("here").begin()

    def test_in_between(self) -> None:
        """A journey in time that the test makes meanwhile does not disturb it."""
        with aio.virtual_clock(wall=True) as loop:

            async def main() -> None:
                start = time.time_ns()
                with time_machine.travel(1000, tick=False):
                    await asyncio.sleep(5)
                    self.assertEqual(time.time(), 1000)
                self.assertEqual(time.time_ns() - start, 5_000_000_000)

            loop.run_until_complete(main())

    def test_somebody_elses(self) -> None:
        """A journey in time that the test has begun, and not ended, goes on after the block."""
        own = time_machine.travel(0, tick=False)
        with aio.virtual_clock(wall=True):
            own.start()
        self.assertEqual(time.time(), 0)
        own.stop()
        self.assertGreater(time.time(), 1e9)
