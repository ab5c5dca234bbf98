"""nose2_aio.workers.dispatch"""

from __future__ import annotations

from collections import deque
from typing import Any
from unittest import TestCase, mock

from nose2_aio.suites.units import Unit
from nose2_aio.workers.dispatch import Dispatcher
from nose2_aio.workers.messages import Assignment
from nose2_aio.workers.schedule import Schedule


class Dispatch(TestCase):
    """A schedule of four units and two workers."""

    def setUp(self) -> None:
        units = [Unit([], None) for _ in range(4)]
        self.schedule = Schedule(units, range(4))
        self.workers: list[Any] = []
        self.dispatcher = Dispatcher(
            self.schedule, {}, workers=self.workers, size=2, start=mock.Mock(), note=mock.Mock()
        )

    def test_nothing_in_advance(self) -> None:
        """A worker gets nothing in advance if no unit may start."""
        self.schedule.clear()
        worker: Any = mock.Mock(assignments=deque())
        self.dispatcher._give_in_advance(worker, 3)
        worker.send.assert_not_called()

    def test_take_back(self) -> None:
        """Units that wait for a long test go to a worker that has nothing to do."""
        assignments = [Assignment(self.schedule.next() or 0, number=n) for n in range(4)]
        busy: Any = mock.Mock(assignments=deque(assignments[:3]), is_busy=True)
        busy.state.since = 10.0
        busy.take_back.return_value = assignments[1:3]
        other: Any = mock.Mock(assignments=deque(assignments[3:]), is_busy=True)
        self.workers += [busy, other]
        self.dispatcher.take_back(20.0)
        busy.take_back.assert_not_called()  # no worker is idle
        other.assignments, other.is_busy = deque(), False
        self.dispatcher.take_back(10.01)
        busy.take_back.assert_not_called()  # the test has not run for long
        self.dispatcher.take_back(20.0)
        other.take_back.assert_not_called()
        self.assertEqual([self.schedule.next() for _ in range(3)], [1, 2, None])
