"""nose2_aio.eventloop.selector"""

from __future__ import annotations

from typing import Any
from unittest import TestCase, mock

from nose2_aio.eventloop import event_loops, selector


class Recheck(TestCase):
    """A loop that a thread or a process may still wake."""

    def test_recheck(self) -> None:
        """It waits for a limited time and looks again: the thread may end without an event."""
        loop: Any = event_loops.InstrumentedLoop()
        self.addCleanup(loop.close)
        loop.__nose2_aio__.on_deadlock = self.fail
        with (
            mock.patch.object(selector, "_RECHECK", 0.001),
            mock.patch.object(selector.wakeup_sources, "process_can_wake", return_value=True),
        ):
            self.assertEqual((loop._selector.select(0), loop._selector.select(None)), ([], []))
