"""nose2_aio.running.slow_tests"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import types
from unittest import TestCase, mock

from nose2_aio.running import slow_tests
from nose2_aio.running.slow_tests import Running, SlowTests


class Lines(TestCase):
    """When a line is printed, and what is in it."""

    def setUp(self) -> None:
        """Replace the clock, the alarm and stderr."""
        self.now = 100.0
        self.running: Running | None = Running("it", 100.0)
        self.alarm = mock.Mock(is_signal=True)
        self.enterContext(mock.patch.object(slow_tests, "monotonic", lambda: self.now))
        self.enterContext(mock.patch.object(slow_tests, "Alarm", lambda: self.alarm))
        self.slow = SlowTests(30, lambda: self.running)
        self.read_end, self.slow.descriptor = os.pipe()
        self.addCleanup(os.close, self.read_end)
        self.addCleanup(os.close, self.slow.descriptor)
        self.slow.start(self.now)

    def ring(self, frame: types.FrameType | None = None, delay: float = 0.0) -> str:
        """Let the time pass until the alarm rings; return what is printed."""
        when, ring = self.alarm.set.call_args.args[0]
        self.now = when + delay
        ring(frame)
        os.write(self.slow.descriptor, b".")
        return os.read(self.read_end, 1000).decode()[:-1]

    def test_doubling(self) -> None:
        """A line is printed after 30 seconds, 60, 120, ..."""
        moments = []
        while self.now < 100 + 500:
            text = self.ring()
            if text:
                moments.append(self.now - 100)
                self.assertEqual(
                    text, f"\nit has run for {moments[-1]:g} s: is not in the test's own code\n"
                )
        self.assertEqual(moments, [30, 60, 120, 240, 480])

    def test_late(self) -> None:
        """If the alarm rings late, there is one line, and the next one after twice the time."""
        self.assertIn("it has run for 30 s", self.ring(delay=120))
        self.assertEqual(self.ring(), "")
        while not self.ring():
            pass
        self.assertEqual(self.now, 100 + 240)

    def test_others(self) -> None:
        """What began later gets its line after 30 seconds, too. What began last counts."""
        self.running = None
        self.assertEqual(self.ring(), "")
        self.running = Running("other", self.now + 1)
        self.assertEqual(self.ring(), "")
        self.assertIn("other has run for 30 s", self.ring())
        self.assertEqual(self.now, 131 + 30)

    def test_suspended(self) -> None:
        """The time before a suspension doesn't count."""
        self.now = 120.0
        self.slow.resume()
        self.assertEqual(self.ring(), "")
        self.assertIn("it has run for 30 s", self.ring())
        self.assertEqual(self.now, 150)

    def test_debugger(self) -> None:
        """No line while somebody debugs."""
        with mock.patch.object(slow_tests, "is_debugged", lambda: True):
            self.assertEqual(self.ring(), "")
        frame = mock.Mock(f_globals={"__name__": "pdb"})
        self.assertEqual(self.ring(frame), "")
        self.assertIn("it has run for 30 s", self.ring())

    def test_error(self) -> None:
        """An error in a report doesn't reach the test. The alarm rings again."""
        with mock.patch.object(slow_tests, "_describe", side_effect=ValueError):
            self.assertEqual(self.ring(), "")
        self.assertIn("it has run for 30 s", self.ring())

    def test_lost(self) -> None:
        """It is known from when on the alarm has to be set again."""
        self.assertGreater(self.slow.lost_at, 130)
        self.slow.stop()
        self.alarm.close.assert_called_once_with()
        self.assertEqual(self.slow.lost_at, -math.inf)

    def test_can_print(self) -> None:
        """It needs a number of seconds, and the signal."""
        self.assertTrue(self.slow.can_print)
        self.assertFalse(SlowTests(0, lambda: None).can_print)
        self.alarm.is_signal = False
        self.assertFalse(SlowTests(30, lambda: None).can_print)

    def test_code(self) -> None:
        """The innermost line of code that runs."""
        text = self.ring(sys._getframe())
        self.assertRegex(text, r"30 s: is at \S+/test_slow_tests.py:\d+ in test_code  text = ")

    def test_foreign_loop(self) -> None:
        """A loop on which none of our tasks runs."""

        async def ring() -> str:
            return self.ring()

        self.assertIn("is not in the test's own code", asyncio.run(ring()))
