"""nose2_aio.selecting: what needs several threads with loops"""

from __future__ import annotations

import selectors
import socket
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio import selecting, watched
from nose2_aio.selecting import WatchedSelector
from nose2_aio.watches import Watch


class Elsewhere(TestCase):
    """A loop that runs in another thread than it was made in."""

    def test_elsewhere(self) -> None:
        """It gives no baton away."""
        loop: Any = watched.WatchedLoop()
        self.addCleanup(loop.close)
        loop.__nose2_aio__.turn = SimpleNamespace(is_of_this_thread=False)
        loop.__nose2_aio__.on_deadlock = self.fail
        with (
            mock.patch.object(selecting, "_RECHECK", 0.001),
            mock.patch.object(selecting.wakers, "process_can_wake", return_value=True),
        ):
            self.assertEqual((loop._selector.select(0), loop._selector.select(None)), ([], []))


class Idle(TestCase):
    """A loop gives its turn away where it would wait."""

    def setUp(self) -> None:
        """Have a selector in a turn, and a file of its loop's."""
        self.selector = WatchedSelector()
        self.addCleanup(self.selector.close)
        self.watch = self.selector.watch = Watch()
        self.turn: Any = mock.MagicMock(is_interrupted=False)
        self.turn.is_due.return_value = self.turn.occupant.stays.return_value = False
        self.turn.sleep.return_value = 0.5
        self.watch.turn = self.turn
        reads, self.writes = socket.socketpair()
        self.addCleanup(reads.close)
        self.addCleanup(self.writes.close)
        self.selector.register(reads, selectors.EVENT_READ)

    def test_ready(self) -> None:
        """One for which there are events already doesn't."""
        self.writes.send(b"x")
        self.assertEqual(len(self.selector.wait(None)), 1)
        self.turn.sleep.assert_not_called()
        self.turn.pass_on.assert_not_called()

    def test_busy(self) -> None:
        """But that does too, once it has run for long."""
        self.writes.send(b"x")
        self.turn.is_due.return_value = True
        self.turn.pass_on.return_value = 0.25
        with mock.patch("asyncio.get_running_loop"):
            self.assertEqual(len(self.selector.wait(None)), 1)
        self.turn.sleep.assert_not_called()
        self.assertEqual(self.watch.held_up, 0.25)

    def test_idle(self) -> None:
        """One that has nothing to do sleeps; for how long others have held it up is noted."""
        with mock.patch("asyncio.get_running_loop"):
            self.assertEqual(self.selector.wait(3.0), [])
        self.turn.sleep.assert_called_once()
        self.assertEqual(self.watch.held_up, 0.5)
