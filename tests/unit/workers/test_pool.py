"""nose2_aio.workers.pool"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import FrameSummary
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import WorkerStartError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import pool
from nose2_aio.workers.messages import (
    Assignment,
    Call,
    Event,
    NeedsTerminal,
    Refusal,
    Report,
    WorkerState,
)

Script = Callable[["Worker", Assignment], Iterator["Report | str"]]


class Case(TestCase):
    def one(self) -> None: ...


def unit(count: int = 1, **given: Any) -> Unit:
    return Unit([Case("one") for _ in range(count)], None, **given)


def ran(scope_key: int, moment: float = 0.0, seconds: float = 1.0) -> list[Event]:
    """The events of a test that passes."""
    return [
        Call("startTest", scope_key, (), moment),
        Call("addSuccess", scope_key, (), moment),
        Call("stopTest", scope_key, (), moment + seconds),
    ]


class Worker:
    """Replaces a worker process. It follows a script for each assignment that it gets."""

    def __init__(self, test: Pools) -> None:
        self.test = test
        self.assignments: deque[Assignment] = deque()
        self.reported: set[int] = set()
        self.has_reported = self.is_stuck = self.is_being_killed = False
        self.started: int | None = None
        self.folder = test.folder
        self.state = WorkerState(multiprocessing.get_context("spawn"))
        self.connection, self._theirs = multiprocessing.Pipe()
        self.process = SimpleNamespace(is_alive=lambda: self.is_alive)
        self.is_alive = True
        self.signals: list[int] = []
        self.received: list[tuple[Assignment, ...]] = []
        self._reports: deque[Report] = deque()

    @property
    def is_busy(self) -> bool:
        return bool(self.assignments)

    def send(self, *orders: Assignment) -> None:
        self.assignments.extend(orders)
        self.received.append(orders)
        for order in orders:
            for one in self.test.script(self, order):
                if isinstance(one, Report):
                    self.tell(one)
                else:
                    self.die()
                    return

    def tell(self, report: Report) -> None:
        self._reports.append(report)
        self._theirs.send_bytes(b"x")

    def die(self) -> None:
        self.is_alive = False
        self._theirs.close()

    def receive(self) -> Report:
        self.connection.recv_bytes()
        self.has_reported = True
        return self._reports.popleft()

    def take_back(self) -> list[Assignment]:
        taken = [self.assignments.pop() for _ in range(len(self.assignments) - 1)]
        return taken[::-1]

    def dismiss(self) -> None:
        if self.is_alive:
            self.die()

    def signal(self, number: int) -> None:
        self.signals.append(number)
        self.test.on_signal(self, number)

    def kill(self, *, is_stuck: bool) -> None:
        self.is_stuck, self.is_being_killed = is_stuck, True
        if self.is_alive:
            self.die()

    def finish_kill(self) -> None: ...

    def kill_now(self) -> None:
        self.test.killed.append(self)

    def wait(self) -> int:
        return 3

    def stack(self) -> list[FrameSummary]:
        return []

    def close(self) -> None:
        self.connection.close()
        if not self._theirs.closed:
            self._theirs.close()


class Receiver:
    """Records the events that are delivered."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.seen: list[tuple[int, int]] = []
        self.notes: list[str] = []
        self.here: list[tuple[int, int]] = []
        self.found: list[Any] = []
        self.stops_after = ""
        self.ends_at_failure = False

    @property
    def is_stopped(self) -> bool:
        return bool(self.told) and self.told[-1][1] == self.stops_after

    def preview(self, unit: int, events: Any) -> None:
        self.seen.append((unit, len(events)))

    def receive(self, unit: int, event: Any) -> None:
        self.told.append((unit, event.name, event.test))
        self.errors = [
            *getattr(self, "errors", ()),
            *(event.args if event.name == "addError" else ()),
        ]

    def run_here(self, unit: int, test: int) -> None:
        self.here.append((unit, test))

    def merge(self, found: Any) -> None:
        self.found.append(found)

    def note(self, line: str) -> None:
        self.notes.append(line)


