"""nose2_aio.workers.pickling"""

from __future__ import annotations

import pickle
import sys
import threading
from typing import Any
from unittest import TestCase

from nose2_aio.errors import UnsentError
from nose2_aio.workers import pickling
from nose2_aio.workers.messages import Error, PickledValue


class PickyError(Exception):
    """An error that can be pickled, and not loaded."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(text)
        self.code = code


def raised(error: Exception) -> Any:
    """Return the ``sys.exc_info()`` of an error."""
    try:
        raise error
    except Exception:
        return sys.exc_info()


class Portable(TestCase):
    """Errors that are made portable."""

    def test_as_it_is(self) -> None:
        """An error that can be sent stays the same."""
        found = raised(ValueError("bad"))
        self.assertIs(pickling.portable(found), found)

    def test_unsent(self) -> None:
        """An `UnsentError` with the same traceback replaces an error that can't be sent."""
        locked = ValueError("bad")
        locked.lock = threading.Lock()  # type: ignore[attr-defined]
        locked.add_note("as ever")
        for error, said, reason in (
            (locked, "ValueError: bad\nas ever\n", "TypeError: cannot pickle"),
            (PickyError(1, text="bad"), f"{__name__}.PickyError: bad\n", "TypeError: "),
        ):
            found = raised(error)
            kind, sent, frames = pickling.portable(found)
            self.assertIs(kind, UnsentError)
            self.assertIsInstance(sent, UnsentError)
            self.assertIs(frames, found[2])
            self.assertTrue(str(sent).startswith(said), sent)
            self.assertIn(f"it can't be sent from a worker process as it is: {reason}", str(sent))


class Restored(TestCase):
    """Errors that arrive."""

    def test_unloadable(self) -> None:
        """An error that only the worker can load is replaced, and has the same text."""
        kinds = (b"no pickle", pickle.dumps(LookupError))
        found = pickling.load_error(Error(kinds, PickledValue(b"no pickle", "words"), "the text"))
        self.assertEqual((found[0], found[2]), (LookupError, "the text"))
        self.assertIs(type(found[1]), UnsentError)
        self.assertEqual(str(found[1]), "words")
        self.assertIs(pickling.load_error(Error((), PickledValue(b"", ""), ""))[0], Exception)
