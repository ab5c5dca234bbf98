"""Values from the user's code that are sent from one process to another.

The receiver may not be able to load such a value, and some can't be pickled at all. So each is
pickled separately, and sent with a text that can replace it.
"""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.errors import UnsentError
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.workers.messages import Error, PickledValue, SubTest

__all__ = [
    "load_error",
    "load_log_record",
    "load_subtest",
    "pickle_error",
    "pickle_log_record",
    "pickle_subtest",
    "portable",
]

_UNSENT = "it can't be sent from a worker process as it is: {}"


def portable(exc_info: Any) -> Any:
    """Return a ``sys.exc_info()`` whose exception can be pickled and loaded.

    An exception that can't is replaced by an `UnsentError`, which has its text and the reason. The
    traceback stays the same.
    """
    kind, error, frames = exc_info
    try:
        pickle.loads(pickle.dumps((kind, error)))  # noqa: S301 -- our own
    except Exception as reason:
        said = UnsentError(
            f"{tracebacks.in_words(error)}\n\n{_UNSENT.format(tracebacks.in_words(reason))}"
        )
        return UnsentError, said, frames
    return exc_info


def pickle_error(exc_info: Any, printed: str) -> Error:
    """Return a ``sys.exc_info()`` as a message. ``printed`` is what nose2 prints for it."""
    kind, error, _ = exc_info
    kinds = tuple(filter(None, map(_pickled, kind.__mro__)))
    return Error(kinds, PickledValue(_pickled(error), tracebacks.in_words(error)), printed)


def load_error(error: Error) -> tuple[type[BaseException], BaseException, str]:
    """Return an exception in the form of ``sys.exc_info()``, with text instead of the traceback.

    The class is the first one of its base classes that can be loaded here. If the exception itself
    can't be loaded, an `UnsentError` with its text replaces it.
    """
    kinds = map(_loaded, error.kinds)
    kind = next((one for one in kinds if one is not None), Exception)
    value = _loaded(error.value.data)
    return kind, UnsentError(error.value.text) if value is None else value, error.text


def pickle_subtest(subtest: Any) -> SubTest:
    """Return a subtest as a message."""
    message, params = unittest_internals.subtest_parts(subtest)
    sent = {
        name: PickledValue(_pickled(one), locations.text_of(one)) for name, one in params.items()
    }
    text = locations.text_of(message, str)
    return SubTest(None if message is None else PickledValue(_pickled(message), text), sent)


def load_subtest(test: TestCase, subtest: SubTest) -> Any:
    """Return a subtest of ``test``. Values that can't be loaded are replaced by their text."""
    params = {name: _loaded_or_text(one) for name, one in subtest.params.items()}
    message = None if subtest.message is None else _loaded_or_text(subtest.message)
    return unittest_internals.subtest(test, message, params)


def pickle_log_record(record: logging.LogRecord) -> PickledValue:
    """Return a log record as a message. Its arguments and its exception become text."""
    found = copy.copy(record)
    if found.exc_info and not found.exc_text:
        found.exc_text = logging.Formatter().formatException(found.exc_info)
    found.exc_info = None
    try:
        found.msg = record.getMessage()
    except Exception:  # a handler prints this error to stderr, and goes on
        found.msg = locations.text_of(record.msg, str)
    found.args = None
    return PickledValue(_pickled(found), found.msg)


def load_log_record(record: PickledValue) -> logging.LogRecord:
    """Return a log record; one that has only the text if it can't be loaded."""
    found = _loaded(record.data)
    if isinstance(found, logging.LogRecord):
        return found
    return logging.makeLogRecord({"msg": record.text, "levelname": "?", "name": "?"})


class _TextOnly:
    """Replaces a value that can't be loaded. Its `repr` is that of the value."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _pickled(value: object) -> bytes:
    """Return a pickled value; nothing if it can't be pickled."""
    try:
        return pickle.dumps(value)
    except Exception:  # a class of the user's may raise anything
        return b""


def _loaded(data: bytes) -> Any:
    """Return a pickled value; None if it can't be loaded here, or was not pickled."""
    try:
        return pickle.loads(data)  # noqa: S301 -- our own
    except Exception:  # a class of the user's may raise anything
        return None


def _loaded_or_text(value: PickledValue) -> Any:
    found = _loaded(value.data)
    return _TextOnly(value.text) if found is None and value.text != "None" else found
