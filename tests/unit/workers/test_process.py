"""nose2_aio.workers.process"""

from __future__ import annotations

import bdb
import logging
import pickle
import sys
from multiprocessing import Pipe
from typing import Any
from unittest import TestCase, TestSuite, mock, skipIf

from nose2.plugins import logcapture

from nose2_aio.errors import LoopError
from nose2_aio.units import Unit
from nose2_aio.workers import process
from nose2_aio.workers.messages import Order
from tests.runs import Project

MAIN = """
import multiprocessing, os, signal, sys, tempfile, unittest
from contextlib import contextmanager
from pathlib import Path

from nose2_aio.units import Unit
from nose2_aio.workers.handle import Handle
from nose2_aio.workers.messages import Call, Order, Text
from nose2_aio.workers.process import Process


class Case(unittest.TestCase):
    def test_group(self):
        self.assertEqual(os.getpgid(0), os.getpid())
    def test_prints(self):
        print("printed")
    def test_signal(self):
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)
    def test_class_cleanup(self):
        self.addClassCleanup(print, "cleaned up")


class Steps:
    def __getattr__(self, name):
        def call(*args):
            if name in ("begin_work", "begin_unit", "end_unit", "end_work"):
                with open("steps", "a") as file:
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
    process = Process(link)
    print("never shown: the suite is loaded")
    describe = lambda test, error: str(error[1])
    process.work(units, Steps(), result=unittest.TestResult(), describe=describe)
    process.end()


def refuse(link):
    Process(link).refuse("a reason")


def events(worker):
    while True:
        try:
            yield from worker.receive().events
        except (EOFError, OSError):
            return


with tempfile.TemporaryDirectory() as folder:
    context = multiprocessing.get_context("fork")
    worker = Handle(context, Path(folder) / "1", work)
    worker.send(*(Order(number) for number in range(len(units))))
    worker.dismiss()
    for event in events(worker):
        if isinstance(event, Text):
            print(event.text, end="")
        elif isinstance(event, Call):
            print(event.name, *[getattr(a, "text", a) for a in event.args])
    print("exit code", worker.wait())
    worker.close()
    worker = Handle(context, Path(folder) / "2", refuse)
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
        steps = (project.folder / "steps").read_text().splitlines()
        self.assertEqual(steps, ["begin_work", *["begin_unit 7", "end_unit"] * 4, "end_work"])
        self.assertIn("on the terminal\n", run.output)


class Orders(TestCase):
    """What comes from the main process."""

    def setUp(self) -> None:
        self.ours, self.theirs = Pipe()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_received(self) -> None:
        """Orders come as they were sent; nothing more comes where the main process has gone."""
        self.theirs.send_bytes(pickle.dumps((Order(1, frozenset([2])),)))
        self.assertEqual(process._received(self.ours), (Order(1, frozenset([2])),))
        self.theirs.close()
        self.assertEqual(process._received(self.ours), ())

    def test_part(self) -> None:
        """An order may be for some tests of a unit; their places are those in the whole unit."""

        class Case(TestCase):
            def test(self) -> None:
                ran.append(self)

        ran: list[TestCase] = []
        tests = [Case("test"), Case("test"), Case("test")]
        recorder, steps = mock.Mock(shouldStop=False), mock.Mock()
        unit = Unit(tests, TestSuite(tests))
        process._run(Order(4, frozenset([1, 2])), unit, steps, recorder)
        self.assertEqual(ran, tests[1:])
        (number, positions), given = recorder.begin.call_args
        self.assertEqual((number, given), (4, {"has_fixtures": False}))
        self.assertEqual([positions[id(test)] for test in tests], [0, 1, 2])
        self.assertEqual([one[0] for one in steps.mock_calls], ["begin_unit", "end_unit"])
        recorder.end.assert_called_once_with()

    def test_interrupted(self) -> None:
        """Ctrl-C ends the unit; what was opened for it is closed."""
        suite = mock.Mock(side_effect=KeyboardInterrupt)
        recorder, steps = mock.Mock(), mock.Mock()
        process._run(Order(0), Unit([], suite), steps, recorder)
        recorder.note_interrupt.assert_called_once()
        steps.end_unit.assert_called_once_with()
        recorder.end.assert_called_once_with()


class Parent(TestCase):
    """The end of the main process."""

    @skipIf(sys.platform != "linux", "the system's own way")
    def test_gone(self) -> None:
        """A worker whose main process has ended already ends at once."""
        with (
            mock.patch.object(process.ctypes, "pythonapi"),
            mock.patch.object(process.os, "_exit", side_effect=SystemExit) as leave,
        ):
            process._end_with(process.os.getppid())
            leave.assert_not_called()
            with self.assertRaises(SystemExit):
                process._end_with(-1)


class Handlers(TestCase):
    """Handlers of log records."""

    def test_memory(self) -> None:
        """Those of nose2's log capture are found, and no others."""
        found: list[logging.Handler] = [
            logcapture.MyMemoryHandler(10, "", "", []),
            logging.NullHandler(),
        ]
        with mock.patch.object(logging.getLogger(), "handlers", found):
            self.assertEqual(process.memory_handlers(), found[:1])


class Debugger(TestCase):
    """A test that asks for a debugger."""

    def test_refused(self) -> None:
        """It fails, and the recorder knows why; outside of the block there is a debugger again."""
        recorder: Any = mock.Mock(needs_terminal=False)
        before = bdb.Bdb.set_trace
        with process._without_debugger(recorder):
            with self.assertRaisesRegex(LoopError, "^a debugger needs a terminal, and worker"):
                bdb.Bdb().set_trace()
        self.assertTrue(recorder.needs_terminal)
        self.assertIs(bdb.Bdb.set_trace, before)
