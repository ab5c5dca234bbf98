"""nose2_aio.workers.stack_dumps"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from unittest import TestCase, mock, skipIf

import nose2_aio
from nose2_aio.workers import stack_dumps
from tests.runs import Project, start

DUMP = f"""Fatal Python error: Segmentation fault

Thread 0x00000000000000aa (most recent call first):
  File "/home/user/thread.py", line 7 in work
  File "{os.__file__}", line 10 in run

Current thread 0x00000000000000bb (most recent call first):
  File "/home/user/deep.py", line 3 in deep
  File "{asyncio.__file__}", line 4 in run
  File "/home/user/test_it.py", line 12 in test_it
  File "{nose2_aio.__file__}", line 1 in plugin
"""
CODE = """
import ctypes, faulthandler, os, sys, time
from pathlib import Path
from nose2_aio.workers import stack_dumps

file = stack_dumps.write_at_signals(Path(sys.argv[1]))
stack_dumps.write_at_exit(file)

def work():
    {}

work()
"""


class Parsed(TestCase):
    """A file of stacks."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def found(self, thread: int) -> list[tuple[str, int | None, str]]:
        frames = stack_dumps.frames_of_thread(self.folder, thread)
        return [(one.filename, one.lineno, one.name) for one in frames]

    def test_frames(self) -> None:
        """The user's frames of a thread are returned, outermost first."""
        (self.folder / "stacks").write_text(DUMP)
        test = ("/home/user/test_it.py", 12, "test_it")
        self.assertEqual(self.found(0xBB), [test, ("/home/user/deep.py", 3, "deep")])
        self.assertEqual(self.found(0xAA), [("/home/user/thread.py", 7, "work")])
        self.assertEqual(self.found(0xCC), [])

    def test_last(self) -> None:
        """If a thread has several stacks, the last one counts."""
        again = DUMP.replace("test_it", "again")
        (self.folder / "stacks").write_text(f"{DUMP}\n{again}")
        self.assertEqual(self.found(0xBB)[0][0], "/home/user/again.py")

    def test_none(self) -> None:
        """Without a file, or in an empty one, nothing is found."""
        self.assertEqual(self.found(0xBB), [])
        (self.folder / "stacks").write_text("")
        self.assertEqual(self.found(0xBB), [])


@skipIf(sys.platform == "win32", "no such signals there")
class Written(TestCase):
    """Stacks that a process writes."""

    def written(self, line: str, number: int | None = None) -> tuple[str, int]:
        """Run code; return the stacks in its file, and the exit code."""
        project = Project(self)
        process = start("-c", CODE.format(line), str(project.folder), folder=project.folder)
        path = project.folder / "stacks"
        if number is not None:
            while not (project.folder / "ready").exists():
                time.sleep(0.005)
            process.send_signal(number)
            end = time.monotonic() + 10
            while not path.read_text() and time.monotonic() < end:
                time.sleep(0.005)
            process.kill()
        process.communicate()
        return path.read_text(), process.returncode

    def test_fatal(self) -> None:
        """They are written at a fatal signal, and at ``os._exit``; not at a plain end."""
        text, code = self.written("ctypes.string_at(0)")
        self.assertIn("in work\n", text)
        self.assertEqual(code, -signal.SIGSEGV)
        text, code = self.written("os._exit(3)")
        self.assertIn("in work\n", text)
        self.assertEqual(code, 3)
        self.assertEqual(self.written("sys.exit(4)"), ("", 4))

    def test_child(self) -> None:
        """A forked child process writes nothing."""
        text, code = self.written("os.fork() or os._exit(3); os.wait()")
        self.assertEqual((text, code), ("", 0))

    def test_asked(self) -> None:
        """They are written at ``DUMP_SIGNAL``."""
        text, _ = self.written(
            "Path(sys.argv[1], 'ready').touch(); time.sleep(60)", stack_dumps.DUMP_SIGNAL
        )
        self.assertIn("in work\n", text)


class Exits(TestCase):
    """``os._exit`` in a worker."""

    def test_exit(self) -> None:
        """The stack of the caller is written first. A child process writes none."""
        with tempfile.TemporaryFile("w+") as file, mock.patch.object(os, "_exit") as leave:
            stack_dumps.write_at_exit(file)
            os._exit(3)
            leave.assert_called_once_with(3)
            file.seek(0)
            self.assertIn("in test_exit", file.read())
            file.truncate(0)
            with mock.patch.object(os, "getpid", return_value=-1):
                os._exit(4)
            file.seek(0)
            self.assertEqual(file.read(), "")
