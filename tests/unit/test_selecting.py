"""nose2_aio.selecting: what needs several threads with loops"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio import selecting, watched


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
