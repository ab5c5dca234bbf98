"""nose2_aio.shares"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import TestCase

from nose2_aio import shares
from nose2_aio.errors import UnsentError


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


class PickyError(Exception):
    """An error that can be pickled, and not be made again."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(text)
        self.code = code


def raised(error: Exception) -> Any:
    """What `sys.exc_info` gives of an error."""
    try:
        raise error
    except Exception:
        return sys.exc_info()


class Portable(TestCase):
    """What of an error a worker process sends."""

    def test_as_it_is(self) -> None:
        """One that can be sent stays the same."""
        found = raised(ValueError("bad"))
        self.assertIs(shares.portable(found), found)

    def test_unsent(self) -> None:
        """Another one with the same frames stands for one that can't be written, or read."""
        locked = ValueError("bad")
        locked.lock = threading.Lock()  # type: ignore[attr-defined]
        locked.add_note("as ever")
        for error, said, reason in (
            (locked, "ValueError: bad\nas ever\n", "TypeError: cannot pickle"),
            (PickyError(1, text="bad"), f"{__name__}.PickyError: bad\n", "TypeError: "),
        ):
            found = raised(error)
            kind, sent, frames = shares.portable(found)
            self.assertIs(kind, UnsentError)
            self.assertIsInstance(sent, UnsentError)
            self.assertIs(frames, found[2])
            self.assertTrue(str(sent).startswith(said), sent)
            self.assertIn(f"it can't be sent from a worker process as it is: {reason}", str(sent))
