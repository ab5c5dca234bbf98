"""nose2_aio.crowds: what no run of nose2 brings about at will."""

from __future__ import annotations

from typing import Any
from unittest import TestCase, TestSuite, mock

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

    def test_closed(self) -> None:
        """A thread that comes for its next unit when all is over ends, and isn't waited for."""
        self.crowd.close()
        self.turn.has_it = True
        self.crowd._work(self.turn)
        self.assertIsNone(self.crowd.crash)
        self.turn.rest.assert_not_called()
        self.turn.leave.assert_called_once_with()
        self.turn.end.assert_called_once_with()

    def test_closed_beside_others(self) -> None:
        """Where some are left behind, they can still give the baton away, to nobody."""
        baton = self.crowd.baton
        self.crowd.running[0] = mock.MagicMock()
        for is_closed in False, True:
            with mock.patch.object(baton, "close") as closed:
                self.crowd.close()
            self.assertEqual(closed.called, is_closed)
            self.crowd.running.clear()
        baton.close()

    def test_few_threads(self) -> None:
        """Where no more threads can be started, as many run as there are; one there has to be."""
        told = self.crowd._here.main.keeper.told = {}
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("can't start")):
            with self.assertRaises(RuntimeError):
                self.crowd._spare()
            self.crowd._width = 9
            self.crowd._threads[self.turn] = mock.MagicMock()
            self.assertIsNone(self.crowd._spare())
        self.assertEqual(self.crowd._width, 1)
        self.assertIn("at most 1 tests ran at once", "".join(told))

    def test_goes_on(self) -> None:
        """What has given the baton away meanwhile is not given up."""
        run: Any = mock.MagicMock(turn=self.turn)
        self.crowd.lose(run)
        self.assertFalse(self.turn.is_lost)
        run.recorder.lose.assert_not_called()

    def test_crash(self) -> None:
        """An error of ours in a thread is known at once, and the baton given away."""
        told: list[int | None] = []
        self.crowd.tell = told.append
        error = self.turn.is_due.side_effect = ValueError("ours")
        self.turn.has_it = True
        with mock.patch.object(self.crowd, "_run_unit"):
            self.crowd._work(self.turn)
        self.assertIs(self.crowd.crash, error)
        self.assertEqual(told, [None])
        self.turn.end.assert_called_once_with()

    def test_left_behind(self) -> None:
        """What runs on behind its loss is the end of nothing any more."""
        with mock.patch("nose2_aio.crowds.UnitRun") as made:
            made.return_value.side_effect = lambda: vars(self.crowd.recorders[0]).update(
                is_closed=True
            )
            self.crowd._run_unit(0, mock.MagicMock(), mock.MagicMock())
        self.assertFalse(self.crowd.is_done(0))
        self.assertIn(0, self.crowd.running)
