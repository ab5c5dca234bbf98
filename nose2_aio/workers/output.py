"""Captures the output of a worker process: its file descriptors 1 and 2 are files.

So it captures the output of C code and of child processes, too. The worker reads the files after
each test. If it dies, the main process reads the rest: it knows the folder of the files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from nose2_aio.workers.messages import WorkerState

__all__ = ["Output", "read_unsent"]

_DESCRIPTORS = {1: "stdout", 2: "stderr"}


class Output:
    """The output of this worker process."""

    def __init__(self, folder: Path, state: WorkerState) -> None:
        """Redirect the output of this process to files in ``folder``."""
        self._state = state
        self._read = dict.fromkeys(_DESCRIPTORS, 0)
        self._files = {number: _redirected(number, folder) for number in _DESCRIPTORS}

    def take(self) -> list[tuple[int, str]]:
        """Return the text that was written since the last call, with its file descriptor."""
        with suppress(ValueError, OSError):  # a test has closed a stream
            sys.__stdout__.flush()  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
        read = self._read
        if (
            os.fstat(self._files[1]).st_size == read[1]
            and os.fstat(self._files[2]).st_size == read[2]
        ):
            return []
        return [(number, text) for number in _DESCRIPTORS if (text := self._take(number))]

    def note_sent(self) -> None:
        """Note that all text that `take` has returned was sent."""
        for number, count in self._read.items():
            self._state.note_sent(number, count)

    def _take(self, number: int) -> str:
        file, begin = self._files[number], self._read[number]
        self._read[number] = end = os.fstat(file).st_size
        return _decoded(os.pread(file, end - begin, begin))


def _redirected(number: int, folder: Path) -> int:
    """Redirect a file descriptor to a file; return a second file descriptor of that file."""
    name = _DESCRIPTORS[number]
    stream = getattr(sys, f"__{name}__")
    file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(file, number)
    setattr(sys, name, _stream(stream, number))
    return file


def read_unsent(folder: Path, state: WorkerState) -> Iterator[tuple[int, str]]:
    """Yield the text that a dead worker has written and not sent, with its file descriptor."""
    for descriptor, name in _DESCRIPTORS.items():
        try:
            data = (folder / name).read_bytes()[state.sent(descriptor) :]
        except OSError:  # it died before it created the file
            continue
        if data:
            yield descriptor, _decoded(data)


def _decoded(data: bytes) -> str:
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    return data.decode(encoding, "surrogateescape")


def _stream(stream: Any, descriptor: int) -> Any:
    """Return a stream for a file descriptor: ``stream`` if it writes there, else a new one."""
    try:
        if stream.fileno() == descriptor:
            stream.reconfigure(line_buffering=True)
            return stream
    except (AttributeError, OSError, ValueError):
        pass
    stream = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1, closefd=False)
    setattr(sys, f"__{_DESCRIPTORS[descriptor]}__", stream)
    return stream
