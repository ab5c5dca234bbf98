"""nose2_aio.patches"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock

from nose2_aio import patches
from nose2_aio.patches import Patch


class Base:
    """Has an attribute that others inherit."""

    value = 1


class Derived(Base):
    """Inherits it."""


class Patches(TestCase):
    """What a test patches, it sees itself."""

    def setUp(self) -> None:
        self.noted: dict[int, Patch] = {}
        block = patches.noted(
            lambda key, patch: self.noted.__setitem__(id(key), patch),
            lambda key: self.noted.pop(id(key)),
        )
        self.enterContext(block)

    def leave(self) -> None:
        """Set all aside, as the turn of a test ends."""
        for patch in reversed(self.noted.values()):
            patch.leave()

    def enter(self) -> None:
        """Put all back."""
        for patch in self.noted.values():
            patch.enter()

    def test_attribute(self) -> None:
        """An attribute: its own, an inherited one, one that wasn't there."""
        thing = SimpleNamespace(value=1)
        for target, name in ((thing, "value"), (Derived, "value"), (thing, "fresh")):
            before = getattr(target, name, None)
            with mock.patch.object(target, name, 2, create=True):
                self.leave()
                self.assertEqual(getattr(target, name, None), before)
                self.assertEqual(hasattr(target, name), before is not None)
                self.enter()
                self.assertEqual(getattr(target, name), 2)
            self.assertEqual(getattr(target, name, None), before)
        self.assertNotIn("value", vars(Derived))
        self.assertFalse(self.noted)

    def test_nested(self) -> None:
        """Patches of the same attribute, one inside of the other."""
        thing = SimpleNamespace(value=1)
        with mock.patch.object(thing, "value", 2), mock.patch.object(thing, "value", 3):
            self.leave()
            self.assertEqual(thing.value, 1)
            self.enter()
            self.assertEqual(thing.value, 3)
        self.assertEqual(thing.value, 1)

    def test_changed(self) -> None:
        """What the test itself has put there in the meantime, or taken away, stays."""
        thing = SimpleNamespace(value=1)
        with mock.patch.object(thing, "value", 2):
            thing.value = 4
            self.leave()
            self.enter()
            self.assertEqual(thing.value, 4)
        with mock.patch.object(thing, "fresh", 2, create=True):
            del thing.fresh
            self.leave()
            self.assertFalse(hasattr(thing, "fresh"))
            self.enter()
            self.assertFalse(hasattr(thing, "fresh"))
            thing.fresh = 2

    def test_without_dictionary(self) -> None:
        """An object that has no dictionary of its own."""

        class Slotted:
            __slots__ = ("value",)

        thing = Slotted()
        thing.value = 1
        with mock.patch.object(thing, "value", 2):
            self.leave()
            self.assertEqual(thing.value, 1)
            self.enter()
            self.assertEqual(thing.value, 2)

    def test_dictionary(self) -> None:
        """Items of a mapping; with ``clear`` all that were there."""
        things: dict[str, Any] = {"a": 1, "b": 2}
        with mock.patch.dict(things, {"b": 3, "c": 4}):
            self.leave()
            self.assertEqual(things, {"a": 1, "b": 2})
            things["other"] = 5
            self.enter()
            self.assertEqual(things, {"a": 1, "b": 3, "c": 4, "other": 5})
        with mock.patch.dict(things, {"c": 4}, clear=True):
            self.leave()
            self.assertEqual(things, {"a": 1, "b": 2})
            self.enter()
            self.assertEqual(things, {"c": 4})
        self.assertEqual(things, {"a": 1, "b": 2})

    def test_started(self) -> None:
        """By ``start`` and ``stop``, and as decorators of coroutine functions."""
        things = {"a": 1}
        patch = mock.patch.dict(things, a=2)
        patch.start()
        self.assertEqual(len(self.noted), 1)
        patch.stop()

        @mock.patch.dict(things, a=3)
        @mock.patch.object(Base, "value", 4)
        async def test() -> None:
            self.assertEqual((things, Base.value, len(self.noted)), ({"a": 3}, 4, 2))
            self.leave()
            self.assertEqual((things, Base.value), ({"a": 1}, 1))
            self.enter()

        coroutine = test()
        with self.assertRaises(StopIteration):
            coroutine.send(None)
        self.assertFalse(self.noted)
