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
            lambda key: self.noted.pop(id(key), None),
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
        self.assertEqual(things, {"a": 1, "b": 2, "other": 5})  # which somebody else has put there
        with mock.patch.dict(things, {"c": 4}, clear=True):
            things["own"] = 6
            self.leave()
            self.assertEqual(things, {"a": 1, "b": 2, "other": 5})
            self.enter()
            self.assertEqual(things, {"c": 4, "own": 6})
        self.assertEqual(things, {"a": 1, "b": 2, "other": 5})

    def test_shared(self) -> None:
        """What mock made for a patch may be entered by several tests at a time."""
        thing = SimpleNamespace(value=1)
        shared = mock.patch.object(thing, "value", 2)
        shared.__enter__()
        self.leave()
        first, self.noted = self.noted, {}
        shared.__enter__()
        shared.__exit__(None, None, None)
        self.assertEqual(thing.value, 1)
        self.noted = first
        self.enter()
        self.assertEqual(thing.value, 2)
        shared.__exit__(None, None, None)
        self.assertEqual(thing.value, 1)

    def test_special(self) -> None:
        """What comes back by itself when it is deleted has its old value meanwhile."""

        def connect(host: str = "here") -> str:
            return host

        with mock.patch.object(connect, "__defaults__", ("there",)):
            self.leave()
            self.assertEqual(connect(), "here")
            self.enter()
            self.assertEqual(connect(), "there")
        self.assertEqual(connect(), "here")

    def test_no_methods(self) -> None:
        """Of a mapping no more is needed than mock needs."""

        class Few:
            """Only what mock needs."""

            def __init__(self) -> None:
                self.things = {"a": 1}

            def __getitem__(self, key: str) -> int:
                return self.things[key]

            def __setitem__(self, key: str, value: int) -> None:
                self.things[key] = value

            def __delitem__(self, key: str) -> None:
                del self.things[key]

            def __iter__(self) -> Any:
                return iter(list(self.things))

        few = Few()
        with mock.patch.dict(few, {"b": 2}):
            self.leave()
            self.assertEqual(few.things, {"a": 1})
            self.enter()
            self.assertEqual(few.things, {"a": 1, "b": 2})

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
