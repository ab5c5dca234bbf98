"""The pool of worker processes. It gives them units, receives their reports, and watches them.

One loop in the main thread of the main process repeats these steps:

1. Give units to workers (`dispatch`).
2. Wait for reports, for a short time.
3. Check the workers. A worker beyond its time limit is killed. If a worker has died, of that or by
   itself, the test that it ran fails. Other workers get the rest of its unit and its other units.
4. Deliver the events in the reports, in the order of the suite (`delivery`).

The first Ctrl-C or SIGTERM interrupts the tests that run, so that their teardown still runs. The
second one kills the workers.
"""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import WorkerStartError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import crashes
from nose2_aio.workers.delivery import Delivery, Receiver
from nose2_aio.workers.dispatch import MAX_IN_ADVANCE, Dispatcher
from nose2_aio.workers.intervals import RunIntervals
from nose2_aio.workers.messages import Assignment, Call, Event, NeedsTerminal, Refusal, Report
from nose2_aio.workers.output import read_unsent
from nose2_aio.workers.schedule import Schedule
from nose2_aio.workers.worker_handle import WorkerHandle

__all__ = ["Pool"]

_CHECK_INTERVAL = 0.05
"""Seconds between two checks of the workers."""
_NAP = 0.002
"""Seconds to let reports on short tests gather. Their workers have more units meanwhile."""
_LAST_CHANCE = 5.0
"""Seconds that workers get to end when nothing waits for them any more."""
_MAX_FALSE_STARTS = 3
_PAUSE_AFTER_RESUME = 1.0
"""Seconds after a suspension in which no worker is killed: workers extend their limits then."""


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
        """Run up to ``size`` units at the same time.

        ``start`` starts a worker. ``limit_of`` returns the time limit of a test in words; that of
        a fixture if it gets None.
        """
        self.intervals = RunIntervals()
        """When the tests ran that have ended."""
        self.interrupts = 0
        """How often Ctrl-C came."""
        self._units = units
        self._receiver = receiver
        self._start = start
        self._limit_of = limit_of
        self._size = size
        self._workers: list[WorkerHandle] = []
        self._selector = selectors.DefaultSelector()
        self._interrupted_by: int = signal.SIGINT
        self._handled_interrupts = 0
        self._next_check = 0.0
        self._false_starts = 0
        """How many workers have ended before their first test."""
        self._ends_at = 0.0
        """When the pool ends though workers are busy; 0 if it waits for them."""
        self._begin((), {})

    def run(self, order: Iterable[int], only: Mapping[int, frozenset[int]] | None = None) -> None:
        """Run the units with these indexes, in about this order.

        ``only`` has the positions of the tests to run, for units of which not all are to run.
        """
        self._begin(list(order), only or {})
        try:
            while not (self._delivery.is_over or self._is_done()):
                if self._is_stopping:
                    self._schedule.clear()
                else:
                    self._dispatcher.hand_out(self.intervals.average)
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
        """Send a signal to the workers that are busy."""
        for worker in self._workers:
            if worker.is_busy:
                worker.signal(number)

    def close_in_worker(self) -> None:
        """Close the connections of the other workers. Called in a forked worker."""
        for worker in self._workers:
            worker.connection.close()

    def resume(self) -> None:
        """Note that the run goes on after a suspension."""
        self._next_check = monotonic() + _PAUSE_AFTER_RESUME

    def running(self) -> list[tuple[str, float]]:
        """Return the ids of the tests that run, and for how many seconds they have run."""
        now = monotonic()
        tests = [(self._running_test(worker), worker.state.since) for worker in self._workers]
        return [(test.id(), now - since) for test, since in tests if test is not None]

    def _begin(self, order: Sequence[int], only: Mapping[int, frozenset[int]]) -> None:
        self._schedule = Schedule(self._units, order, has_others=self._size > 1)
        self._delivery = Delivery(self._receiver, order)
        self._dispatcher = Dispatcher(
            self._schedule,
            only,
            workers=self._workers,
            size=self._size,
            start=self._start_worker,
            note=self._receiver.note,
        )

    def _start_worker(self) -> WorkerHandle:
        worker = self._start()
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)
        return worker

    @property
    def _is_stopping(self) -> bool:
        return self.interrupts > 0 or self._receiver.is_stopped

    def _is_done(self) -> bool:
        """Return True if the run was stopped and need not wait for any worker."""
        if not self._is_stopping:
            return False
        if not (self.interrupts or self._ends_at):  # -F
            self._ends_at = monotonic() + _LAST_CHANCE
            for worker in self._workers:
                if worker.is_busy and worker.assignments[0].unit != self._delivery.current:
                    worker.signal(signal.SIGINT)
        is_late = 0 < self._ends_at < monotonic()
        return is_late or not any(worker.is_busy for worker in self._workers)

    def _wait(self) -> None:
        """Wait for reports, at most until the next check, and take them."""
        has_more = all(len(worker.assignments) > 1 for worker in self._workers)
        if 0 < self.intervals.average < _NAP and has_more:
            time.sleep(_NAP)  # else each short test would wake this process
        ready = self._selector.select(_CHECK_INTERVAL)
        for _ in range(MAX_IN_ADVANCE):
            for key, _ in ready:
                self._receive(key.data)
            ready = self._selector.select(0)
            if not ready:
                return

    def _receive(self, worker: WorkerHandle) -> None:
        try:
            report = worker.receive()
        except Exception:  # the worker has ended, maybe in the middle of a report
            self._remove(worker)
            return
        self._take(worker, report)

    def _take(self, worker: WorkerHandle, report: Report) -> None:
        self._add(worker, report.unit, report.events)
        if report.is_interrupted and not (self.interrupts or self._ends_at):
            self.interrupts = 1  # a test has raised KeyboardInterrupt by itself
        if report.is_over and worker.assignments[0].unit == report.unit:
            self._end(worker.assignments.popleft().unit)
            worker.reported.clear()

    def _add(self, worker: WorkerHandle, unit: int, events: Sequence[Event]) -> None:
        """Add the events of a unit to those that are delivered."""
        self._delivery.add(unit, events)
        for event in events:
            if isinstance(event, Refusal):
                raise WorkerStartError(event.reason)
            if isinstance(event, NeedsTerminal):
                worker.reported.add(event.test)
            elif isinstance(event, Call) and isinstance(event.test, int):
                self._note_progress(worker, unit, event.test, event)

    def _note_progress(self, worker: WorkerHandle, unit: int, test: int, call: Call) -> None:
        if call.name == "startTest":
            self.intervals.begin(unit, call)
            worker.started = test
        elif call.name == "stopTest":
            self.intervals.end(unit, test, call)
            worker.reported.add(test)
            worker.started = None

    def _end(self, unit: int) -> None:
        self._schedule.end(unit)
        self._delivery.end(unit)

    def _check_workers(self) -> None:
        """Interrupt workers after Ctrl-C, kill those that are stuck, remove those that died."""
        if self.interrupts > self._handled_interrupts:
            self._interrupt_workers()
        now = monotonic()
        if now < self._next_check:
            return
        self._next_check = now + _CHECK_INTERVAL
        for worker in list(self._workers):
            if worker.is_being_killed:
                worker.finish_kill()
            elif worker.is_busy and now >= worker.state.kill_at:
                worker.kill(is_stuck=True)
            if not worker.process.is_alive() and not worker.connection.poll():
                self._remove(worker)
        if not self._is_stopping:
            self._dispatcher.take_back(now)

    def _interrupt_workers(self) -> None:
        self._handled_interrupts = self.interrupts
        for worker in self._workers:
            if self.interrupts > 1:
                worker.kill(is_stuck=False)
            elif worker.is_busy:
                worker.signal(self._interrupted_by)

    def _remove(self, worker: WorkerHandle) -> None:
        """Remove a worker that has ended. If it was busy, report its death."""
        self._workers.remove(worker)
        self._selector.unregister(worker.connection)
        try:
            exit_code = worker.wait()
            if worker.is_busy:
                self._report_death(worker, exit_code)
        finally:
            worker.close()

    def _report_death(self, worker: WorkerHandle, exit_code: int) -> None:
        """Fail the test that a dead worker ran; give its other tests to other workers."""
        assignment, *others = worker.assignments
        for other in reversed(others):
            self._schedule.put_back(other.unit)
        if worker.state.unit != assignment.unit:  # it had not begun
            self._schedule.put_back(assignment.unit)
            self._note_false_start(worker, exit_code)
            return
        unit, test = self._units[assignment.unit], self._running_test(worker)
        tests = assignment.tests
        everything = frozenset(range(len(unit.tests))) if tests is None else tests
        left = everything - worker.reported - ({worker.state.test} if test else set())
        missed = frozenset[int]()
        if left and not (test or worker.reported):  # the fixtures of these would kill the next one
            missed = crashes.same_class_as_first(unit, left)
            left -= missed
        error = crashes.error_for(worker, test, exit_code, self._limit_of(test), len(missed))
        self._add(worker, assignment.unit, crashes.last_events(worker, unit, test, error))
        if left and not (self._is_stopping or self._receiver.ends_at_failure):
            # the new worker sets up the fixtures again
            self._start_worker().send(Assignment(assignment.unit, left))
        else:
            self._end(assignment.unit)

    def _note_false_start(self, worker: WorkerHandle, exit_code: int) -> None:
        """End the run if several workers have ended before their first test."""
        self._false_starts += worker.state.unit < 0 and not worker.has_reported
        if self._false_starts == _MAX_FALSE_STARTS:
            how = crashes.describe_exit(exit_code)
            output = "".join(text for _, text in read_unsent(worker.folder, worker.state))
            raise WorkerStartError(f"a worker process {how} before its first test\n{output}")

    def _running_test(self, worker: WorkerHandle) -> Any:
        """Return the test that a worker runs and has not reported; None if there is none."""
        unit, test = worker.state.unit, worker.state.test
        if not worker.is_busy or worker.assignments[0].unit != unit or test < 0:
            return None
        return None if test in worker.reported else self._units[unit].tests[test]

    def _dismiss(self) -> None:
        """Tell the workers to end, and take their last reports."""
        for worker in self._workers:
            worker.dismiss()
        end = monotonic() + _LAST_CHANCE
        while self._workers and monotonic() < end and self.interrupts < 2:  # noqa: PLR2004
            self._wait()
            self._check_workers()

    def _close(self) -> None:
        for worker in self._workers:
            worker.kill_now()
            worker.close()
        self._workers.clear()
        self._selector.close()
