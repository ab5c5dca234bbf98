"""The pool of worker processes: hands out units, takes reports, and watches.

One loop in the main thread of the main process does all of it: hand out, wait for a report or for
a moment, watch, deliver.

1. A worker that is free gets the unit that the `schedule` gives. Where units are short it gets
   some more ahead, so that it needn't wait for each. They are taken back where they wait behind a
   long test, and others have nothing to do.
2. What is reported is delivered in the order of the suite (`delivery`).
3. A worker that is stuck beyond its time limit is killed. One that has died, of that or by itself,
   fails the test that ran. The rest of its unit, and what it had ahead, goes to other workers.
4. The first Ctrl-C (or SIGTERM) interrupts the tests that run; their teardown runs. The second one
   kills the workers.
"""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import WorkerStartError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import crashes
from nose2_aio.workers.delivery import Delivery, Receiver
from nose2_aio.workers.messages import Assignment, Call, Event, NeedsTerminal, Refusal, Report
from nose2_aio.workers.output import read_unsent
from nose2_aio.workers.schedule import Schedule
from nose2_aio.workers.worker_handle import WorkerHandle

__all__ = ["Pool", "RunInterval"]

_TICK = 0.05
"""Seconds between two looks at the workers."""
_AHEAD = 0.02
"""Seconds of work that a worker has ahead, in short units."""
_MOST_AHEAD = 32
_LONG = 0.05
"""Seconds after which a test is one that others shouldn't wait behind."""
_NAP = 0.002
"""Seconds in which reports on short tests gather; their workers have enough to do meanwhile."""
_LAST = 5.0
"""Seconds that workers get to end in which nothing is waited for any more."""
_MOST_FALSE_STARTS = 3
_RESUMED = 1.0
"""Seconds after a suspension in which nobody is killed: workers extend their limits meanwhile."""


class RunInterval(NamedTuple):
    """When a test ran, by `time.time`."""

    unit: int
    test: int
    began: float
    ended: float


