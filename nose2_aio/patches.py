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
            if not patch.create and not hasattr(patch.target, patch.attribute):
                setattr(patch.target, patch.attribute, patch.temp_original)

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
    for kind, names, make in _KINDS:
        before = [getattr(kind, name) for name in names]
        setattr(kind, names[0], _entering(before[0], make, begin))
        setattr(kind, names[1], _leaving(before[1], end))
        steps += [(kind, *step) for step in zip(names, before, strict=True)]
    try:
        yield
    finally:
        for kind, name, method in steps:
            setattr(kind, name, method)


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


_KINDS: Any = (
    (mock._patch, ("__enter__", "__exit__"), _OfAttribute),
    # a coroutine function that is decorated enters no context
    (mock._patch_dict, ("_patch_dict", "_unpatch_dict"), _OfDict),
)
