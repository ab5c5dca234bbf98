"""nose2_aio.workers.worker_run"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import BaseTestSuite, TestCase, TestResult, mock, skipUnless

from nose2_aio.config import settings
from nose2_aio.suites.units import Unit
from nose2_aio.workers import worker_run
from nose2_aio.workers.intervals import RunIntervals
from nose2_aio.workers.messages import Call
from nose2_aio.workers.pool import Pool


class Case(TestCase):
    def a(self) -> None: ...

    async def b(self) -> None: ...


@skipUnless(sys.platform == "linux", "where fork is the default")
class Methods(TestCase):
    """How workers start."""

    def method(self, text: str) -> str:
        return worker_run._start_method(settings.resolve({"worker-start": text}, {}))

    def test_asked(self) -> None:
        """The setting decides."""
        self.assertEqual([self.method("fork"), self.method("spawn")], ["fork", "spawn"])

    def test_auto(self) -> None:
        """``auto`` forks on Linux, if no other thread runs."""
        with mock.patch.object(Path, "iterdir", return_value=iter([1])):
            self.assertEqual(self.method("auto"), "fork")
        with mock.patch.object(Path, "iterdir", side_effect=OSError):
            with mock.patch.object(threading, "active_count", return_value=1):
                self.assertEqual(self.method("auto"), "fork")
            with mock.patch.object(threading, "active_count", return_value=2):
                self.assertEqual(self.method("auto"), "spawn")
        with mock.patch.object(sys, "platform", "darwin"):
            self.assertEqual(self.method("auto"), "spawn")
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        try:
            self.assertEqual(self.method("auto"), "spawn")
        finally:
            event.set()
            thread.join()


class Runs(TestCase):
    """A run with a mock of the pool."""

    def setUp(self) -> None:
        self.units = [
            Unit([Case("a"), Case("b")], BaseTestSuite()),
            Unit([Case("a")], BaseTestSuite()),
        ]
        self.hooks = mock.MagicMock()
        self.pool = mock.Mock(spec=Pool, interrupts=0, intervals=RunIntervals())
        made = mock.patch.object(worker_run, "Pool", return_value=self.pool)
        self.made = made.start()
        self.addCleanup(made.stop)
        self.run = worker_run.WorkerRun(
            self.units, settings.resolve({"workers": "3"}, {}), self.hooks, mock.Mock()
        )

    def test_call(self) -> None:
        """All units run, in ``workers`` workers. The result is stopped after Ctrl-C."""
        result = TestResult()
        self.pool.run.side_effect = lambda _: self.assertTrue(self.run.is_running)
        self.run(result)
        self.pool.run.assert_called_once_with([0, 1])
        self.assertEqual(self.made.call_args.args[-1], 3)
        self.assertFalse(self.run.is_running or self.run.is_interrupted or result.shouldStop)
        self.pool.interrupts = 1
        self.run(result)
        self.assertTrue(self.run.is_interrupted and result.shouldStop)

    def test_run_alone(self) -> None:
        """A test runs again alone in one worker, by its unit and its position there."""
        receivers: list[Any] = []
        self.made.side_effect = lambda *args: receivers.append(args[1]) or self.pool
        self.pool.run.side_effect = lambda *_: receivers[-1].receive(
            0, Call("addSuccess", 0, (), 0.0)
        )
        self.assertTrue(self.run.run_alone(self.units[0].tests[1]))
        self.pool.run.assert_called_once_with([0], {0: frozenset([1])})
        self.assertEqual(self.made.call_args.args[-1], 1)
        self.pool.interrupts = 1
        self.assertIsNone(self.run.run_alone(self.units[0].tests[1]))

    def test_run_alone_here(self) -> None:
        """A test that has run in the main process is a unit by itself."""
        other = worker_run.WorkerRun([], settings.resolve({}, {}), self.hooks, mock.Mock())
        test = Case("a")
        self.assertFalse(other.run_alone(test))
        self.pool.run.assert_called_once_with([0], {0: frozenset([0])})
        ((unit,), *_), _ = self.made.call_args
        self.assertEqual(unit.tests, [test])
        self.assertIsNone(other.concurrent_tests(test))

    def test_concurrent_tests(self) -> None:
        """It knows which tests ran at the same time as another."""
        ran = ((0, 0, 1.0, 2.0), (0, 1, 2.0, 3.0), (1, 0, 1.5, 1.8))
        for unit, test, began, ended in ran:
            self.pool.intervals.begin(unit, Call("startTest", test, (), began))
            self.pool.intervals.end(unit, test, Call("stopTest", test, (), ended))
        self.run(TestResult())
        first, second = self.units[0].tests
        other = self.units[1].tests[0]
        self.assertEqual(self.run.concurrent_tests(first), [other.id()])
        self.assertEqual(self.run.concurrent_tests(second), [])
        self.assertEqual(self.run.concurrent_tests(other), [first.id()])

    def test_signals(self) -> None:
        """Ctrl-C interrupts the pool while it runs."""
        self.pool.run.side_effect = lambda _: (
            self.hooks.interrupting.return_value.__enter__.assert_called_once_with()
        )
        self.run(TestResult())
        self.hooks.interrupting.assert_called_once_with(self.pool.interrupt)
        self.hooks.interrupting.return_value.__exit__.assert_called_once()

    def test_children(self) -> None:
        """The pool can wait for workers even if the process ignores SIGCHLD."""
        seen: list[Any] = []
        self.pool.run.side_effect = lambda _: seen.append(signal.getsignal(signal.SIGCHLD))
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            self.run(TestResult())
            self.assertIs(signal.getsignal(signal.SIGCHLD), signal.SIG_IGN)
        finally:
            signal.signal(signal.SIGCHLD, before)
        self.assertEqual(seen, [signal.SIG_DFL])

    def test_suspend(self) -> None:
        """Workers are suspended and resumed with the main process, but only during a run."""
        self.run.suspend()
        self.run.resume()
        self.assertEqual(self.pool.mock_calls, [])
        self.run(TestResult())
        self.run.suspend()
        self.run.resume()
        self.assertEqual(
            self.pool.mock_calls[1:],
            [
                mock.call.signal(signal.SIGTSTP),
                mock.call.signal(signal.SIGCONT),
                mock.call.resume(),
            ],
        )

    def test_describe_running(self) -> None:
        """It lists the tests that run, and makes the workers print where these wait."""
        self.run(TestResult())
        self.pool.running.return_value = [("a.b", 1.25), ("c.d", 0.5)]
        self.assertEqual(
            self.run.describe_running(),
            "\nThese tests run in worker processes:\n"
            "a.b has run for 1.25 s\nc.d has run for 0.50 s\n",
        )
        self.pool.signal.assert_called_once_with(signal.SIGQUIT)