class Pools(TestCase):
    """Pools of workers that follow a script."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.workers: list[Worker] = []
        self.killed: list[Worker] = []
        self.receiver = Receiver()
        self.script: Script = self.passing
        self.on_signal: Callable[[Worker, int], object] = lambda *_: None

    def passing(self, worker: Worker, order: Assignment) -> Iterator[Report | str]:
        """Run all tests of an assignment."""
        tests = order.tests
        every = range(len(self.units[order.unit].tests)) if tests is None else sorted(tests)
        yield Report(order.unit, [e for test in every for e in ran(test)], is_over=True)

    def start(self) -> Any:
        self.workers.append(Worker(self))
        return self.workers[-1]

    def run_pool(self, units: list[Unit], size: int = 2, **given: Any) -> pool.Pool:
        self.units = units
        self.pool = pool.Pool(
            units, self.receiver, given.pop("start", self.start), lambda _: "its limit", size
        )
        self.pool.run(given.pop("order", range(len(units))), **given)
        return self.pool

    def received(self) -> list[list[int]]:
        """The units that each worker got."""
        return [[one.unit for orders in w.received for one in orders] for w in self.workers]

    def names(self) -> list[str]:
        return [name for _, name, _ in self.receiver.told]


class HandOut(Pools):
    """Who gets what."""

    def test_all(self) -> None:
        """All units run, in ``size`` workers. The results come in the order of the suite."""
        self.run_pool([unit() for _ in range(5)], size=3, order=[4, 3, 2, 1, 0])
        self.assertEqual(len(self.workers), 3)
        self.assertEqual([got[0] for got in self.received()], [4, 3, 2])
        self.assertCountEqual([one for got in self.received() for one in got], range(5))
        self.assertEqual(
            [one for one, name, _ in self.receiver.told if name == "stopTest"], [*range(5)]
        )
        self.assertEqual(len(self.killed), 0)

    def test_few(self) -> None:
        """There are never more workers than units."""
        self.run_pool([unit()], size=8)
        self.assertEqual(len(self.workers), 1)
        self.run_pool([], size=8)
        self.assertEqual(len(self.workers), 1)

    def test_only(self) -> None:
        """Some tests of a unit can run without the others."""
        self.run_pool([unit(3), unit()], order=[0], only={0: frozenset([2])})
        self.assertEqual(self.received(), [[0]])
        self.assertEqual({test for *_, test in self.receiver.told}, {2})

    def test_ahead(self) -> None:
        """A worker gets several short units in advance, but no long ones."""
        for seconds, is_ahead in ((0.0001, True), (1.0, False)):
            self.workers.clear()

            def script(_: Worker, order: Assignment, seconds: float = seconds) -> Iterator[Report]:
                yield Report(order.unit, ran(0, seconds=seconds), is_over=True)

            self.script = script
            self.run_pool([unit() for _ in range(60)], size=1)
            longest = max(len(orders) for orders in self.workers[0].received)
            self.assertEqual(longest > 1, is_ahead)

    def test_taken_back(self) -> None:
        """Units that wait for the end of a long test are given to a worker that is idle."""
        busy: list[tuple[Worker, int]] = []
        waiting: set[int] = set()

        def script(worker: Worker, order: Assignment) -> Iterator[Report]:
            orders = worker.received[-1]
            if not waiting and len(orders) > 1:  # the first of these takes long
                waiting.update(one.unit for one in orders[1:])
                busy.append((worker, order.unit))
                worker.state.begin_unit(order.unit)
                worker.state.begin_test(0, monotonic() - 60)
                worker.state.kill_at = monotonic() + 1  # so that a failure of this test ends
            elif not busy or worker is not busy[0][0]:
                yield Report(order.unit, ran(0, seconds=0.0001), is_over=True)
                if busy and order.unit in waiting:
                    long, its_unit = busy.pop()
                    long.state.kill_at = float("inf")
                    if long.is_alive:
                        long.tell(Report(its_unit, ran(0), is_over=True))

        self.script = script
        self.run_pool([unit() for _ in range(40)])
        self.assertEqual(self.names().count("addSuccess"), 40)
        first, second = self.received()
        self.assertTrue({*first} & {*second})

    def test_ran(self) -> None:
        """The pool knows when each test ran."""
        self.script = lambda _, order: iter(
            [Report(order.unit, ran(0, 10.0 * order.unit, seconds=2.0), is_over=True)]
        )
        found = self.run_pool([unit(), unit()]).intervals
        self.assertCountEqual(found._intervals, [(0, 0, 0.0, 2.0), (1, 0, 10.0, 12.0)])

    def test_terminal(self) -> None:
        """A test that asks for a debugger runs in the main process, when its turn comes."""
        self.script = lambda _, order: iter(
            [Report(order.unit, [NeedsTerminal(1), *ran(0)], is_over=True)]
        )
        self.run_pool([unit(2)])
        self.assertEqual(self.receiver.here, [(0, 1)])


class Starts(Pools):
    """Workers that can't be started, or end before they have begun."""

    def test_fewer(self) -> None:
        """If no more processes can be started, the existing workers run everything."""

        def start() -> Any:
            if self.workers:
                raise OSError("no more")
            return self.start()

        self.run_pool([unit() for _ in range(3)], size=3, start=start)
        self.assertEqual(self.names().count("stopTest"), 3)
        self.assertEqual(self.receiver.notes, ["workers: only 1 could be started: no more"])

    def test_none(self) -> None:
        """If no process can be started, that is an error."""
        start = mock.Mock(side_effect=OSError("no more"))
        with self.assertRaisesRegex(
            WorkerStartError, "^no worker process can be started: no more$"
        ):
            self.run_pool([unit()], start=start)

    def test_refused(self) -> None:
        """A worker that refuses to run the tests ends the run with its reason."""
        self.script = lambda *_: iter([Report(-1, [Refusal("other tests")])])
        with self.assertRaisesRegex(WorkerStartError, "^other tests$"):
            self.run_pool([unit(), unit()])
        self.assertEqual(self.killed, self.workers)

    def test_false_starts(self) -> None:
        """Workers that end again and again before their first test end the run."""
        (self.folder / "stderr").write_text("no such module\n")
        self.script = lambda *_: iter(["dies"])
        with self.assertRaisesRegex(
            WorkerStartError,
            "^a worker process ended with exit status 3 before its first test\nno such module\n$",
        ):
            self.run_pool([unit()], size=1)
        self.assertEqual(len(self.workers), 3)

    def test_false_start(self) -> None:
        """If this happens once, another worker runs the units."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            if worker is self.workers[0]:
                yield "dies"
            else:
                yield from self.passing(worker, order)

        self.script = script
        self.run_pool([unit()], size=1)
        self.assertEqual(self.names(), ["startTest", "addSuccess", "stopTest"])
        self.assertEqual(self.receiver.notes, [])


class Deaths(Pools):
    """Workers that die while they run something."""

    def dying(self, at: int) -> Script:
        """The first worker dies in the test at a position."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            if worker is not self.workers[0]:
                yield from self.passing(worker, order)
                return
            worker.state.begin_unit(order.unit)
            for scope_key in range(at):
                yield Report(order.unit, ran(scope_key))
            worker.state.begin_test(at, monotonic())
            yield "dies"

        return script

    def test_goes_on(self) -> None:
        """The test fails, and the rest of its unit goes on in another worker."""
        self.script = self.dying(1)
        self.run_pool([unit(3, has_fixtures=True)], size=1)
        self.assertEqual(
            [(name, test) for _, name, test in self.receiver.told if name.startswith("add")],
            [("addSuccess", 0), ("addError", 1), ("addSuccess", 2)],
        )
        self.assertEqual(self.workers[1].received, [(Assignment(0, frozenset([2])),)])
        self.assertEqual(len(self.receiver.notes), 1)
        self.assertIn("ended with exit status 3", self.receiver.errors[0].text)

    def test_last(self) -> None:
        """If it was the last test of its unit, no other worker is started."""
        self.script = self.dying(2)
        self.run_pool([unit(3)], size=1)
        self.assertEqual(self.names().count("stopTest"), 3)
        self.assertEqual(len(self.workers), 1)

    def test_ahead(self) -> None:
        """The units that it had got in advance run in other workers."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            if worker is self.workers[0] and order.unit == 5:
                worker.state.begin_unit(5)
                worker.state.begin_test(0, monotonic())
                yield "dies"
            else:
                yield Report(order.unit, ran(0, seconds=0.0001), is_over=True)

        self.script = script
        self.run_pool([unit() for _ in range(20)], size=1)
        self.assertEqual(self.names().count("stopTest"), 20)
        self.assertEqual(self.names().count("addError"), 1)

    def test_fixture(self) -> None:
        """In a fixture of a class that is the error; its tests do not run."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            worker.state.begin_unit(order.unit)
            yield "dies"

        self.script = script
        self.run_pool([unit(2, has_fixtures=True)], size=1)
        self.assertEqual(self.names(), ["addError"])
        self.assertIn("; 2 tests did not run", self.receiver.errors[0].text)
        self.assertEqual(len(self.workers), 1)

    def test_stuck(self) -> None:
        """A worker beyond its time limit is killed, and its test fails with that."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            worker.state.begin_unit(order.unit)
            worker.state.begin_test(0, monotonic())
            worker.state.kill_at = monotonic()
            yield from ()

        self.script = script
        self.run_pool([unit()], size=1)
        self.assertTrue(self.workers[0].is_stuck)
        self.assertEqual(self.names(), ["startTest", "addError", "stopTest"])
        self.assertIn("not done within its limit", self.receiver.errors[0].text)

    def test_resumed(self) -> None:
        """After a suspension workers get the time to put off their limits."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            worker.state.begin_unit(order.unit)
            worker.state.begin_test(0, monotonic())
            worker.state.kill_at = monotonic() - 1
            self.pool.resume()
            timer = threading.Timer(0.05, go_on, (worker, order))
            timer.start()
            self.addCleanup(timer.join)
            yield from ()

        def go_on(worker: Worker, order: Assignment) -> None:
            worker.state.kill_at = float("inf")
            if not worker.is_being_killed:
                for report in self.passing(worker, order):
                    worker.tell(report)  # type: ignore[arg-type]

        self.script = script
        self.run_pool([unit()], size=1)
        self.assertFalse(self.workers[0].is_stuck)
        self.assertEqual(self.names(), ["startTest", "addSuccess", "stopTest"])


