"""nose2_aio.introspection.object_names"""

from __future__ import annotations

import functools
import sys
from typing import Any
from unittest import TestCase

from nose2_aio.introspection import object_names


class Owner:
    """Has attributes."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Names(TestCase):
    """What code calls an object."""

    def test_names(self) -> None:
        """Attributes and variables, of the innermost frame first, and members of containers."""
        one, kept, unknown = object(), object(), object()
        owner = Owner(kept=kept)
        things, table = [object()], {1: object()}
        outer = sys._getframe()
        ids = iter((one, kept, things[0], table[1]))

        def inner(mine: object) -> list[str]:
            return [*map(functools.partial(object_names.name_in, [outer, sys._getframe()]), ids)]

        found = inner(kept)
        self.assertEqual(found, ["one", "mine", "things[...]", "table[1]"])
        self.assertEqual(object_names.name_in([outer], kept), "owner.kept")
        self.assertEqual(object_names.name_in([], unknown), "")
        self.assertTrue(owner and things and table)

    def test_own(self) -> None:
        """An attribute of ``self`` is named after its class. ``self`` is no name."""
        self.mine = object()
        frame = sys._getframe()
        self.assertEqual(object_names.name_in([frame], self.mine), "Names.mine")
        self.assertEqual(object_names.name_in([frame], self), "")
