"""nose2_aio.workers.worker_process"""

from __future__ import annotations

import bdb
import logging
import os
import pickle
import signal
import sys
import threading
from multiprocessing import Pipe
from typing import Any
from unittest import TestCase, TestSuite, mock, skipIf

from nose2.plugins import logcapture

from nose2_aio.errors import LoopError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import worker_process
from nose2_aio.workers.messages import Assignment, Refusal, Report
from tests.runs import Project

MAIN = """
import multiprocessing, os, signal, sys, tempfile, unittest
from contextlib import contextmanager
from pathlib import Path

from nose2_aio.suites.units import Unit
from nose2_aio.workers.worker_handle import WorkerHandle
from nose2_aio.workers.messages import Call, Assignment, OutputText
from nose2_aio.workers.worker_process import WorkerProcess


class Case(unittest.TestCase):
    def test_group(self):
        self.assertEqual(os.getpgid(0), os.getpid())
    def test_prints(self):
        print("printed")
    def test_signal(self):
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
    def test_class_cleanup(self):
        self.addClassCleanup(print, "cleaned up")


class RecordingHooks:
    def __getattr__(self, name):
        def call(*args):
            if name in ("begin_work", "begin_unit", "end_unit", "end_work"):
                with open("hooks", "a") as file:
                    print(name, *args, file=file)
        return call
    @contextmanager
    def signals(self, terminal):
        os.write(terminal, b"on the terminal\\n")
        yield


names = ["test_group", "test_prints", "test_signal", "test_class_cleanup"]
tests = [Case(name) for name in names]
units = [Unit([one], unittest.TestSuite([one]), repetition=7) for one in tests]


def work(link):
    process = WorkerProcess(link)
    print("never shown: the suite is loaded")
    describe = lambda test, error: str(error[1])
    process.work(units, RecordingHooks(), result=unittest.TestResult(), describe=describe)
    process.end()


def refuse(link):
    WorkerProcess(link).refuse("a reason")


def events(worker):
    while True:
        try:
            yield from worker.receive().events
        except (EOFError, OSError):
            return


with tempfile.TemporaryDirectory() as folder:
    context = multiprocessing.get_context("fork")
    worker = WorkerHandle(context, Path(folder) / "1", work)
    worker.send(*(Assignment(number) for number in range(len(units))))
    worker.dismiss()
    for event in events(worker):
        if isinstance(event, OutputText):
            print(event.text, end="")
        elif isinstance(event, Call):
            print(event.name, *[getattr(a, "text", a) for a in event.args])
    print("exit code", worker.wait())
    worker.close()
    worker = WorkerHandle(context, Path(folder) / "2", refuse)
    print(*events(worker))
    worker.close()
"""


class Work(TestCase):
    """A worker process."""

    @skipIf(sys.platform == "win32", "no fork there")
    def test_process(self) -> None:
        """It runs units, sends what happens, and ends; or it refuses to."""
        project = Project(self, main=MAIN)
        run = project.python("main.py")
        self.assertEqual(run.returncode, 0, run.output)
        end = ["addSuccess", "stopTest"]
        self.assertEqual(
            [line for line in run.output.splitlines() if line != "on the terminal"],
            [
                *("startTest", *end, "startTest", "printed", *end),
                *("startTest", *end, "startTest", *end, "cleaned up"),
                *("exit code 0", "Refusal(reason='a reason')"),
            ],
        )
        hooks = (project.folder / "hooks").read_text().splitlines()
        self.assertEqual(hooks, ["begin_work", *["begin_unit 7", "end_unit"] * 4, "end_work"])
        self.assertIn("on the terminal\n", run.output)


