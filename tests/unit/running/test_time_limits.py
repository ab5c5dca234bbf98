"""nose2_aio.running.time_limits, nose2_aio.eventloop.alarms"""

from __future__ import annotations

import signal
import sys
import threading
import time
import types
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio.cases.isolated import IsolatedCases
from nose2_aio.errors import TimeLimitError
from nose2_aio.eventloop import alarms, selector
from nose2_aio.eventloop.alarms import Alarm, Overrun
from nose2_aio.introspection import debuggers
from nose2_aio.running import time_limits
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.time_limits import TimeLimits

OWN = (selector.__name__,)
"""Modules that are told by their identity."""
SOON = Limit(0.01, "here")


def compute() -> int:
    """Run C code that a signal can't interrupt."""
    return sum(range(5_000_000))


def free_alarm(case: TestCase) -> None:
    """Release the alarm signal for a test. This run may use it for its own limits."""
    case.addCleanup(signal.signal, alarms.SIGNAL, signal.signal(alarms.SIGNAL, signal.SIG_DFL))
    case.enterContext(mock.patch.object(alarms, "process_alarms", alarms.ProcessAlarms()))


class Limits(TestCase):
    """Time limits."""

    def setUp(self) -> None:
        """Create time limits, and release the signal."""
        free_alarm(self)
        self.time_limits = TimeLimits()
        self.addCleanup(self.time_limits.close)

    def test_postpone(self) -> None:
        """A suspension moves the deadline, also where no slow tests are told."""
        self.time_limits.postpone(1)
        self.time_limits.begin(Limit(5, "outer"))
        assert self.time_limits.deadline is not None
        before = self.time_limits.deadline.when
        self.time_limits.postpone(1)
        self.assertEqual(self.time_limits.deadline.when, before + 1)

    def test_within(self) -> None:
        """After an inner limit, the outer one applies again."""
        self.time_limits.begin(Limit(5, "outer"))
        outer = self.time_limits.deadline
        with self.time_limits.within(SOON) as deadline:
            assert deadline is not None
            self.assertEqual(deadline.limit, SOON)
        self.assertIs(self.time_limits.deadline, outer)
        self.time_limits.end()
        self.assertIsNone(self.time_limits.deadline)

    def test_interrupts(self) -> None:
        """Code that blocks is interrupted and reported."""
        self.time_limits.begin(SOON)
        with self.assertRaises(Overrun) as caught:
            time.sleep(5)
        error = self.time_limits.as_time_limit_error(caught.exception)
        self.assertIsInstance(error, TimeLimitError)
        self.assertIn("It runs here:", str(error))
        self.assertIs(self.time_limits.as_time_limit_error(error), error)

    def test_extended(self) -> None:
        """The alarm follows the deadline, also when that is extended or lifted."""
        self.time_limits.begin(SOON)
        deadline = self.time_limits.deadline
        assert deadline is not None
        deadline.extend(0.2)
        time.sleep(0.15)
        self.assertEqual(deadline.interrupted, 0)
        with mock.patch.object(time_limits, "is_debugged", lambda: True):
            time.sleep(0.25)
        self.assertEqual((deadline.interrupted, deadline.when), (0, float("inf")))

    def test_nothing_limited(self) -> None:
        """An alarm that comes too late does nothing."""
        self.assertIsNone(self.time_limits._interrupt(None))

    def test_nothing_of_ours(self) -> None:
        """Our code, nose2's and the loop's is not interrupted."""

        def frame(name: str, filename: str, back: Any = None, made: Any = None) -> Any:
            made = made or types.SimpleNamespace(co_filename=filename)
            names = vars(sys.modules[name]) if name in OWN else {"__name__": name}
            return types.SimpleNamespace(f_code=made, f_globals=names, f_back=back)

        user = frame("tests.test_x", "/somewhere/test_x.py")
        ours = frame("nose2_aio.running.runner", "/lib/nose2_aio/runners.py", back=user)
        calls = frame("nose2_aio", "/d.py", made=time_limits.call_users_code.__code__)
        hook = frame("nose2_aio", "/d.py", made=IsolatedCases._call.__code__)
        for stack, is_awaiting, expected in (
            (None, False, False),
            (hook, False, False),
            (frame("unittest.case", unittest_file(), back=hook), False, True),
            (user, True, True),
            (frame("unittest.case", unittest_file(), back=user), False, True),
            (frame("json", unittest_file(), back=user), False, True),
            (frame("abc", "<frozen abc>", back=ours), False, False),
            (ours, False, False),
            (frame("nose2.result", "/lib/nose2/result.py", back=user), False, False),
            (frame("asyncio.events", unittest_file(), back=user), True, False),
            (frame("asyncio.events", unittest_file(), back=user), False, True),
            (frame("nose2_aio.eventloop.selector", "/w.py", back=user), False, True),
            (calls, False, True),
        ):
            found = time_limits._is_interruptible(stack, is_awaiting=is_awaiting)
            self.assertIs(found, expected, stack)

    def test_in_debugger(self) -> None:
        """An active debugger, also in another thread, is recognized by its stack."""
        outer = SimpleNamespace(f_back=None, f_globals={"__name__": "test_it"}, f_code=None)
        inner = SimpleNamespace(f_back=outer, f_globals={"__name__": "pdb"}, f_code=None)
        self.assertTrue(debuggers.is_in_debugger(inner))  # type: ignore[arg-type]
        self.assertFalse(debuggers.is_in_debugger(outer))  # type: ignore[arg-type]

    def test_in_thread(self) -> None:
        """Time limits work in other threads too."""
        errors: list[BaseException] = []

        def spins() -> None:
            time_limits = TimeLimits()
            time_limits.begin(SOON)
            try:
                while True:
                    time.sleep(0.001)
            except BaseException as error:
                errors.append(time_limits.as_time_limit_error(error))
            finally:
                time_limits.close()

        thread = threading.Thread(target=spins)
        thread.start()
        thread.join()
        self.assertIsInstance(errors[0], TimeLimitError)


