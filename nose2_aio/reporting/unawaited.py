"""Detects coroutines that are never awaited, at the moment when they are dropped.

Python warns of such a coroutine in its finalizer: C code calls a private function of `warnings`
with the coroutine itself. We replace that function. The public way, a warning, has only a text, and
Python shows it once for each line.

A test that catches or ignores the warning deals with its own coroutines: then Python warns.
"""

from __future__ import annotations

import functools
import gc
import operator
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, TypeAlias

from nose2_aio.eventloop.problems import Unawaited
from nose2_aio.introspection import attributes, locations

__all__ = [
    "active_filters",
    "describe",
    "describe_handed",
    "intercept_drops",
    "intercept_mock_calls",
    "place_of",
    "take_kept",
]

Coroutine: TypeAlias = "CoroutineType[Any, Any, Any]"

_HOOK = "_warn_unawaited_coroutine"
_MOCK_HOOK = "_increment_mock_call"
_ORIGIN_DEPTH = 1
"""How many frames Python records where a coroutine is created. Each frame costs time."""
_TEXT = "coroutine 'x' was never awaited"
"""A warning as Python words it, to try the filters of warnings on."""

active_filters: Callable[[], Any] = getattr(
    warnings, "_get_filters", functools.partial(operator.attrgetter("filters"), warnings)
)
"""Returns the warning filters in effect.

From Python 3.14 on, they may live in a context variable (``-X context_aware_warnings``).
"""


@contextmanager
def intercept_drops(
    note: Callable[[Coroutine, bool], bool], filters: Callable[[], object], known: list[Any]
) -> Iterator[None]:
    """Call ``note`` for each coroutine that is dropped inside the block without being awaited.

    It is called in the thread that drops the coroutine. Its second argument is True in a garbage
    collection, so maybe long after the coroutine was lost. If ``note`` returns False, Python warns.
    ``filters`` returns the list of warnings filters that was in force when the test began, and
    ``known`` has those from before the run.
    """
    before = getattr(warnings, _HOOK)
    depth = sys.get_coroutine_origin_tracking_depth()
    is_collecting = False

    def on_collection(phase: str, _: dict[str, int]) -> None:
        nonlocal is_collecting
        is_collecting = phase == "start"

    def warn(coroutine: Coroutine) -> None:
        if _is_caught(filters(), known) or not note(coroutine, is_collecting):
            _warn(coroutine, has_origin=depth > 0)

    sys.set_coroutine_origin_tracking_depth(max(depth, _ORIGIN_DEPTH))
    setattr(warnings, _HOOK, warn)
    gc.callbacks.append(on_collection)
    try:
        yield
    finally:
        gc.callbacks.remove(on_collection)
        setattr(warnings, _HOOK, before)
        sys.set_coroutine_origin_tracking_depth(depth)


def _is_caught(filters: object, known: list[Any]) -> bool:
    """Return True if the test deals with the warning: it catches warnings, or ignores this one.

    Filters from before the run (``known``) don't count. A project that ignores all warnings has
    never seen this one.
    """
    return active_filters() is not filters or any(
        one[0] == "ignore"
        and issubclass(RuntimeWarning, one[2])
        and (one[1] is None or bool(getattr(one[1], "match", _no_match)(_TEXT)))
        for one in active_filters()
        if one not in known
    )


def _no_match(_: str) -> None:
    return None


def _warn(coroutine: Coroutine, *, has_origin: bool) -> None:
    """Warn as Python does, for the same line."""
    text = f"coroutine '{coroutine.__qualname__}' was never awaited"
    origin = coroutine.cr_origin or ()
    if has_origin or len(origin) > _ORIGIN_DEPTH:  # the user's own, or asyncio's debug mode
        lines = "".join(traceback.format_list([(*line, None) for line in reversed(origin)]))
        text = f"{text}\nCoroutine created at (most recent call last)\n{lines.rstrip()}"
    warnings.warn(text, RuntimeWarning, stacklevel=3, source=coroutine)


