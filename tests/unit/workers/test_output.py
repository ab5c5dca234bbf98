"""nose2_aio.workers.output"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import TestCase, mock

from nose2_aio.workers import output
from nose2_aio.workers.messages import WorkerState
from nose2_aio.workers.output import read_unsent
from tests.runs import python

CHILD = """
import multiprocessing, os, sys
from pathlib import Path
from nose2_aio.workers.messages import WorkerState
from nose2_aio.workers.output import Output

state = WorkerState(multiprocessing.get_context("spawn"))
terminal = os.dup(1)
{before}
output = Output(Path({folder!r}), state)
found = []
{code}
output.note_sent()
os.write(terminal, repr((found, state.sent(1), state.sent(2))).encode())
"""


class Taken(TestCase):
    """What is taken in a worker process."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def taken(self, code: str, before: str = "") -> object:
        """What code in another process has taken, and how many bytes that were."""
        text = CHILD.format(code=code, folder=str(self.folder), before=before)
        run = python("-c", text, folder=self.folder)
        self.assertEqual(run.returncode, 0, run.output)
        return eval(run.output)

    def test_kinds(self) -> None:
        """Output of Python, of C code and of child processes is taken, by file descriptor."""
        found = self.taken(
            "print('print')\n"
            "os.write(1, b'write\\n')\n"
            "os.system('echo child')\n"
            "print('stderr', end='', file=sys.stderr)\n"
            "found.append(output.take())\n"
            "found.append(output.take())\n"
            "os.write(2, b'later')\n"
            "found.append(output.take())\n"
        )
        first = [(1, "print\nwrite\nchild\n"), (2, "stderr")]
        self.assertEqual(found, ([first, [], [(2, "later")]], 18, 11))

    def test_no_text(self) -> None:
        """What is no text can be written again as it was."""
        found = self.taken("os.write(1, b'a\\xff')\nfound.append(output.take())\n")
        self.assertEqual(found, ([[(1, "a\udcff")]], 2, 0))

    def test_closed(self) -> None:
        """A stream that a test has closed is no matter; what is written below it is still taken."""
        found = self.taken(
            "sys.stdout.close()\nos.write(2, b'written')\nfound.append(output.take())\n"
        )
        self.assertEqual(found, ([[(2, "written")]], 0, 7))

    def test_replaced(self) -> None:
        """Where there is no stream of the file descriptor one is made."""
        found = self.taken(
            "print('é')\nsys.__stdout__.write('own')\nfound.append(output.take())\n",
            before="sys.stdout = sys.__stdout__ = None",
        )
        self.assertEqual(found, ([[(1, "é\nown")]], 6, 0))

    def test_leftover(self) -> None:
        """Of a worker that has died the rest is taken by the main process."""
        self.taken(
            "os.write(1, b'sent and ')\n"
            "output.take()\n"
            "output.note_sent()\n"
            "os.write(1, b'left\\n')\n"
        )
        state = WorkerState(multiprocessing.get_context("spawn"))
        state.note_sent(1, len("sent and "))
        self.assertEqual(list(read_unsent(self.folder, state)), [(1, "left\n")])
        self.assertEqual(list(read_unsent(self.folder / "none", state)), [])

    def test_other(self) -> None:
        """A stream of another file descriptor is none of it."""
        other = SimpleNamespace(fileno=lambda: 99)
        with (
            mock.patch.object(sys, "__stdout__", sys.__stdout__),
            mock.patch.object(output.os, "fdopen", return_value="made"),
        ):
            self.assertEqual(output._stream(other, 1), "made")
            self.assertEqual(sys.__stdout__, "made")
