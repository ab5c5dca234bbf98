"""nose2_aio.concurrency and nose2_aio.players: what no run of nose2 brings about at will."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio import concurrency, deadlines, isolated
from nose2_aio.batons import LostBatonError
from nose2_aio.players import Clock


class Lanes(TestCase):
    """A lane and its thread."""

    def lane(self, crowd: Any) -> Any:
        """Return one that has not begun."""
        return concurrency._Lane(crowd, mock.MagicMock(has_it=False, loop=None), 0)

    def test_lost(self) -> None:
        """One whose baton was taken away ends, and nobody hears of it."""
        crowd = mock.MagicMock()
        crowd.begin.side_effect = LostBatonError
        lane = self.lane(crowd)
        lane._main()
        crowd.crash.assert_not_called()
        lane.turn.leave.assert_called_once_with()

    def test_not_begun(self) -> None:
        """One whose thread has not come so far is looked at in vain, and runs nothing."""
        lane = self.lane(mock.MagicMock())
        lane.look(sys._getframe(), 10.0)
        lane._leave()
        lane._return()
        lane._note_stayed()
        lane._note_blocked(1.0)
        self.assertFalse(lane._stays(True))
        self.assertEqual(lane.running(), ("", 0.0))

    def test_goes_on(self) -> None:
        """What was interrupted and goes on isn't stuck; what stands where it stood is."""
        lane = self.lane(mock.MagicMock())
        lane._lane = mock.MagicMock()
        lane._lane.keeper.deadline = None
        lane._alarm = mock.MagicMock()
        frame = sys._getframe()
        with mock.patch.object(concurrency, "_PATIENCE", 0.0):
            for seconds, is_stuck in ((0.0, False), (9.0, True)):
                lane._spot, lane.is_stuck = None, False
                lane._note_spot(frame, RuntimeError)
                where = lane._spot.where
                time.sleep(0.001)
                with mock.patch.object(lane, "_note_spot") as noted:
                    lane.look(frame, seconds)
                self.assertEqual(noted.called, is_stuck)
                if is_stuck:
                    lane._spot = lane._spot._replace(where=where)
                    lane._note_spot(SimpleNamespace(f_lasti=frame.f_lasti), RuntimeError)
                    self.assertFalse(lane.is_stuck)
                    lane._note_spot(None, RuntimeError)
                    lane._note_spot(None, RuntimeError)
                    self.assertTrue(lane.is_stuck)

    def test_error(self) -> None:
        """The error of a stuck test says that its thread was left behind."""
        lane = self.lane(mock.MagicMock())
        lane._note_spot(None, lambda: RuntimeError("late"))
        error = lane.error()
        self.assertEqual(str(error), "late")
        self.assertIn("its thread was left behind", error.__notes__[0])


class Files(TestCase):
    """How many tests can run at once with the files that may be open."""

    def test_affordable(self) -> None:
        """As many as are wanted, unless there is a limit; at least one."""
        told: dict[str, None] = {}
        with mock.patch.object(concurrency, "_LIMITS", None):
            self.assertEqual(concurrency._affordable(500, told), 500)
        limits = mock.MagicMock(RLIM_INFINITY=-1)
        for most, expected in ((-1, 500), (10_000, 500), (100, 17), (3, 1)):
            limits.getrlimit.return_value = most, most
            with mock.patch.object(concurrency, "_LIMITS", limits):
                self.assertEqual(concurrency._affordable(500, told), expected)
        self.assertEqual(len(told), 2)


class Others(TestCase):
    """What goes with it."""

    def test_clock(self) -> None:
        """The clock of plugins has all else from `time`."""
        clock = Clock()
        self.assertIs(clock.monotonic, time.monotonic)
        clock.moment = 5.0
        self.assertEqual(clock.time(), 5.0)

    def test_debugger_elsewhere(self) -> None:
        """A debugger at work in another thread is known by its stack."""
        outer = SimpleNamespace(f_back=None, f_globals={"__name__": "test_it"}, f_code=None)
        inner = SimpleNamespace(f_back=outer, f_globals={"__name__": "pdb"}, f_code=None)
        self.assertTrue(deadlines._is_in_debugger(inner))  # type: ignore[arg-type]
        self.assertFalse(deadlines._is_in_debugger(outer))  # type: ignore[arg-type]

    def test_isolated_between(self) -> None:
        """Ctrl-C where no test of IsolatedAsyncioTestCase's runs is raised there."""
        guard = isolated._Guard(TestCase(), mock.MagicMock(), mock.MagicMock(), is_checked=True)
        with self.assertRaises(KeyboardInterrupt):
            guard._stop()
