"""Coroutines that nobody awaits: Python tells of them when they are dropped, and only there.

It calls a private function of `warnings` for each, from C, with the coroutine itself; the public
way gives a text, once for each line. A test that catches warnings by itself deals with its own.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CoroutineType, FrameType
from typing import Any, TypeAlias
from unittest import TestCase, mock

from nose2_aio import places

__all__ = ["described", "keeps_any", "kept_in", "noted"]

Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"

_HOOK = "_warn_unawaited_coroutine"
_DEPTH = 1
"""How many frames of the place where a coroutine is made are noted: each costs, each time."""
_OWN = len(vars(TestCase()))
"""How many attributes a test case has when the user has added none."""
_CONTAINERS = frozenset({list, tuple, set})


@contextmanager
def noted(note: Callable[[Coroutine], bool]) -> Iterator[None]:
    """Call ``note`` for each coroutine that is dropped inside the block; False: let Python warn."""
    before = getattr(warnings, _HOOK)

    def warn(coroutine: Coroutine) -> None:
        if not note(coroutine):
            # what Python does, with the same line as the place
            text = f"coroutine '{coroutine.__qualname__}' was never awaited"
            origin = coroutine.cr_origin or ()
            if len(origin) > _DEPTH:  # asyncio's debug mode
                lines = "".join(traceback.format_list([(*line, None) for line in reversed(origin)]))
                text = f"{text}\nCoroutine created at (most recent call last)\n{lines.rstrip()}"
            warnings.warn(text, RuntimeWarning, stacklevel=2, source=coroutine)

    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(depth, _DEPTH))
    setattr(warnings, _HOOK, warn)
    try:
        yield
    finally:
        setattr(warnings, _HOOK, before)
        sys.set_coroutine_origin_tracking_depth(depth)


def described(coroutine: Coroutine) -> tuple[str, str, bool]:
    """Return the name of a coroutine, where it was made, and whether a mock's call has made it."""
    if coroutine.cr_code.co_filename == mock.__file__:
        called = "" if coroutine.cr_frame is None else repr(coroutine.cr_frame.f_locals["self"])
        found = re.search(r"name='(.*?)'", called)
        name = f"of the AsyncMock {found[1]}" if found else "of an AsyncMock"
        return name, places.of_origin(places.origin(_dropping())), True
    name = coroutine.__qualname__.rpartition("<locals>.")[2]
    origin = coroutine.cr_origin
    return name, places.line_in(*origin[0]) if origin else "", False


def _dropping() -> FrameType | None:
    """Return the frame that drops a mock's call, which is most often the one that has made it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not places.is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def keeps_any(thing: object) -> bool:
    """Tell whether attributes of an object keep coroutines: asked for each test, so no detours."""
    attributes = thing.__dict__
    if len(attributes) <= _OWN and isinstance(thing, TestCase):
        return False
    for value in attributes.values():
        kind = type(value)
        if kind is CoroutineType:
            return True
        if kind in _CONTAINERS and value and any(type(one) is CoroutineType for one in value):
            return True
    return False


def kept_in(thing: object) -> Iterator[Coroutine]:
    """Give the coroutines that the attributes of an object keep, and that nobody has begun."""
    for value in list(getattr(thing, "__dict__", {}).values()):
        for one in value if type(value) in _CONTAINERS else (value,):
            is_coroutine = type(one) is CoroutineType
            if is_coroutine and inspect.getcoroutinestate(one) == inspect.CORO_CREATED:
                yield one