def unittest_file() -> str:
    """Return a file of the standard library."""
    return str(types.__file__)


class Alarms(TestCase):
    """The alarm."""

    def setUp(self) -> None:
        """Release the signal."""
        free_alarm(self)

    def test_reset(self) -> None:
        """The next alarm sets the handler again if the tested code has reset it."""
        alarm = Alarm()
        for handler in (signal.SIG_DFL, signal.SIG_IGN, lambda *_: None):
            alarm.set((time.monotonic() + 5, self.fail))
            signal.signal(alarms.SIGNAL, handler)
            alarm.set(None)
            self.assertIs(signal.getsignal(alarms.SIGNAL), handler)
            alarm.set((time.monotonic() + 5, self.fail))
            self.assertIs(signal.getsignal(alarms.SIGNAL), alarms.process_alarms.handler)
        alarm.close()
        self.assertIs(signal.getsignal(alarms.SIGNAL), signal.SIG_DFL)
        alarm.close()

    def test_several(self) -> None:
        """Several alarms share the timer: each rings at its time. One may raise an error."""
        rings: list[float] = []
        first, second, third = Alarm(), Alarm(), Alarm()

        def ring(_: object) -> None:
            rings.append(time.monotonic())

        def fail(_: object) -> Exception:
            return ValueError("rings")

        begin = time.monotonic()
        second.set((begin + 0.04, fail))
        first.set((begin + 0.02, ring))
        third.set((begin + 0.04, ring))
        with self.assertRaisesRegex(ValueError, "rings"):
            time.sleep(5)
        self.assertEqual(len(rings), 2)
        self.assertGreaterEqual(rings[0], begin + 0.02)
        self.assertGreaterEqual(rings[1], begin + 0.04)
        first.set((time.monotonic() + 5, ring))
        second.close()
        self.assertIs(signal.getsignal(alarms.SIGNAL), alarms.process_alarms.handler)
        first.close()
        self.assertIs(signal.getsignal(alarms.SIGNAL), signal.SIG_DFL)

    def test_fork(self) -> None:
        """A child process that is forked has neither the handler nor the alarms."""
        alarm = Alarm()
        alarm.set((time.monotonic() + 5, self.fail))
        alarms.process_alarms.forget()
        self.assertIs(signal.getsignal(alarms.SIGNAL), signal.SIG_DFL)
        alarm.set((time.monotonic() + 5, self.fail))
        self.assertIs(signal.getsignal(alarms.SIGNAL), alarms.process_alarms.handler)
        alarm.close()

    def test_no_timer(self) -> None:
        """Where the system has no timer of our own, a thread sends the signal."""
        with mock.patch.object(alarms, "_LIBRARY", object()):
            alarms.process_alarms.forget()
            alarm = Alarm()
            self.addCleanup(alarm.close)
            alarm.set((time.monotonic() + 5, self.fail))
            with self.assertRaisesRegex(Overrun, "now"):
                alarm.set((time.monotonic() + 0.01, lambda _: Overrun("now")))
                time.sleep(5)

    def test_delay(self) -> None:
        """An alarm that C code delays says by how much."""
        alarm = Alarm()
        self.addCleanup(alarm.close)
        alarm.set((time.monotonic() + 0.01, lambda _: Overrun("now")))
        with self.assertRaisesRegex(Overrun, "now"):
            compute()
        self.assertGreater(alarm.delay, 0.02)

    def test_nothing_to_raise(self) -> None:
        """The alarm's callback may return no error. The alarm rings once."""
        rings: list[object] = []
        alarm = Alarm()
        self.addCleanup(alarm.close)
        alarm.set((time.monotonic() + 0.01, lambda frame: rings.append(frame)))  # type: ignore[func-returns-value]
        time.sleep(0.03)
        self.assertEqual(len(rings), 1)
        self.assertIsNone(alarm.call(None))

    def test_in_thread(self) -> None:
        """In another thread, a thread of ours waits instead."""
        rings: list[object] = []

        def sleeps() -> None:
            alarm = Alarm()
            alarm.set((time.monotonic() + 5, self.fail))
            alarm.set((time.monotonic() + 0.01, rings.append))
            time.sleep(0.05)
            alarm.close()

        thread = threading.Thread(target=sleeps)
        thread.start()
        thread.join()
        self.assertEqual(len(rings), 1)