class Pool:
    """Runs units in worker processes."""

    def __init__(
        self,
        units: Sequence[Unit],
        receiver: Receiver,
        start: Callable[[], WorkerHandle],
        limit_of: Callable[[Any], str],
        size: int,
    ) -> None:
        """Run up to ``size`` units at once.

        ``start`` starts a worker. ``limit_of`` returns the time limit of a test in words;
        of a fixture, for None.
        """
        self.ran: list[RunInterval] = []
        """The tests that have run."""
        self.interrupts = 0
        """How often Ctrl-C came."""
        self._units = units
        self._receiver = receiver
        self._start = start
        self._limit_of = limit_of
        self._size = size
        self._workers: list[WorkerHandle] = []
        self._selector = selectors.DefaultSelector()
        self._schedule = Schedule(units, ())
        self._only: Mapping[int, frozenset[int]] = {}
        self._delivery = Delivery(receiver, ())
        self._began: dict[int, float] = {}
        """When the last test of a unit has begun, by unit."""
        self._length = 0.0
        """Seconds that a test takes, on average, of late."""
        self._interrupted_by: int = signal.SIGINT
        self._seen_interrupts = 0
        self._next_look = 0.0
        self._false_starts = 0
        """How many workers have ended before their first test."""
        self._stops_at = 0.0
        """When the pool ends, whatever still runs; 0: when nothing runs any more."""

    def run(self, order: Iterable[int], only: Mapping[int, frozenset[int]] | None = None) -> None:
        """Run the units with these indexes, in about this order.

        ``only`` has the positions of tests, by unit, where not all of its tests are to run.
        """
        indexes = list(order)
        self._only = only or {}
        self._schedule = Schedule(self._units, indexes, has_others=self._size > 1)
        self._delivery = Delivery(self._receiver, indexes)
        try:
            while not (self._delivery.is_over or self._is_done()):
                self._hand_out()
                self._wait()
                self._check_workers()
                self._delivery.deliver()
            self._dismiss()
            self._delivery.deliver_rest()
        finally:
            self._close()

    def interrupt(self, number: int) -> None:
        """Note SIGINT or SIGTERM. Called in a signal handler."""
        self.interrupts += 1
        self._interrupted_by = number

    def signal(self, number: int) -> None:
        """Send a signal to the workers that run something."""
        for worker in self._workers:
            if worker.is_busy:
                worker.signal(number)

    def close_in_worker(self) -> None:
        """Close the connections of the other workers, in a forked one."""
        for worker in self._workers:
            worker.connection.close()

    def resume(self) -> None:
        """Note that the run goes on that was suspended."""
        self._next_look = monotonic() + _RESUMED

    def running(self) -> list[tuple[str, float]]:
        """Return the ids of the tests that run, and for how many seconds they have."""
        now = monotonic()
        tests = [(self._running_test(worker), worker.state.since) for worker in self._workers]
        return [(test.id(), now - since) for test, since in tests if test is not None]

    def _is_done(self) -> bool:
        """Return True if the run was stopped and nothing that it waits for runs any more."""
        if not self._is_stopping:
            return False
        if not (self.interrupts or self._stops_at):  # -F
            self._stops_at = monotonic() + _LAST
            for worker in self._workers:
                if worker.is_busy and worker.assignments[0].unit != self._delivery.current:
                    worker.signal(signal.SIGINT)
        is_late = 0 < self._stops_at < monotonic()
        return is_late or not any(worker.is_busy for worker in self._workers)

    @property
    def _is_stopping(self) -> bool:
        return self.interrupts > 0 or self._receiver.is_stopped

    def _hand_out(self) -> None:
        """Give units to workers that are free, and short ones ahead to the others."""
        if self._is_stopping:
            self._schedule.clear()
            return
        if self._schedule.is_empty:
            return
        for worker in self._workers:
            if not worker.is_busy and not self._give_next(worker):
                return
        while len(self._workers) < self._size:
            unit = self._schedule.next()
            if unit is None:
                return
            self._give_new(unit)
        ahead = self._ahead()
        for worker in self._workers:
            if len(worker.assignments) <= ahead // 2:
                self._give_ahead(worker, ahead)

    def _ahead(self) -> int:
        """Return how many units a worker is to have: a fair share of what is left at most."""
        if not self._length:
            return 0
        share = self._schedule.count // (2 * self._size)
        return min(int(_AHEAD / self._length), _MOST_AHEAD, share)

    def _give_next(self, worker: WorkerHandle) -> bool:
        unit = self._schedule.next()
        if unit is not None:
            worker.send(self._order(unit))
        return unit is not None

    def _give_new(self, unit: int) -> None:
        """Give a unit to a new worker; if none can be started, go on with those that there are."""
        try:
            worker = self._started()
        except OSError as error:
            self._schedule.put_back(unit)
            self._size = len(self._workers)
            if not self._size:
                raise WorkerStartError(f"no worker process can be started: {error}") from error
            self._receiver.note(f"workers: only {self._size} could be started: {error}")
        else:
            worker.send(self._order(unit))

    def _give_ahead(self, worker: WorkerHandle, count: int) -> None:
        orders: list[Assignment] = []
        while len(worker.assignments) + len(orders) < count:
            unit = self._schedule.next(is_free=self._size == 1)
            if unit is None:
                break
            orders.append(self._order(unit))
        if orders:
            worker.send(*orders)

    def _order(self, unit: int) -> Assignment:
        return Assignment(unit, self._only.get(unit))

    def _started(self) -> WorkerHandle:
        worker = self._start()
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        return worker

    def _wait(self) -> None:
        """Wait for reports, but not for long; take them."""
        if 0 < self._length < _NAP and all(len(one.assignments) > 1 for one in self._workers):
            time.sleep(_NAP)  # or each short test would wake this process
        ready = self._selector.select(_TICK)
        for _ in range(_MOST_AHEAD):
            for key, _ in ready:
                self._receive(key.data)
            ready = self._selector.select(0)
            if not ready:
                return

    def _receive(self, worker: WorkerHandle) -> None:
        try:
            report = worker.receive()
        except Exception:  # it has ended, perhaps in the middle of a report
            self._bury(worker)
            return
        self._take(worker, report)

    def _take(self, worker: WorkerHandle, report: Report) -> None:
        self._add(worker, report.unit, report.events)
        if report.is_interrupted and not (self.interrupts or self._stops_at):
            self.interrupts = 1  # a test has raised KeyboardInterrupt by itself
        if report.is_over and worker.assignments[0].unit == report.unit:
            self._end(worker.assignments.popleft().unit)
            worker.reported.clear()

    def _add(self, worker: WorkerHandle, unit: int, events: Sequence[Event]) -> None:
        """Add what has happened in a unit."""
        self._delivery.add(unit, events)
        for event in events:
            if isinstance(event, Refusal):
                raise WorkerStartError(event.reason)
            if isinstance(event, NeedsTerminal):
                worker.reported.add(event.test)
            elif isinstance(event, Call) and isinstance(event.test, int):
                self._note_time(worker, unit, event.test, event)

    def _note_time(self, worker: WorkerHandle, unit: int, test: int, call: Call) -> None:
        if call.name == "startTest":
            self._began[unit] = call.moment
            worker.started = test
        elif call.name == "stopTest":
            worker.reported.add(test)
            worker.started = None
            ran = RunInterval(unit, test, self._began.get(unit, call.moment), call.moment)
            self.ran.append(ran)
            self._length += (max(ran.ended - ran.began, 1e-4) - self._length) / 8

    def _end(self, unit: int) -> None:
        self._schedule.end(unit)
        self._delivery.end(unit)

    def _check_workers(self) -> None:
        """Look at the workers: who is to be interrupted, who is stuck, who has died."""
        if self.interrupts > self._seen_interrupts:
            self._seen_interrupts = self.interrupts
            for worker in self._workers:
                if self.interrupts > 1:
                    worker.kill(is_stuck=False)
                elif worker.is_busy:
                    worker.signal(self._interrupted_by)
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _TICK
        for worker in list(self._workers):
            if worker.is_being_killed:
                worker.finish_kill()
            elif worker.is_busy and now >= worker.state.kill_at:
                worker.kill(is_stuck=True)
            if not worker.process.is_alive() and not worker.connection.poll():
                self._bury(worker)
        self._take_back(now)

    def _take_back(self, now: float) -> None:
        """Take units back that wait behind a long test, if others have nothing to do."""
        is_idle = len(self._workers) < self._size or not all(w.is_busy for w in self._workers)
        if self._is_stopping or not (is_idle and self._schedule.is_empty):
            return
        for worker in self._workers:
            if len(worker.assignments) > 1 and now - worker.state.since > _LONG:
                for order in worker.take_back():
                    self._schedule.put_back(order.unit)

    def _bury(self, worker: WorkerHandle) -> None:
        """Deal with a worker that has ended."""
        self._workers.remove(worker)
        self._selector.unregister(worker.connection)
        try:
            exit_code = worker.wait()
            if worker.is_busy:
                self._report_death(worker, exit_code)
        finally:
            worker.close()

    def _report_death(self, worker: WorkerHandle, exit_code: int) -> None:
        """Fail the test that ran in a worker that has died; hand its other units out again."""
        order, *ahead = worker.assignments
        for other in reversed(ahead):
            self._schedule.put_back(other.unit)
        if worker.state.unit != order.unit:  # it had not begun
            self._schedule.put_back(order.unit)
            self._note_false_start(worker, exit_code)
            return
        unit, test = self._units[order.unit], self._running_test(worker)
        everything = frozenset(range(len(unit.tests))) if order.tests is None else order.tests
        left = everything - worker.reported - ({worker.state.test} if test else set())
        missed = frozenset[int]()
        if left and not (test or worker.reported):  # its fixtures would die again
            missed = crashes.tests_of_first_class(unit, left)
            left -= missed
        error = crashes.error_for(worker, test, exit_code, self._limit_of(test), len(missed))
        self._add(worker, order.unit, crashes.last_events(worker, unit, test, error))
        self._receiver.note(crashes.lost_teardown_note(test, unit))
        if left and not (self._is_stopping or self._receiver.ends_at_failure):
            # its fixtures are set up again there
            self._started().send(Assignment(order.unit, left))
        else:
            self._end(order.unit)

    def _note_false_start(self, worker: WorkerHandle, exit_code: int) -> None:
        """End the run if workers end before their first test, again and again."""
        self._false_starts += worker.state.unit < 0 and not worker.has_reported
        if self._false_starts == _MOST_FALSE_STARTS:
            output = "".join(text for _, text in read_unsent(worker.folder, worker.state))
            raise WorkerStartError(
                f"a worker process {crashes.describe_exit(exit_code)} before its first test\n{output}"
            )

    def _running_test(self, worker: WorkerHandle) -> Any:
        """Return the test that a worker runs and has not reported; None for none."""
        unit, test = worker.state.unit, worker.state.test
        if not worker.is_busy or worker.assignments[0].unit != unit or test < 0:
            return None
        return None if test in worker.reported else self._units[unit].tests[test]

    def _dismiss(self) -> None:
        """Have the workers end, and take what they still report."""
        for worker in self._workers:
            worker.dismiss()
        end = monotonic() + _LAST
        while self._workers and monotonic() < end and self.interrupts < 2:  # noqa: PLR2004
            self._wait()
            self._check_workers()

    def _close(self) -> None:
        for worker in self._workers:
            worker.kill_now()
            worker.close()
        self._workers.clear()
        self._selector.close()