class Ends(Pools):
    """Runs that end early."""

    def interrupted(self, number: int = signal.SIGINT) -> None:
        """Both workers run a test; then a signal comes."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            worker.state.begin_unit(order.unit)
            worker.state.begin_test(0, monotonic())
            if len(self.workers) == 2:
                self.running = self.pool.running()
                self.pool.interrupt(number)
            yield from ()

        self.script = script

    def test_interrupt(self) -> None:
        """The workers that run something get the signal; no further unit starts."""
        self.interrupted(signal.SIGTERM)

        def on_signal(worker: Worker, number: int) -> None:
            unit = worker.assignments[0].unit
            worker.tell(Report(unit, ran(0), is_over=True, is_interrupted=True))

        self.on_signal = on_signal
        self.run_pool([unit() for _ in range(4)], size=2)
        self.assertEqual([worker.signals for worker in self.workers], [[signal.SIGTERM]] * 2)
        self.assertEqual(self.names().count("stopTest"), 2)
        self.assertEqual(self.pool.interrupts, 1)

    def test_second(self) -> None:
        """The second one kills them."""
        self.interrupted()
        self.on_signal = lambda worker, number: self.pool.interrupt(number)
        self.run_pool([unit(), unit(), unit()], size=2)
        self.assertTrue(all(worker.is_being_killed for worker in self.workers))
        self.assertEqual(self.names().count("addError"), 2)
        self.assertIn("killed by Ctrl-C", self.receiver.errors[0].text)

    def test_running(self) -> None:
        """Meanwhile it knows what runs."""
        self.interrupted()
        self.on_signal = lambda worker, number: self.pool.interrupt(number)
        self.run_pool([unit(), unit()], size=2)
        names = [name for name, _ in self.running]
        self.assertEqual(names, [self.units[0].tests[0].id()] * len(names))
        self.assertGreater(len(names), 0)

    def test_by_itself(self) -> None:
        """A test that raises KeyboardInterrupt ends the run for all."""
        self.script = lambda _, order: iter(
            [Report(order.unit, ran(0), is_over=True, is_interrupted=True)]
        )
        found = self.run_pool([unit() for _ in range(5)], size=1)
        self.assertEqual(found.interrupts, 1)
        self.assertEqual(self.received(), [[0]])

    def test_stopped(self) -> None:
        """Where the result says so nothing starts any more, and nothing after that is told."""
        self.receiver.stops_after = "stopTest"
        self.run_pool([unit() for _ in range(5)], size=1)
        self.assertEqual(self.names(), ["startTest", "addSuccess", "stopTest"])
        self.assertLess(len([one for got in self.received() for one in got]), 5)

    def test_stops_others(self) -> None:
        """Workers that run what isn't told any more are interrupted."""

        def script(worker: Worker, order: Assignment) -> Iterator[Report | str]:
            worker.state.begin_unit(order.unit)
            if order.unit == 0:
                yield from self.passing(worker, order)

        def on_signal(worker: Worker, number: int) -> None:
            worker.tell(Report(worker.assignments[0].unit, [], is_over=True, is_interrupted=True))

        self.script, self.on_signal = script, on_signal
        self.receiver.stops_after = "stopTest"
        found = self.run_pool([unit(), unit()], size=2)
        self.assertEqual([worker.signals for worker in self.workers], [[], [signal.SIGINT]])
        self.assertEqual(found.interrupts, 0)

    def test_signal(self) -> None:
        """A signal goes to the workers that run something."""
        self.interrupted()
        seen: list[int] = []

        def on_signal(worker: Worker, number: int) -> None:
            seen.append(number)
            if number == signal.SIGINT:
                self.pool.signal(signal.SIGQUIT)
                self.pool.interrupt(number)

        self.on_signal = on_signal
        self.run_pool([unit(), unit()], size=2)
        self.assertIn(signal.SIGQUIT, seen)


