"""nose2_aio.crowds: what no run of nose2 brings about at will."""

from __future__ import annotations

from typing import Any
from unittest import TestCase, TestSuite, mock

from nose2_aio.batons import LostBatonError
from nose2_aio.crowds import Crowd
from nose2_aio.units import Unit


class Crowds(TestCase):
    """A crowd of one unit, in this thread."""

    def setUp(self) -> None:
        """Have one, of which nothing has begun, and a turn without a baton."""
        suite: Any = TestSuite()
        self.crowd = Crowd(
            [Unit([mock.MagicMock()], suite)],
            width=1,
            here=mock.MagicMock(),
            new_lane=mock.MagicMock(),
            on_layer=mock.MagicMock(),
        )
        self.turn: Any = mock.MagicMock(has_it=False)

    def test_lost(self) -> None:
        """A thread whose baton was taken away ends, and nobody hears of it."""
        self.turn.rest.side_effect = LostBatonError
        self.crowd.is_over = True
        self.crowd._work(self.turn)
        self.assertIsNone(self.crowd.crash)
        self.turn.leave.assert_called_once_with()
        self.turn.give.assert_not_called()

    def test_crash(self) -> None:
        """An error of ours in a thread is known at once, and the baton given away."""
        told: list[int | None] = []
        self.crowd.tell = told.append
        error = self.turn.pass_on.side_effect = ValueError("ours")
        self.turn.has_it = True
        with mock.patch.object(self.crowd, "_run_unit"):
            self.crowd._work(self.turn)
        self.assertIs(self.crowd.crash, error)
        self.assertEqual(told, [None])
        self.turn.give.assert_called_once_with()

    def test_left_behind(self) -> None:
        """What runs on behind its loss is the end of nothing any more."""
        with mock.patch("nose2_aio.crowds.UnitRun") as made:
            made.return_value.side_effect = lambda: vars(self.crowd.recorders[0]).update(
                is_closed=True
            )
            self.crowd._run_unit(0, mock.MagicMock(), mock.MagicMock())
        self.assertFalse(self.crowd.is_done(0))
        self.assertIn(0, self.crowd.running)
