"""Patches of `unittest.mock` that a test has made: they are set aside while others run.

`mock.patch` puts something of a test's where all of the process sees it, for as long as the test
waits there. So it is taken away with the test's turn, and put back with the next one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from unittest import mock

__all__ = ["Patch", "noted"]

_MISSING = object()


class Patch(Protocol):
    """Something that a test has put where all of the process sees it."""

    def leave(self) -> None:
        """Set it aside, and have there what was there before."""

    def enter(self) -> None:
        """Put it back."""


class _OfAttribute:
    """A patch of one attribute."""

    def __init__(self, patch: Any) -> None:
        self._patch = patch
        self._own: Any = None

    def leave(self) -> None:
        """Set it aside."""
        patch = self._patch
        own = getattr(patch.target, "__dict__", {})
        self._own = own.get(patch.attribute, _MISSING)
        if self._own is _MISSING:
            self._own = getattr(patch.target, patch.attribute, _MISSING)
        if patch.is_local:
            setattr(patch.target, patch.attribute, patch.temp_original)
        elif self._own is not _MISSING:
            delattr(patch.target, patch.attribute)

    def enter(self) -> None:
        """Put it back."""
        if self._own is not _MISSING:
            setattr(self._patch.target, self._patch.attribute, self._own)


class _OfDict:
    """A patch of some items of a mapping."""

    def __init__(self, patch: Any) -> None:
        self._mapping = patch.in_dict
        self._before = patch._original
        self._keys = {*patch.values, *(self._before if patch.clear else ())}
        self._own: dict[Any, Any] = {}

    def leave(self) -> None:
        """Set it aside."""
        self._own = {key: self._mapping.get(key, _MISSING) for key in self._keys}
        self._put(self._before)

    def enter(self) -> None:
        """Put it back."""
        self._put(self._own)

    def _put(self, values: Any) -> None:
        for key in self._keys:
            value = values.get(key, _MISSING)
            if value is not _MISSING:
                self._mapping[key] = value
            elif key in self._mapping:
                del self._mapping[key]


@contextmanager
def noted(begin: Callable[[object, Patch], None], end: Callable[[object], None]) -> Iterator[None]:
    """Call ``begin`` for each patch that is made inside the block, and ``end`` when it is undone.

    Both get what mock made for it, by which it is known.
    """
    steps = []
    for kind, make in ((mock._patch, _OfAttribute), (mock._patch_dict, _OfDict)):  # type: ignore[attr-defined]
        before = kind.__enter__, kind.__exit__
        kind.__enter__ = _entering(before[0], make, begin)
        kind.__exit__ = _leaving(before[1], end)
        steps.append((kind, *before))
    try:
        yield
    finally:
        for kind, enter, leave in steps:
            kind.__enter__, kind.__exit__ = enter, leave


def _entering(before: Any, make: Any, begin: Callable[[object, Patch], None]) -> Any:
    @functools.wraps(before)
    def enter(self: Any) -> Any:
        value = before(self)
        begin(self, make(self))
        return value

    return enter


def _leaving(before: Any, end: Callable[[object], None]) -> Any:
    @functools.wraps(before)
    def leave(self: Any, *error: Any) -> Any:
        end(self)
        return before(self, *error)

    return leave
