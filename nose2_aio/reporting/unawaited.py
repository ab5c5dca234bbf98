"""Coroutines that nobody awaits: Python tells of them when they are dropped, and only there.

It calls a private function of `warnings` for each, from C, with the coroutine itself; the public
way gives a text, once for each line. A test that catches warnings by itself deals with its own.
"""

from __future__ import annotations

import gc
import inspect
import re
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, TypeAlias
from unittest import TestCase, mock

from nose2_aio.eventloop.problems import Unawaited
from nose2_aio.introspection import locations

__all__ = ["OWN", "active_filters", "described", "keeps_any", "kept_in", "noted"]

Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"

_HOOK = "_warn_unawaited_coroutine"
_DEPTH = 1
"""How many frames of the place where a coroutine is made are noted: each costs, each time."""
OWN = len(vars(TestCase()))
"""How many attributes a test case has when the user has added none."""
# nothing public tells the call of an AsyncMock from a function that mock.patch decorates
_MOCK_CALL = getattr(getattr(mock.AsyncMock, "_execute_mock_call", None), "__code__", None)
_TEXT = "coroutine 'x' was never awaited"
_CONTAINERS = frozenset({list, tuple, set, deque, dict})


@contextmanager
def noted(note: Callable[[Coroutine, bool], bool], filters: Callable[[], object]) -> Iterator[None]:
    """Call ``note`` for each coroutine that is dropped inside the block; False: let Python warn.

    It is told too whether that happens now, or long after the coroutine was lost: in a garbage
    collection, or in another thread. ``filters`` gives those of warnings when the test began.
    """
    before = getattr(warnings, _HOOK)
    depth = sys.get_coroutine_origin_tracking_depth()
    known = list(active_filters())
    thread = threading.get_ident()
    is_collecting = False

    def watch(phase: str, _: dict[str, int]) -> None:
        nonlocal is_collecting
        is_collecting = phase == "start"

    def warn(coroutine: Coroutine) -> None:
        is_late = is_collecting or threading.get_ident() != thread
        if _is_caught(filters(), known) or not note(coroutine, is_late):
            _warn(coroutine, has_origin=depth > 0)

    sys.set_coroutine_origin_tracking_depth(max(depth, _DEPTH))
    setattr(warnings, _HOOK, warn)
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        setattr(warnings, _HOOK, before)
        sys.set_coroutine_origin_tracking_depth(depth)


def active_filters() -> list[Any]:
    """Return the warning filters in effect.

    From Python 3.14 on, they may live in a context variable (``-X context_aware_warnings``).
    """
    found: list[Any] = getattr(warnings, "_get_filters", lambda: warnings.filters)()
    return found


def _is_caught(filters: object, known: list[Any]) -> bool:
    """Tell whether the test deals with the warning: it catches warnings, or ignores this one.

    Filters that stood when the run began say nothing: who ignores all warnings hasn't seen it.
    """
    active = active_filters()
    return active is not filters or any(
        one[0] == "ignore"
        and issubclass(RuntimeWarning, one[2])
        and (one[1] is None or bool(getattr(one[1], "match", _no_match)(_TEXT)))
        for one in active
        if one not in known
    )


def _no_match(_: str) -> None:
    return None


def _warn(coroutine: Coroutine, *, has_origin: bool) -> None:
    """Do what Python does, with the same line as the place."""
    text = f"coroutine '{coroutine.__qualname__}' was never awaited"
    origin = coroutine.cr_origin or ()
    if has_origin or len(origin) > _DEPTH:  # the user's own, or asyncio's debug mode
        lines = "".join(traceback.format_list([(*line, None) for line in reversed(origin)]))
        text = f"{text}\nCoroutine created at (most recent call last)\n{lines.rstrip()}"
    warnings.warn(text, RuntimeWarning, stacklevel=3, source=coroutine)


def described(coroutine: Coroutine) -> Unawaited:
    """Return what there is to say of a coroutine."""
    if coroutine.cr_code is _MOCK_CALL:
        called = None if coroutine.cr_frame is None else coroutine.cr_frame.f_locals.get("self")
        found = re.search(r"name='(.*?)'", locations.text_of(called))
        name = f"of the AsyncMock {found[1]}" if found else "of an AsyncMock"
        return Unawaited(
            name, locations.of_origin(locations.origin(sys._getframe(1))), is_mock=True
        )
    name = coroutine.__qualname__.rpartition("<locals>.")[2]
    origin = coroutine.cr_origin
    return Unawaited(name, locations.line_in(*origin[0]) if origin else "", is_mock=False)


def keeps_any(thing: object) -> bool:
    """Tell whether attributes of an object keep coroutines."""
    for value in thing.__dict__.values():
        kind = type(value)
        if kind is CoroutineType:
            return True
        if kind in _CONTAINERS and value:
            among = value.values() if kind is dict else value
            if any(type(one) is CoroutineType for one in among):
                return True
    return False


def kept_in(thing: object) -> Iterator[Coroutine]:
    """Give the coroutines that the attributes of an object keep, and that nobody has begun."""
    for value in list(getattr(thing, "__dict__", {}).values()):
        kind = type(value)
        among = value.values() if kind is dict else value if kind in _CONTAINERS else (value,)
        for one in list(among):
            is_coroutine = type(one) is CoroutineType
            if is_coroutine and inspect.getcoroutinestate(one) == inspect.CORO_CREATED:
                yield one