class Orders(TestCase):
    """What comes from the main process."""

    def setUp(self) -> None:
        self.ours, self.theirs = Pipe()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_received(self) -> None:
        """Assignments arrive as they were sent. There are none after the main process has ended."""
        self.theirs.send_bytes(pickle.dumps((Assignment(1, frozenset([2])),)))
        self.assertEqual(worker_process._received(self.ours), (Assignment(1, frozenset([2])),))
        self.theirs.close()
        self.assertEqual(worker_process._received(self.ours), ())

    def test_part(self) -> None:
        """An assignment may be for some tests of a unit. Positions count in the whole unit."""

        class Case(TestCase):
            def test(self) -> None:
                ran.append(self)

        ran: list[TestCase] = []
        tests = [Case("test"), Case("test"), Case("test")]
        recorder, hooks = mock.Mock(shouldStop=False), mock.Mock()
        unit = Unit(tests, TestSuite(tests))
        worker_process._run(Assignment(4, frozenset([1, 2])), unit, hooks, recorder)
        self.assertEqual(ran, tests[1:])
        (number, positions), given = recorder.begin.call_args
        self.assertEqual((number, given), (4, {"has_fixtures": False}))
        self.assertEqual([positions[id(test)] for test in tests], [0, 1, 2])
        self.assertEqual([one[0] for one in hooks.mock_calls], ["begin_unit", "end_unit"])
        recorder.end.assert_called_once_with()

    def test_interrupted(self) -> None:
        """Ctrl-C ends the unit, and ``end_unit`` is called."""
        suite = mock.Mock(side_effect=KeyboardInterrupt)
        recorder, hooks = mock.Mock(), mock.Mock()
        worker_process._run(Assignment(0), Unit([], suite), hooks, recorder)
        recorder.note_interrupt.assert_called_once()
        hooks.end_unit.assert_called_once_with()
        recorder.end.assert_called_once_with()


class Parent(TestCase):
    """The end of the main process."""

    @skipIf(sys.platform != "linux", "the system's own way")
    def test_gone(self) -> None:
        """A worker whose main process has ended already ends at once."""
        with (
            mock.patch.object(worker_process.ctypes, "pythonapi"),
            mock.patch.object(worker_process.os, "_exit", side_effect=SystemExit) as leave,
        ):
            worker_process._end_with(worker_process.os.getppid())
            leave.assert_not_called()
            with self.assertRaises(SystemExit):
                worker_process._end_with(-1)

    def test_elsewhere(self) -> None:
        """Other systems can't kill it then. It checks once."""
        with (
            mock.patch.object(worker_process.sys, "platform", "darwin"),
            mock.patch.object(worker_process.ctypes, "pythonapi") as api,
        ):
            worker_process._end_with(worker_process.os.getppid())
        self.assertEqual(api.mock_calls, [])


class Handlers(TestCase):
    """Handlers of log records."""

    def test_memory(self) -> None:
        """Those of nose2's log capture are found, and no others."""
        found: list[logging.Handler] = [
            logcapture.MyMemoryHandler(10, "", "", []),
            logging.NullHandler(),
        ]
        with mock.patch.object(logging.getLogger(), "handlers", found):
            self.assertEqual(worker_process.memory_handlers(), found[:1])


class Debugger(TestCase):
    """A test that asks for a debugger."""

    def test_refused(self) -> None:
        """It fails, and the result notes that. After the block the debugger works again."""
        recorder: Any = mock.Mock(needs_terminal=False)
        before = bdb.Bdb.set_trace
        with worker_process._without_debugger(recorder):
            with self.assertRaisesRegex(LoopError, "^a debugger needs a terminal, and worker"):
                bdb.Bdb().set_trace()
        self.assertTrue(recorder.needs_terminal)
        recorder.needs_terminal = False
        with worker_process._without_debugger(recorder):
            errors: list[BaseException] = []

            def ask() -> None:
                try:
                    bdb.Bdb().set_trace()
                except LoopError as error:
                    errors.append(error)

            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        self.assertEqual(len(errors), 1)
        self.assertFalse(recorder.needs_terminal)  # it isn't known whose thread that is
        self.assertIs(bdb.Bdb.set_trace, before)


