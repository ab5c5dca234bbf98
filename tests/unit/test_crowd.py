"""nose2_aio.concurrency and nose2_aio.players: what no run of nose2 brings about at will."""

from __future__ import annotations

import sys
import time
import unittest
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2.session import Session

from nose2_aio import (
    AioPlugin,
    concurrency,
    copies,
    deadlines,
    isolated,
    selecting,
    watched,
)
from nose2_aio.accounts import Account
from nose2_aio.adapters import Adapter
from nose2_aio.alarms import PolledAlarm
from nose2_aio.batons import LostBatonError
from nose2_aio.fixtures import Fixtures
from nose2_aio.interrupts import Interrupts
from nose2_aio.players import Clock
from nose2_aio.scopes import Scopes
from nose2_aio.settings import Settings
from nose2_aio.verdicts import Verdicts


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

    def test_left_behind(self) -> None:
        """What runs on behind its loss is the end of nothing any more."""
        crowd = mock.MagicMock()
        lane = self.lane(crowd)
        crowd.recorder.return_value.is_closed = True
        lane._run(mock.MagicMock(), 0)
        crowd.finish.assert_not_called()

    def test_nothing_to_raise(self) -> None:
        """An alarm that finds nothing to interrupt raises nothing."""
        alarm = PolledAlarm()
        alarm.set((0.0, lambda _: None))
        alarm.poll(None)
        alarm.set(None)

    def test_ignored(self) -> None:
        """Where nobody wants to know of what is lost, nothing is collected."""
        modes = {"never-awaited": "ignore", "never-awaited-mocks": "ignore"}
        settings = Settings(modes=modes)
        scopes = Scopes(settings)
        fixtures = Fixtures(settings, scopes, Interrupts())
        account = Account(settings, is_kept=False)
        adapter = Adapter(settings, scopes, fixtures, Verdicts(settings), account)
        with mock.patch("gc.collect") as collect:
            adapter.collect_rest()
        collect.assert_not_called()


class Copies(TestCase):
    """Copies of test cases."""

    def test_of_the_test(self) -> None:
        """What stands in a test and was made for it is made for the copy."""
        test = unittest.FunctionTestCase(print)
        vars(test)["face"] = partial(print, test, 1)
        vars(test)["other"] = partial(print, 1)
        found = copies.copied(test)
        self.assertIs(vars(found)["face"].args[0], found)
        self.assertEqual(vars(found)["other"].args, (1,))


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

    def test_elsewhere(self) -> None:
        """A loop that was made beside others and runs in another thread gives nothing away."""
        loop: Any = watched.WatchedLoop()
        self.addCleanup(loop.close)
        loop.__nose2_aio__.turn = SimpleNamespace(is_of_this_thread=False)
        with mock.patch.object(selecting, "_RECHECK", 0.001):
            self.assertEqual((loop._selector.select(0), loop._selector.select(None)), ([], []))

    def test_nothing_found(self) -> None:
        """A worker process may have found nothing."""
        plugin = AioPlugin(session=Session())
        plugin._is_replaying = True
        plugin.stopTest(SimpleNamespace(metadata={}))
        self.assertEqual(plugin._told, [])

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
