"""What stands at ``sys.stdout`` and ``sys.stderr`` while many tests run: it asks who writes."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from nose2_aio import writers
from nose2_aio.writers import Text

__all__ = ["StandIn"]


class _Inside(threading.local):
    depth = 0
    """In how many writes this thread is."""


class StandIn:
    """A text stream: a test's writes go to its output, all others to the real one.

    The real one is what somebody has put there last (`settle`). That may write to what stood there
    before, which is this one: a write within a write goes one layer down.
    """

    _layers: tuple[Any, ...] = ()
    """The real stream last; below it what it may stand on."""

    def __init__(self, name: str) -> None:
        self._which = name
        self._inside = _Inside()
        self.settle()

    def settle(self) -> None:
        """Take what somebody has put in the place of this one as the real stream, and come back."""
        found = getattr(sys, self._which)
        if found is None or found is self:
            return
        layers = [id(layer) for layer in self._layers]
        depth = layers.index(id(found)) if id(found) in layers else len(layers)
        self._layers = (*self._layers[:depth], found)
        setattr(sys, self._which, self)

    def leave(self) -> None:
        """Have the real stream stand in its place again, unless another does."""
        if getattr(sys, self._which) is self:
            setattr(sys, self._which, self._layers[-1])

    def play(self, parts: Iterable[str | bytes]) -> None:
        """Write to the real stream what was recorded; what that can't encode, with backslashes."""
        encoding = getattr(self, "encoding", None) or "utf-8"
        text = "".join(_decoded(parts, encoding))
        with self._layer() as stream:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def write(self, text: str) -> int:
        """Write a text, as any text stream does."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        return self._give(text, lambda stream: stream.write(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write some texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the real stream, if that is what the caller writes to."""
        if writers.of_writer() is None:
            self._call("flush")

    def fileno(self) -> int:
        """Return the number of the real stream's file: who asks writes there by other means."""
        found: int = self._call("fileno")
        return found

    def isatty(self) -> bool:
        """Tell whether the real stream is a terminal."""
        return bool(self._call("isatty"))

    @property
    def buffer(self) -> Any:
        """The stream below, for bytes."""
        if writers.of_writer() is None:
            return self.__getattr__("buffer")
        return _Bytes(self)

    def __getattr__(self, name: str) -> Any:
        if not self._layers:  # in a copy
            raise AttributeError(name)
        with self._layer() as stream:
            return getattr(stream, name)

    def __repr__(self) -> str:
        return f"<{self._which} of many tests, else {self._layers[-1]!r}>"

    def give_bytes(self, data: bytes) -> int:
        """Write bytes, behind all text that was written before."""

        def write(stream: Any) -> int:
            if not hasattr(stream, "buffer"):
                encoding = getattr(stream, "encoding", None) or "utf-8"
                stream.write(data.decode(encoding, "backslashreplace"))
                return len(data)
            stream.flush()
            found: int = stream.buffer.write(data)
            return found

        return self._give(data, write)

    def _give(self, text: str | bytes, write: Callable[[Any], int]) -> int:
        """Give something to the output, to what the test has put here, or to the real stream."""
        output = writers.of_writer()
        if output is None:
            with self._layer() as stream:
                return write(stream)
        own = output.changes.stream(self._which)
        if own is None or self._inside.depth:
            output.add(Text(self._which, text))
            return len(text)
        with self._layer():
            return write(own)

    def _call(self, name: str) -> Any:
        with self._layer() as stream:
            return getattr(stream, name)()

    @contextmanager
    def _layer(self) -> Iterator[Any]:
        """Give the real stream; within, in this thread, the one below it."""
        depth = self._inside.depth
        layers = self._layers
        self._inside.depth = depth + 1
        try:
            yield layers[max(len(layers) - 1 - depth, 0)]
        finally:
            self._inside.depth = depth


class _Bytes(io.BufferedIOBase):
    """The binary stream of a stand-in."""

    def __init__(self, stream: StandIn) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            return self._stream.give_bytes(view.tobytes())

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _decoded(parts: Iterable[str | bytes], encoding: str) -> Iterator[str]:
    """Decode bytes that follow on one another together: a character may be cut."""
    waiting = b""
    for part in (*parts, ""):
        if isinstance(part, bytes):
            waiting += part
            continue
        yield waiting.decode(encoding, "backslashreplace")
        yield part
        waiting = b""
