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
from types import CoroutineType
from typing import Any, TypeAlias
from unittest import mock

from nose2_aio import places

__all__ = ["described", "keeps_any", "kept_in", "noted"]

Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"

_HOOK = "_warn_unawaited_coroutine"
_DEPTH = 4
"""How many frames of the place where a coroutine is made are noted: a mock's call takes three."""
_CONTAINERS = frozenset({list, tuple, set})
_KEPT = _CONTAINERS | {CoroutineType}


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
    is_mock = coroutine.cr_code.co_filename == mock.__file__
    if is_mock and coroutine.cr_frame is not None:
        found = re.search(r"name='(.*?)'", repr(coroutine.cr_frame.f_locals.get("self")))
        name = f"of the AsyncMock {found[1]}" if found else "of an AsyncMock"
    else:
        name = coroutine.__qualname__.rpartition("<locals>.")[2]
    lines = [line for line in coroutine.cr_origin or () if line[0] != mock.__file__]
    own = [line for line in lines if places.is_users(line[0])] or lines
    return name, places.line_in(*own[0]) if own else "", is_mock


def keeps_any(thing: object) -> bool:
    """Tell whether attributes of an object may keep coroutines: cheap, for each test."""
    return any(type(value) in _KEPT for value in thing.__dict__.values())


def kept_in(thing: object) -> Iterator[Coroutine]:
    """Give the coroutines that the attributes of an object keep, and that nobody has begun."""
    for value in list(getattr(thing, "__dict__", {}).values()):
        for one in value if type(value) in _CONTAINERS else (value,):
            is_coroutine = type(one) is CoroutineType
            if is_coroutine and inspect.getcoroutinestate(one) == inspect.CORO_CREATED:
                yield one
