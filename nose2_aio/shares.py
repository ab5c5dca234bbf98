"""Shares: what a worker process of nose2's gets at a time.

nose2 sends it the name of one test, and the next one when that is done. Where a worker is to run
many at once, one name stands for many.
"""

from __future__ import annotations

import itertools
import math
import pickle
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from nose2_aio.errors import UnsentError

__all__ = ["names_in", "portable", "widen"]

_HEAD = "nose2_aio.share\n"
_BETWEEN = "\n"
_FAILED = "nose2.loader.LoadTestsFailure"
"""What never leaves the main process."""
_UNSENT = "it can't be sent from a worker process as it is: {}"
_ROUNDS = 4
"""How many times as many as run at once there are in a share, at most."""


def widen(plugin: Any, concurrency: int) -> None:
    """Have nose2's plugin ``mp`` send shares in which so many tests can run at once."""
    flatten = plugin._flatten

    def shares(suite: Any) -> Iterator[str]:
        return _shares(list(flatten(suite)), plugin.procs, concurrency)

    plugin._flatten = shares


def names_in(name: str) -> list[str]:
    """Return the names that one stands for; nothing for any other name."""
    return name.removeprefix(_HEAD).split(_BETWEEN) if name.startswith(_HEAD) else []


def portable(found: Any) -> Any:
    """Return what ``sys.exc_info()`` gave, or the same with an error that can be sent.

    nose2 sends all of a share at once: where one thing can't be, it sends none of it.
    """
    _, error, frames = found
    try:
        pickle.loads(pickle.dumps(found[:2]))  # noqa: S301 -- our own
    except Exception as reason:
        said = UnsentError(f"{_said(error)}\n\n{_UNSENT.format(_said(reason))}")
        return UnsentError, said, frames
    return found


def _said(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).rstrip()


def _shares(names: list[str], processes: int, concurrency: int) -> Iterator[str]:
    sent = [name for name in names if not name.startswith(_FAILED)]
    yield from (name for name in names if name.startswith(_FAILED))
    size = min(math.ceil(len(sent) / processes), _ROUNDS * concurrency)
    for share in _cut(sent, size):
        yield _HEAD + _BETWEEN.join(share)


def _cut(names: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while share := list(itertools.islice(rest, size)):
        yield share
