"""nose2_aio.reporting.live_line"""

from __future__ import annotations

import io
import os
from pathlib import Path
from unittest import TestCase, mock, skipUnless

from nose2_aio.reporting.live_line import LiveLine
from nose2_aio.reporting.terminals import terminal_of
from tests.terminal import has_terminals


@skipUnless(has_terminals(), "there are no pseudo-terminals")
class Line(TestCase):
    """The line on a terminal."""

    def setUp(self) -> None:
        self.main, self.side = os.openpty()
        self.addCleanup(os.close, self.main)
        self.stream = os.fdopen(self.side, "w", buffering=1)
        self.addCleanup(self.stream.close)
        self.line = LiveLine(self.side, [self.stream, self.stream])

    def written(self) -> str:
        """Return what was written since the last call, with ``~`` for the spaces that erase."""
        os.write(self.side, b"$")  # the end
        data = b""
        while not data.endswith(b"$"):
            data += os.read(self.main, 10_000)
        text = data.decode().replace("\r\n", "\n").removesuffix("$")
        return text.replace(f"\r{' ' * 79}\r", "~")

    def test_erased(self) -> None:
        """The line is erased before anything else is written, and when it is closed."""
        self.line.draw("one")
        self.line.draw("two")
        print("text", file=self.stream)
        print("more", file=self.stream)
        self.assertEqual(self.written(), "one~two~text\nmore\n")
        self.line.draw("three")
        self.line.close()
        print("end", file=self.stream)
        self.assertEqual(self.written(), "three~end\n")
        self.assertNotIn("write", vars(self.stream))

    def test_middle(self) -> None:
        """It is not drawn while the cursor is in the middle of a line."""
        self.stream.write("")
        self.assertTrue(self.line.is_at_start)
        self.stream.write("begin")
        self.assertFalse(self.line.is_at_start)
        self.line.draw("one")
        self.stream.write("end\n")
        self.line.draw("two")
        self.assertEqual(self.written(), "beginend\ntwo")

    def test_unfinished(self) -> None:
        """A line that a test has left unfinished can be ended, with all that is not flushed yet."""
        with io.TextIOWrapper(io.BytesIO(), write_through=False) as other:
            line = LiveLine(self.side, [other, self.stream])
            line.end_unfinished()
            other.write("begin")
            line.end_unfinished()
            self.assertEqual(other.buffer.getvalue(), b"begin")
            line.draw("one")
            line.close()
        self.assertEqual(self.written(), "\none~")

    def test_interrupted(self) -> None:
        """A line that was drawn when Ctrl-C came is erased."""
        write = os.write

        def interrupted(descriptor: int, data: bytes) -> None:
            write(descriptor, data)
            raise KeyboardInterrupt

        with mock.patch("os.write", interrupted), self.assertRaises(KeyboardInterrupt):
            self.line.draw("one")
        self.line.close()
        self.assertEqual(self.written(), "one~")

    def test_other_owner(self) -> None:
        """A function that somebody has put in place of ``write`` is put back."""
        own = mock.Mock(side_effect=self.stream.write)
        self.stream.write = own
        line = LiveLine(self.side, [self.stream])
        line._write(mock.Mock(), b"bytes")
        line.close()
        self.assertIs(self.stream.write, own)
        del self.stream.write

    def test_reentrant(self) -> None:
        """A signal handler that runs while a stream writes draws nothing."""
        with mock.patch.object(self.line, "_streams", [io.StringIO()]):
            self.line._write(lambda _: self.line.draw("one"), "text\n")
        self.line.draw("two")
        self.assertEqual(self.written(), "two")

    def test_width(self) -> None:
        """Wide characters count twice."""
        self.line.draw("日" * 39 + "ab")
        self.assertEqual(self.written(), "日" * 39 + "a")
        self.line.draw("日" * 40)
        self.assertEqual(self.written(), f"~{'日' * 39}")

    def test_fork(self) -> None:
        """In a process that was forked, nothing is drawn or erased."""
        self.line.draw("one")
        with mock.patch("os.getpid", return_value=-1):
            self.line.draw("two")
            print("text", file=self.stream)
        self.assertEqual(self.written(), "onetext\n")

    def test_gone(self) -> None:
        """Where the terminal is gone, nothing is drawn."""
        other, side = os.openpty()
        line = LiveLine(side, [])
        os.close(other)
        os.close(side)
        line.draw("one")
        line.close()


class Terminals(TestCase):
    """Which streams are terminals."""

    @skipUnless(has_terminals(), "there are no pseudo-terminals")
    def test_terminals(self) -> None:
        """A stream needs a file descriptor, and that must be one of a terminal."""
        main, side = os.openpty()
        self.addCleanup(os.close, main)
        with os.fdopen(side, "w") as stream, Path(os.devnull).open() as null:
            self.assertEqual(terminal_of(stream), side)
            for other in (null, io.StringIO(), object(), None):
                self.assertIsNone(terminal_of(other))
        self.assertIsNone(terminal_of(stream))
