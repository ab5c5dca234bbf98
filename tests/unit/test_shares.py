"""nose2_aio.shares"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import TestCase

from nose2_aio import shares


def sent(names: list[str], processes: int = 2, concurrency: int = 3) -> list[str]:
    """What nose2's plugin would send."""
    suite = object()

    def flatten(given: object) -> Iterator[str]:
        assert given is suite
        yield from names

    plugin: Any = SimpleNamespace(procs=processes, _flatten=flatten)
    shares.widen(plugin, concurrency)
    return list(plugin._flatten(suite))


def numbered(count: int) -> list[str]:
    return [f"module.Case.test_{number}" for number in range(count)]


class Shares(TestCase):
    """What a worker process gets at a time."""

    def test_whole(self) -> None:
        """All are sent, in their order, once."""
        for count in (1, 2, 5, 24, 25, 100):
            found = [name for share in sent(numbered(count)) for name in shares.names_in(share)]
            self.assertEqual(found, numbered(count))

    def test_size(self) -> None:
        """Each worker gets as many as the others, but no more than four times what runs at once."""
        for count, sizes in (
            (1, [1]),
            (2, [1, 1]),
            (5, [3, 2]),
            (24, [12, 12]),
            (25, [12, 12, 1]),
            (30, [12, 12, 6]),
        ):
            found = [len(shares.names_in(share)) for share in sent(numbered(count))]
            self.assertEqual(found, sizes)

    def test_none(self) -> None:
        """Nothing is sent of nothing."""
        self.assertEqual(sent([]), [])

    def test_failed(self) -> None:
        """What could not be loaded keeps its name, and comes first: it stays where it is."""
        failed = "nose2.loader.LoadTestsFailure.test_broken"
        found = sent(["a.b", failed, "a.c"])
        self.assertEqual(found[0], failed)
        self.assertEqual([shares.names_in(one) for one in found], [[], ["a.b"], ["a.c"]])
        self.assertEqual(sent([failed]), [failed])

    def test_names(self) -> None:
        """Any other name stands for itself."""
        for name in ("", "module", "module.Case.test:1", "nose2_aio.share"):
            self.assertEqual(shares.names_in(name), [])