def describe(coroutine: Coroutine, *, is_dropped: bool) -> Unawaited:
    """Return the name of a coroutine, and where it was created.

    If that is not known, the place is the line of the user's that drops it, or else its definition.
    If an AsyncMock has created it, the place is the line of the user's that runs now.

    ``is_dropped`` is True if the line of the user's that runs now drops the coroutine.
    """
    from unittest import mock

    # no public attribute tells a call of an AsyncMock from a function that mock.patch decorates
    if coroutine.cr_code is locations.code_of(mock.AsyncMock, "_execute_mock_call"):
        called = None if coroutine.cr_frame is None else coroutine.cr_frame.f_locals.get("self")
        mock_name = _name_of_mock(called)
        name = f"of the AsyncMock {mock_name}" if mock_name else "of an AsyncMock"
        return Unawaited(
            name, locations.format_origin(locations.capture_origin(sys._getframe(1))), is_mock=True
        )
    name = _name_of(coroutine)
    return Unawaited(name, place_of(coroutine, is_dropped=is_dropped), is_mock=False)


def place_of(coroutine: Coroutine, *, is_dropped: bool = False) -> str:
    """Return where a coroutine was created, or what is next best: see `describe`."""
    if coroutine.cr_origin:
        return locations.line_in(*coroutine.cr_origin[0])
    dropping = locations.capture_origin(sys._getframe(1)) if is_dropped else ()
    if dropping and locations.is_users(dropping[0][0].co_filename):
        return f"{locations.format_origin(dropping)}, where it was dropped"
    code = coroutine.cr_code
    place = locations.line_in(code.co_filename, code.co_firstlineno, code.co_name)
    return f"{place}, its definition"


def describe_handed(coroutine: Coroutine, mock_name: str) -> Unawaited:
    """Return the name of a coroutine that a mock was called with, and where it was created."""
    name = (
        f"{_name_of(coroutine)}, which the mock{f' {mock_name}' * bool(mock_name)} was called with,"
    )
    return Unawaited(name, place_of(coroutine), is_mock=True)


def _name_of(coroutine: Coroutine) -> str:
    return coroutine.__qualname__.rpartition("<locals>.")[2]


def take_kept(values: Iterable[object]) -> tuple[Unawaited, ...]:
    """Close the coroutines in these values that have not been started; describe them."""
    kept = tuple(attributes.unstarted(values))
    found = tuple(describe(one, is_dropped=False) for one in kept)
    for one in kept:
        one.close()
    return found


@contextmanager
def intercept_mock_calls(note: Callable[[Any, str], None]) -> Iterator[None]:
    """Call ``note`` for each coroutine that a mock is called with, inside the block.

    Its arguments are the coroutine, which has not been started, and the name of the mock. A mock
    keeps the arguments of its calls and awaits nothing: ``asyncio.wait_for`` patched by an
    ``AsyncMock``, for example, leaves its first argument alone. That is rarely a mistake. The mock
    may be gone when its coroutines are found, so we replace the method that each call calls.
    """
    from unittest import mock

    increment = getattr(mock.CallableMixin, _MOCK_HOOK)

    @functools.wraps(increment)
    def increment_and_note(called: Any, /, *args: Any, **kwargs: Any) -> Any:
        for one in attributes.unstarted((args, kwargs), with_objects=False):
            note(one, _name_of_mock(called))
        return increment(called, *args, **kwargs)

    setattr(mock.CallableMixin, _MOCK_HOOK, increment_and_note)
    try:
        yield
    finally:
        setattr(mock.CallableMixin, _MOCK_HOOK, increment)


def _name_of_mock(called: object) -> str:
    """Return the name of a mock; "" if it has none."""
    found = re.search(r"name='(.*?)'", locations.text_of(called))
    return found[1] if found else ""