class Alone(TestCase):
    """Single steps of a pool."""

    def setUp(self) -> None:
        self.pool = pool.Pool([], Receiver(), mock.Mock(), mock.Mock(), 2)

    def test_signal(self) -> None:
        """A signal goes to the workers that are busy."""
        idle, busy = mock.Mock(is_busy=False), mock.Mock(is_busy=True)
        self.pool._workers = [idle, busy]
        self.pool.signal(9)
        idle.signal.assert_not_called()
        busy.signal.assert_called_once_with(9)

    def test_rounds(self) -> None:
        """The pool stops taking reports after some rounds, even if more are ready."""
        worker = mock.Mock()
        self.pool._selector = mock.Mock()
        self.pool._selector.select.return_value = [(SimpleNamespace(data=worker), 1)]
        with mock.patch.object(pool.Pool, "_receive") as receive:
            self.pool._wait()
        self.assertEqual(receive.call_count, pool.MAX_IN_ADVANCE)

    def test_quiet_death(self) -> None:
        """A worker that has ended is removed though its connection is open in another process."""
        worker: Any = mock.Mock(is_being_killed=False, is_busy=False, assignments=())
        worker.process.is_alive.return_value = worker.connection.poll.return_value = False
        self.pool._workers = [worker]
        with mock.patch.object(pool.Pool, "_remove") as remove:
            self.pool._check_workers()
        remove.assert_called_once_with(worker)
