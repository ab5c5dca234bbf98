"""Errors that a worker process of nose2 can send: pickle has to write and to read them."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from nose2_aio.errors import UnsentError

__all__ = ["portable"]

_UNSENT = "it can't be sent from a worker process as it is: {}"


def portable(exc_info: Any) -> Any:
    """Return what ``sys.exc_info()`` gave, with an `UnsentError` for an error that can't be sent.

    That says the same, and why. The type and the error are tried, not the traceback.
    """
    kind, error, frames = exc_info
    try:
        pickle.loads(pickle.dumps((kind, error)))  # noqa: S301 -- our own
    except Exception as reason:
        said = UnsentError(f"{_said(error)}\n\n{_UNSENT.format(_said(reason))}")
        return UnsentError, said, frames
    return exc_info


def _said(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).rstrip()