class Child(TestCase):
    """A child process that a test has forked."""

    def setUp(self) -> None:
        self.process = object.__new__(worker_process.WorkerProcess)
        self.process._own = os.getpid()
        self.connection = mock.Mock()
        self.process._channel = mock.Mock(connection=self.connection)

    def test_sends(self) -> None:
        """It ends instead of sending a report: only its parent may send."""
        self.process.refuse("a reason")
        (data,) = self.connection.send_bytes.call_args.args
        self.assertEqual(Report.from_bytes(data), Report(-1, [Refusal("a reason")]))
        self.process._own = -1
        with (
            mock.patch.object(worker_process.os, "_exit", side_effect=SystemExit) as leave,
            self.assertRaises(SystemExit),
        ):
            self.process.refuse("a reason")
        leave.assert_called_once_with(0)
        self.connection.send_bytes.assert_called_once()

    def test_released(self) -> None:
        """It closes its copies of the connection and of the terminal."""
        reader, self.process._terminal = os.pipe()
        self.addCleanup(os.close, reader)
        for _ in range(2):
            self.process._release()
            self.connection.close.assert_called()
            with self.assertRaises(OSError):
                os.fstat(self.process._terminal)


class Interrupted(TestCase):
    """SIGINT in a worker."""

    def test_noting(self) -> None:
        """It only sets a flag while an event is recorded. In a test it raises KeyboardInterrupt."""
        recorder: Any = mock.Mock(is_uninterruptible=True)
        before = signal.getsignal(signal.SIGINT)
        with mock.patch.object(signal, "default_int_handler", signal.default_int_handler):
            worker_process._handle_interrupts(recorder)
            try:
                self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
                signal.raise_signal(signal.SIGINT)
                recorder.interrupt.assert_called_once_with()
                recorder.is_uninterruptible = False
                with self.assertRaises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
            finally:
                signal.signal(signal.SIGINT, before)


class Served(TestCase):
    """A worker between its first assignment and its last one."""

    def test_taken_back(self) -> None:
        """An assignment that was taken back isn't begun."""
        link: Any = mock.Mock()
        link.state.begin_assignment.side_effect = lambda number: number != 1
        orders = tuple(Assignment(0, number=number) for number in range(3))
        with (
            mock.patch.object(worker_process, "_received", side_effect=[orders, ()]),
            mock.patch.object(worker_process, "_run") as run,
        ):
            worker_process._serve(link, [Unit([], mock.Mock())], mock.Mock(), mock.Mock())
        self.assertEqual([one.args[0].number for one in run.call_args_list], [0, 2])

    def test_logs(self) -> None:
        """Records for nose2's log capture are recorded."""
        worker = object.__new__(worker_process.WorkerProcess)
        worker._channel, worker._output, worker._terminal = mock.Mock(), mock.Mock(), 2
        handler = logging.NullHandler()
        with (
            mock.patch.object(worker_process, "memory_handlers", return_value=[handler]),
            mock.patch.object(worker_process, "_handle_interrupts"),
            mock.patch.object(worker_process.signal, "pthread_sigmask") as mask,
            mock.patch.object(worker_process, "_serve") as serve,
            mock.patch.object(worker_process.RecordingResult, "add_log") as log,
        ):
            worker.work([], mock.MagicMock(), result=mock.Mock(), describe=mock.Mock())
            handler.emit(logging.makeLogRecord({}))
        log.assert_called_once()
        serve.assert_called_once()
        mask.assert_called_once_with(signal.SIG_UNBLOCK, worker_process.BLOCKED_SIGNALS)

    def test_cleanups(self) -> None:
        """At the end the class cleanups of units without class fixtures are called."""
        units = [Unit([self], mock.Mock()), Unit([self], mock.Mock(), has_fixtures=True)]
        for number, cases in ((0, [Served]), (1, [])):
            received = [(Assignment(number),), ()]
            with (
                mock.patch.object(worker_process, "_received", side_effect=received),
                mock.patch.object(worker_process, "_run") as run,
                mock.patch.object(
                    worker_process.unittest_internals, "call_remaining_cleanups"
                ) as clean_up,
            ):
                worker_process._serve(mock.Mock(), units, mock.Mock(), mock.Mock())
            run.assert_called_once()
            self.assertEqual(list(clean_up.call_args.args[0]), cases)
