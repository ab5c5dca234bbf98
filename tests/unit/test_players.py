"""nose2_aio.players"""

from __future__ import annotations

import time
from unittest import TestCase

from nose2_aio.players import Clock


class Clocks(TestCase):
    """The clock of plugins."""

    def test_clock(self) -> None:
        """It has all but the time from `time`."""
        clock = Clock()
        self.assertIs(clock.monotonic, time.monotonic)
        clock.moment = 5.0
        self.assertEqual(clock.time(), 5.0)
