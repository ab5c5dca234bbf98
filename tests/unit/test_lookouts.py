"""nose2_aio.lookouts"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio import lookouts
from nose2_aio.lookouts import Lookout


class Lookouts(TestCase):
    """A look at a thread in which nothing has a limit."""

    def lookout(self) -> Any:
        return Lookout(mock.MagicMock(), mock.MagicMock(deadline=None), mock.MagicMock())

    def test_goes_on(self) -> None:
        """What was interrupted and goes on isn't stuck."""
        lookout = self.lookout()
        lookout._note_spot(sys._getframe(), RuntimeError)
        with mock.patch.object(lookouts, "_PATIENCE", 0.0):
            time.sleep(0.001)
            lookout.look(sys._getframe(), 0.0)
        self.assertFalse(lookout.is_stuck)
        self.assertIsNone(lookout._spot)

    def test_stuck(self) -> None:
        """What stands where it stood when it was interrupted is."""
        lookout, frame = self.lookout(), sys._getframe()
        lookout._note_spot(frame, RuntimeError)
        lookout._alarm.poll.return_value = False
        with mock.patch.object(lookouts, "_PATIENCE", 0.0):
            time.sleep(0.001)
            lookout.look(SimpleNamespace(f_lasti=0, f_back=None, f_code=frame.f_code), 0.2)
            self.assertEqual((lookout.is_stuck, lookout._spot), (False, None))
            lookout._note_spot(where := SimpleNamespace(f_lasti=3), RuntimeError)
            time.sleep(0.001)
            lookout.look(where, 0.2)
        self.assertTrue(lookout.is_stuck)
        lookout._note_spot(SimpleNamespace(f_lasti=frame.f_lasti), RuntimeError)
        self.assertFalse(lookout.is_stuck)
        lookout._note_spot(None, RuntimeError)
        lookout._note_spot(None, RuntimeError)
        self.assertTrue(lookout.is_stuck)

    def test_error(self) -> None:
        """The error of what is stuck says that its thread was left behind."""
        lookout = self.lookout()
        lookout._note_spot(None, lambda: RuntimeError("late"))
        error = lookout.error()
        self.assertEqual(str(error), "late")
        self.assertIn("its thread was left behind", error.__notes__[0])

    def test_place(self) -> None:
        """Where something blocks is noted once it does so for long, until that is asked for."""
        lookout, frame = self.lookout(), sys._getframe()
        lookout.look(frame, 0.1)
        self.assertEqual(lookout.take_place(), "")
        lookout.look(frame, 0.3)
        self.assertIn("test_lookouts.py", lookout.take_place())
        self.assertEqual(lookout.take_place(), "")
