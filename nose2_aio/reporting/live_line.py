r"""One line at the bottom of a terminal that is drawn again and again.

1. Everything that is written to ``sys.stdout`` and ``sys.stderr`` erases the line first. For this,
   the method ``write`` of both objects is replaced while the line is open. The objects stay the
   same: log handlers, nose2 and tests have them.
2. The line is drawn only while the cursor is at the beginning of a line, so that it overwrites
   nothing.
3. The line goes to the file descriptor, not through a stream: a signal handler may draw it while a
   stream writes.

Only ``\r`` and spaces move the cursor and erase, so it works on every terminal. What C code and
child processes write comes after the text of the line.
"""

from __future__ import annotations

import contextlib
import functools
import os
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["LiveLine"]

_COLUMNS = 80
"""The width of a terminal that doesn't know its own."""


class LiveLine:
    """The line. It is open from the beginning until `close`."""

    def __init__(self, descriptor: int, streams: Iterable[Any]) -> None:
        """``descriptor`` is that of the terminal; ``streams`` are all that write to it."""
        self.is_at_start = True
        """True if the cursor is at the beginning of a line, or on ours."""
        self._descriptor = descriptor
        self._streams = list(dict.fromkeys(streams))
        self._process = os.getpid()
        """Our process: one that is forked must leave the line alone."""
        self._is_shown = False
        self._is_writing = False
        self._own = [vars(stream).get("write") for stream in self._streams]
        """The functions that others have put in place of ``write``; None if nobody has."""
        for stream in self._streams:
            stream.write = functools.partial(self._write, stream.write)

    def close(self) -> None:
        """Erase the line, and write to the streams as before."""
        self._replace("")
        for stream, own in zip(self._streams, self._own, strict=True):
            vars(stream).pop("write", None)  # a test may have removed it
            if own is not None:
                stream.write = own

    def draw(self, text: str) -> None:
        """Show a text, or as much of it as fits, in place of the last one."""
        if self.is_at_start and not self._is_writing:
            self._replace(text)

    def end_unfinished(self) -> None:
        """Begin a new line if the cursor is in the middle of one."""
        if not self.is_at_start:
            for stream in self._streams:
                stream.flush()
            self._streams[-1].write("\n")

    def _write(self, write: Callable[[str], Any], text: str) -> Any:
        self._is_writing = True
        try:
            if self._is_shown:
                self._replace("")
            return write(text)
        finally:
            if text and isinstance(text, str):  # else the stream has raised an error
                self.is_at_start = text.endswith("\n")
            self._is_writing = False

    def _replace(self, text: str) -> None:
        if os.getpid() != self._process:
            return
        with contextlib.suppress(OSError):  # the terminal is gone
            width = (os.get_terminal_size(self._descriptor).columns or _COLUMNS) - 1
            old = f"\r{' ' * width}\r" if self._is_shown else ""
            self._is_shown = True  # also if Ctrl-C comes while this is written
            os.write(self._descriptor, f"{old}{_cut(text, width)}".encode(errors="replace"))
            self._is_shown = bool(text)


def _cut(text: str, width: int) -> str:
    """Return as much of a text as fits. Some characters take two columns."""
    for index, one in enumerate(text):
        width -= 2 if unicodedata.east_asian_width(one) in "FW" else 1
        if width < 0:
            return text[:index]
    return text
