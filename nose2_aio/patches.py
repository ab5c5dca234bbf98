"""Patches of `unittest.mock` that a test has made: they are set aside while others run.

`mock.patch` puts something of a test's where all of the process sees it, for as long as the test
waits there. So it is taken away with the test's turn, and put back with the next one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol
from unittest import mock

__all__ = ["Patch", "noted"]

_MISSING = object()
_SPECIAL = ("__doc__", "__module__", "__defaults__", "__annotations__", "__kwdefaults__")
"""What is there though one has deleted it, as mock has it."""


class Patch(Protocol):
    """Something that a test has put where all of the process sees it."""

    def leave(self) -> None:
        """Set it aside, and have there what was there before."""

    def enter(self) -> None:
        """Put it back."""

    def hand_back(self, patch: Any) -> None:
        """Have what mock made for it know what it has to undo: several tests may share that."""


class _OfAttribute:
    """A patch of one attribute."""

    def __init__(self, patch: Any) -> None:
        self._patch = patch
        self._state = vars(patch).copy()
        self._target, self._name = patch.target, patch.attribute
        self._original, self._is_local = patch.temp_original, patch.is_local
        self._comes_back = not patch.create
        self._own: Any = None

    def leave(self) -> None:
        """Set it aside, as mock undoes it."""
        target, name = self._target, self._name
        self._mark(is_started=False)  # another test may enter the same one
        self._own = getattr(target, "__dict__", {}).get(name, _MISSING)
        if self._own is _MISSING:
            self._own = getattr(target, name, _MISSING)
        if self._is_local:
            setattr(target, name, self._original)
            return
        with suppress(AttributeError):
            delattr(target, name)
        if self._comes_back and (not hasattr(target, name) or name in _SPECIAL):
            setattr(target, name, self._original)

    def enter(self) -> None:
        """Put it back."""
        self._mark(is_started=True)
        if self._own is not _MISSING:
            setattr(self._target, self._name, self._own)
        else:  # the test has taken it away
            with suppress(AttributeError):
                delattr(self._target, self._name)

    def hand_back(self, patch: Any) -> None:
        """Have mock's object know its target, and what was there."""
        vars(patch).update(self._state)

    def _mark(self, *, is_started: bool) -> None:
        self._patch.is_started = is_started  # Python asks since 3.14


class _OfDict:
    """A patch of a mapping: what is different there is the test's."""

    def __init__(self, patch: Any) -> None:
        self._mapping = patch.in_dict
        self._before = _items(patch._original)
        self._own: dict[Any, Any] = {}

    def leave(self) -> None:
        """Set it aside."""
        now = _items(self._mapping)
        self._own = {key: value for key, value in now.items() if not self._had(key, value)}
        self._own.update((key, _MISSING) for key in self._before if key not in now)
        self._put({key: self._before.get(key, _MISSING) for key in self._own})

    def enter(self) -> None:
        """Put it back; others may have changed the mapping meanwhile, and that is to stay."""
        self._before = _items(self._mapping)
        self._put(self._own)

    def hand_back(self, patch: Any) -> None:
        """Have mock's object know what was there."""
        patch._original = self._before

    def _had(self, key: Any, value: Any) -> bool:
        return key in self._before and self._before[key] is value

    def _put(self, values: dict[Any, Any]) -> None:
        for key, value in values.items():
            if value is not _MISSING:
                self._mapping[key] = value
            else:
                with suppress(KeyError):
                    del self._mapping[key]


def _items(mapping: Any) -> dict[Any, Any]:
    """Return what is in a mapping, of which no more is known than that it can be patched."""
    return {key: mapping[key] for key in mapping}


@contextmanager
def noted(
    begin: Callable[[object, Patch], None], end: Callable[[object], Patch | None]
) -> Iterator[None]:
    """Call ``begin`` for each patch that is made inside the block, and ``end`` when it is undone.

    Both get what mock made for it, by which it is known; ``end`` returns it, where it is.
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


def _leaving(before: Any, end: Callable[[object], Patch | None]) -> Any:
    @functools.wraps(before)
    def leave(self: Any, *error: Any) -> Any:
        found = end(self)
        if found is not None:
            found.hand_back(self)
        return before(self, *error)

    return leave


_KINDS: Any = (
    (mock._patch, ("__enter__", "__exit__"), _OfAttribute),
    # a coroutine function that is decorated enters no context
    (mock._patch_dict, ("_patch_dict", "_unpatch_dict"), _OfDict),
)
