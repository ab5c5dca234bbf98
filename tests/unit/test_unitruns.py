"""nose2_aio.unitruns"""

from __future__ import annotations

from typing import Any
from unittest import TestCase, mock

from nose2_aio.unitruns import UnitRun


class Holding(TestCase):
    """A unit that holds others up."""

    def told(self, *, has_others: bool, place: str = "") -> list[str]:
        """What one tells of itself that has blocked, and stayed."""
        lane: Any = mock.MagicMock()
        lane.keeper.told = {}
        lookout: Any = mock.MagicMock()
        lookout.take_place.return_value = place
        recorder: Any = mock.MagicMock()
        recorder.name = "test_it"
        run = UnitRun(mock.MagicMock(), lane, recorder, lookout, lambda: has_others)
        run.note_blocked(0.51)
        run.note_stayed()
        lookout.take_place.assert_called_once_with()
        return list(lane.keeper.told)

    def test_nobody(self) -> None:
        """Where there is nobody else there is nothing to tell."""
        self.assertEqual(self.told(has_others=False, place="test_it.py:5 in test_it"), [])

    def test_others(self) -> None:
        """It is named, and where it was seen blocking, if it was."""
        blocked = "test_it blocked the loop for 0.5 s, and all others with it"
        for place, line in (
            ("", blocked),
            ("test_it.py:5 in test_it", f"test_it.py:5 in test_it: {blocked}"),
        ):
            first, second = self.told(has_others=True, place=place)
            self.assertEqual(first, line)
            self.assertIn("test_it: it waited for a job or a thread", second)
