"""Whose output it is: that of the context it is written in, or else of the thread."""

from __future__ import annotations

import functools
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from nose2_aio.changes import Changes

__all__ = ["Logged", "Output", "Piece", "Text", "bind", "carried", "current", "of_writer"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Text(NamedTuple):
    """Something that was written."""

    stream: str
    """``stdout`` or ``stderr``."""
    text: str | bytes
    """Bytes where it was written to the stream's buffer."""


class Logged(NamedTuple):
    """A record that a handler has yet to get."""

    handler: logging.Handler
    record: logging.LogRecord


Piece: TypeAlias = Text | Logged


class Output(ABC):
    """Where the output of one test goes, or that of a wider fixture."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        """Those of its unit: handlers belong to a unit, whichever of its tests has made them."""

    @abstractmethod
    def add(self, piece: Piece) -> None:
        """Add a piece of output, from any thread."""


current: ContextVar[Output | None] = ContextVar("nose2_aio_output", default=None)
"""Where what runs in a context writes to."""

_threads: dict[int, Output] = {}


def bind(output: Output | None) -> None:
    """Have an output get what the calling thread writes where the context has none; None: end."""
    if output is None:
        _threads.pop(threading.get_ident(), None)
    else:
        _threads[threading.get_ident()] = output


def of_writer() -> Output | None:
    """Return where what calls writes to; None: it writes on behalf of no test."""
    found = current.get()
    if found is None:
        found = _threads.get(threading.get_ident())
    return None if found is None or found.changes.is_over else found


def carried(function: _Function) -> _Function:
    """Return a function that writes on behalf of whom the caller does, in whichever thread it runs.

    Nothing else of the context comes along.
    """
    output = of_writer()
    return function if output is None else cast(_Function, _Carried(function, output))


class _Carried:
    """A function, with its name and attributes; what is pickled is the function alone."""

    def __init__(self, function: Callable[..., Any], output: Output) -> None:
        self.__wrapped__ = function
        self.__nose2_aio__ = output

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = current.set(self.__nose2_aio__)
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            current.reset(token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self.__wrapped__,)
