"""Gives units to workers, and starts workers when there is more to do.

1. A worker that is free gets the next unit of the `Schedule`.
2. While there are fewer workers than allowed, a new one is started for the next unit.
3. If tests are short, a worker gets some units in advance, so that it needn't wait for each.
4. Units that wait in a worker for the end of a long test are taken back when another worker has
   nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nose2_aio.errors import WorkerStartError
from nose2_aio.workers.messages import Assignment
from nose2_aio.workers.schedule import Schedule
from nose2_aio.workers.worker_handle import WorkerHandle

__all__ = ["MAX_IN_ADVANCE", "Dispatcher"]

MAX_IN_ADVANCE = 32
"""How many units a worker gets in advance at most."""
_SECONDS_IN_ADVANCE = 0.02
"""Seconds of work that a worker gets in advance at most."""
_LONG = 0.05
"""Seconds after which a test is so long that no other unit should wait for it."""


class Dispatcher:
    """Gives the units of a schedule to workers."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        schedule: Schedule,
        only: Mapping[int, frozenset[int]],
        *,
        workers: list[WorkerHandle],
        size: int,
        start: Callable[[], WorkerHandle],
        note: Callable[[str], None],
    ) -> None:
        """Give work to up to ``size`` workers.

        ``only`` has the positions of the tests to run, for units of which not all are to run.
        ``workers`` are those that exist; ``start`` starts one and adds it. ``note`` takes a line
        for the end of the run.
        """
        self._schedule = schedule
        self._only = only
        self._workers = workers
        self._size = size
        self._start = start
        self._note = note

    def hand_out(self, seconds: float) -> None:
        """Give units to free workers and to new ones, and some in advance to the others.

        ``seconds`` is how long a test takes on average, 0 if that isn't known.
        """
        if self._schedule.is_empty:
            return
        for worker in self._workers:
            if not worker.is_busy and not self._give_next(worker):
                return
        while len(self._workers) < self._size:
            unit = self._schedule.next()
            if unit is None:
                return
            self._give_new_worker(unit)
        count = self._count_in_advance(seconds)
        for worker in self._workers:
            if len(worker.assignments) <= count // 2:
                self._give_in_advance(worker, count)

    def take_back(self, now: float) -> None:
        """Take back units that wait for the end of a long test, if a worker has nothing to do."""
        workers = self._workers
        is_idle = len(workers) < self._size or not all(worker.is_busy for worker in workers)
        if not (is_idle and self._schedule.is_empty):
            return
        for worker in workers:
            if len(worker.assignments) > 1 and now - worker.state.since > _LONG:
                for assignment in worker.take_back():
                    self._schedule.put_back(assignment.unit)

    def _count_in_advance(self, seconds: float) -> int:
        """Return how many units a worker should have. It is at most a fair share of the rest."""
        if not seconds:
            return 0
        share = self._schedule.count // (2 * self._size)
        return min(int(_SECONDS_IN_ADVANCE / seconds), MAX_IN_ADVANCE, share)

    def _give_next(self, worker: WorkerHandle) -> bool:
        unit = self._schedule.next()
        if unit is not None:
            worker.send(self._assignment(unit))
        return unit is not None

    def _give_new_worker(self, unit: int) -> None:
        """Give a unit to a new worker. If none can be started, go on with those that exist."""
        try:
            worker = self._start()
        except OSError as error:
            self._schedule.put_back(unit)
            self._size = len(self._workers)
            if not self._size:
                raise WorkerStartError(f"no worker process can be started: {error}") from error
            self._note(f"workers: only {self._size} could be started: {error}")
        else:
            worker.send(self._assignment(unit))

    def _give_in_advance(self, worker: WorkerHandle, count: int) -> None:
        """Give a worker units until it has ``count``."""
        assignments: list[Assignment] = []
        while len(worker.assignments) + len(assignments) < count:
            unit = self._schedule.next(is_free=self._size == 1)
            if unit is None:
                break
            assignments.append(self._assignment(unit))
        if assignments:
            worker.send(*assignments)

    def _assignment(self, unit: int) -> Assignment:
        return Assignment(unit, self._only.get(unit))
