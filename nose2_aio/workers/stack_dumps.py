"""Saves the stacks of a worker process in a file, with `faulthandler`.

It writes them at a fatal signal, at `DUMP_SIGNAL`, and at ``os._exit``. This works even while C
code runs, which no Python code can interrupt.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary
from typing import IO, NoReturn

from nose2_aio.introspection import locations

__all__ = ["DUMP_SIGNAL", "frames_of_thread", "write_at_exit", "write_at_signals"]

DUMP_SIGNAL: int = (
    signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else getattr(signal, "SIGXCPU", 0)
)
"""The signal that makes a worker write its stacks. Tests are unlikely to use it."""
_FILE = "stacks"
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+)")
_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def write_at_signals(folder: Path) -> IO[str]:
    """Write the stacks of this process to a file in ``folder`` at a signal; return the file.

    The signals are the fatal ones and `DUMP_SIGNAL`.
    """
    file = (folder / _FILE).open("w", encoding="utf-8")
    faulthandler.enable(file)
    faulthandler.register(DUMP_SIGNAL, file)
    return file


def write_at_exit(file: IO[str]) -> None:
    """Write the stacks of this process to a file when ``os._exit`` is called in it."""
    leave, own = os._exit, os.getpid()

    @functools.wraps(leave)
    def leave_with_stacks(status: int) -> NoReturn:
        if os.getpid() == own:  # not in a child process that a test has forked
            faulthandler.dump_traceback(file)
        leave(status)

    os._exit = leave_with_stacks


def frames_of_thread(folder: Path, thread: int) -> list[FrameSummary]:
    """Return the user's frames of a thread's last stack, outermost first; [] if there is none."""
    found: list[FrameSummary] = []
    for identity, frames in _threads(folder):
        if identity == thread:
            found = frames
    return found


def _threads(folder: Path) -> Iterator[tuple[int, list[FrameSummary]]]:
    try:
        text = (folder / _FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    identity: int | None = None
    frames: list[FrameSummary] = []
    for line in text.splitlines():
        head, frame = _THREAD.match(line), _FRAME.match(line)
        if head:
            if identity is not None:
                yield identity, frames
            identity, frames = int(head[1], 16), []
        elif frame and locations.is_users(frame[1]):
            frames.insert(0, FrameSummary(frame[1], int(frame[2]), frame[3]))
    if identity is not None:
        yield identity, frames
