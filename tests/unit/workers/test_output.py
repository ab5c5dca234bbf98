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
    """The output of a worker process."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def taken(self, code: str, before: str = "") -> object:
        """Run code in another process. Return its output, and the numbers of bytes."""
        text = CHILD.format(code=code, folder=str(self.folder), before=before)
        run = python("-c", text, folder=self.folder)
        self.assertEqual(run.returncode, 0, run.output)
        return eval(run.output)

    def test_kinds(self) -> None:
        """Output of Python, of C code and of child processes is captured, by file descriptor."""
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
        """Bytes that aren't text stay the same."""
        found = self.taken("os.write(1, b'a\\xff')\nfound.append(output.take())\n")
        self.assertEqual(found, ([[(1, "a\udcff")]], 2, 0))

    def test_closed(self) -> None:
        """If a test closes a stream, output to its file descriptor is still captured."""
        found = self.taken(
            "sys.stdout.close()\nos.write(2, b'written')\nfound.append(output.take())\n"
        )
        self.assertEqual(found, ([[(2, "written")]], 0, 7))

    def test_replaced(self) -> None:
        """If no stream has the file descriptor, one is created."""
        found = self.taken(
            "print('é')\nsys.__stdout__.write('own')\nfound.append(output.take())\n",
            before="sys.stdout = sys.__stdout__ = None",
        )
        self.assertEqual(found, ([[(1, "é\nown")]], 6, 0))

    def test_leftover(self) -> None:
        """The main process reads the rest of the output of a dead worker."""
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
        """A stream of another file descriptor is replaced."""
        other = SimpleNamespace(fileno=lambda: 99)
        with (
            mock.patch.object(sys, "__stdout__", sys.__stdout__),
            mock.patch.object(output.os, "fdopen", return_value="made"),
        ):
            self.assertEqual(output._stream(other, 1), "made")
            self.assertEqual(sys.__stdout__, "made")
